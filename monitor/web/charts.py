"""What the charts are drawn from: plain values that static/charts.js understands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from monitor.web.figures import Baseline, Figure
from monitor.wording.visible import shortened, visible
from schemas.evidence import DriftEvidence

CLOCK: Final = "UTC"
"""By which the labels of the times go."""
NAME_CHARS: Final = 32
Series = tuple[str, Sequence[Figure]]


def rate_chart(
    times: Sequence[datetime], lines: Sequence[Series], expected: Baseline | None, *, is_long: bool
) -> Mapping[str, Any]:
    """Rates over time in per cent: the first line with its interval, the others bare, and where the baseline has the first."""
    first = lines[0][1]
    bands = [expected.band(one.n) if expected else None for one in first]
    return {
        "labels": [f"{at:%m-%d %H:%M}" if is_long else f"{at:%H:%M:%S}".removesuffix(":00") for at in times],
        "lines": [
            {"name": shortened(visible(name), NAME_CHARS), "values": [percent(one.rate) for one in line]}
            for name, line in lines
        ],
        "low": [percent(one.low) for one in first],
        "high": [percent(one.high) for one in first],
        "counts": [[one.k, one.n] for one in first],
        "base": percent(expected.rate) if expected else None,
        "clock": CLOCK,
        "baseLow": [percent(band[0]) if band else None for band in bands],
        "baseHigh": [percent(band[1]) if band else None for band in bands],
        "unit": "%",
    }


def evidence_chart(evidence: DriftEvidence) -> Mapping[str, Any]:
    """The stretch around a shift: what was seen and what was to be expected; `mark` is the first point after the change."""
    is_share = evidence.measure != "volume"
    points = evidence.series
    after = [at for at, point in enumerate(points) if point.at > evidence.changed_at]

    is_one_day = bool(points) and points[0].at.date() == points[-1].at.date()
    clock = "%H:%M:%S" if is_one_day else "%m-%d %H:%M:%S"

    def value(count: float, n: float) -> float | None:
        return None if n <= 0 else round(count / n * (100 if is_share else 1), 4)

    return {
        "labels": [f"{point.at:{clock}}" for point in points],
        "lines": [
            {"name": "observed", "values": [value(point.k, point.n) for point in points]},
            {"name": "expected", "values": [value(point.expected, point.n) for point in points]},
        ],
        "counts": [[point.k, point.n] for point in points],
        "mark": after[0] if after else None,
        "clock": CLOCK,
        "unit": "%" if is_share else "an hour",
    }


def percent(rate: float | None) -> float | None:
    """A share as per cent, short enough to send."""
    return None if rate is None else round(rate * 100, 4)
