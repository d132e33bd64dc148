"""What a plot of a calibration needs: for each group the token's rate at every threshold, old and new marked. Pure; JSON-able."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from monitor.recalibration.curve import Curve, curve
from monitor.recalibration.text_rate import text_rate
from monitor.recalibration.windows import Sample
from schemas.calibrations import ALL, TextBounds, Thresholds
from schemas.evidence import Interval

MOST_POINTS: Final = 400


class RatePoint(msgspec.Struct, frozen=True):
    """The share of prompts with the refusal token at this threshold, with its 95 % interval."""

    threshold: float
    rate: float
    low: float
    high: float


class RateMark(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that is marked, with the rate there. `text`: bounds of the refusals in words if all thresholds were these."""

    threshold: float
    rate: Interval
    text: TextBounds | None


class RateCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Of one group ("" for all of a rule with one threshold). Thresholds rise, rates fall; at most 400 points, the ends among them.
    `band`: no rate of the curve is further from the truth, anywhere, with 95 %. None: no threshold before, no target."""

    group: str
    points: tuple[RatePoint, ...]
    band: float
    n: int
    effective: float
    old: RateMark | None
    new: RateMark
    target: float | None


def rate_curves(
    sample: Sample, now: Thresholds, before: Thresholds | None, targets: dict[str, float | None]
) -> tuple[RateCurve, ...]:
    """Of each group of `now` that has prompts, read under its rule. `targets` by group, for the plot alone."""
    old = before.values if before is not None and before.rule == now.rule else {}
    text_new = _text(sample, now)
    text_old = _text(sample, before) if before is not None and set(old) >= set(now.values) else None
    found = []
    for name in now.values:
        inside = sample if name == ALL else sample.where(sample.group == name)
        inside = inside.where(np.isfinite(inside.score))
        if not len(inside):
            continue
        whole = curve(inside)
        places = np.unique(np.linspace(0, len(whole.threshold) - 1, MOST_POINTS).astype(int))
        columns = (whole.threshold[places], whole.rate[places], whole.low[places], whole.high[places])

        found.append(
            RateCurve(
                group=name,
                points=tuple(
                    RatePoint(*map(float, row)) for row in zip(*(c.tolist() for c in columns), strict=True)
                ),
                band=whole.band,
                n=whole.n,
                effective=whole.effective,
                old=_mark(whole, old[name], text_old) if name in old else None,
                new=_mark(whole, now.values[name], text_new),
                target=targets.get(name),
            )
        )
    return tuple(found)


def _mark(whole: Curve, threshold: float, text: TextBounds | None) -> RateMark:
    place = min(int(np.searchsorted(whole.threshold, threshold, side="left")), len(whole.rate) - 1)
    interval = Interval(float(whole.rate[place]), float(whole.low[place]), float(whole.high[place]))
    return RateMark(threshold=threshold, rate=interval, text=text)


def _text(sample: Sample, thresholds: Thresholds) -> TextBounds | None:
    found = text_rate(sample, thresholds.values)
    if found is None:
        return None
    if found.randomised is not None:
        return TextBounds(
            low=found.randomised.low, high=found.randomised.high, switched=found.switched, is_randomised=True
        )
    return TextBounds(low=found.low, high=found.high, switched=found.switched, is_randomised=False)
