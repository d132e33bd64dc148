"""Figures as people read them: shares and their changes, multiples, counts, moments and spans."""

from __future__ import annotations

import math
from datetime import datetime, timedelta


def share_text(share: float) -> str:
    """`4.1 %`, `0.082 %`."""
    return f"{_share(share)} %"


def points_text(change: float, *, has_unit: bool = True) -> str:
    """The change of a share: `+13.8 points` (per cent points)."""
    return f"{sign_of(change)}{_share(abs(change))}{' points' if has_unit else ''}"


def sign_of(value: float) -> str:
    """Of a change: nothing is none without."""
    return "+" if value >= 0 else "−"


def _share(value: float) -> str:
    per_cent = value * 100
    if not math.isfinite(per_cent):
        return "—"
    if per_cent >= 10 or per_cent == 0:
        return f"{per_cent:,.1f}"
    # Two digits that count, whatever the size.
    return f"{per_cent:.{min(1 - math.floor(math.log10(per_cent)), 8)}f}" if per_cent > 1e-8 else "0.0"


def times_text(value: float) -> str:
    """A multiple with two or three digits: `0.43`, `5.1`, `12`."""
    if not math.isfinite(value):
        return "—"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2g}"


def number(value: float) -> str:
    """A count or another figure: whole where it is, else with as many digits as matter."""
    if not math.isfinite(value):
        return "—"
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def moment(at: datetime) -> str:
    """`2026-03-03 12:00:04 UTC`."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def duration(span: timedelta) -> str:
    """A span in its largest unit of which there are two: `95 s`, `4 min`, `3 h`, `12 d`. None is below nought."""
    seconds = max(0.0, span.total_seconds())
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
