"""Figures as people read them: shares and their changes, multiples, counts, moments and spans."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

NOTHING: Final = "—"
LEAST: Final = 1e-6
"""Per cents below it are none."""
HUGE: Final = 1e15
"""From there on it is told in powers of ten: nothing that was counted is so large."""


def share_text(share: float) -> str:
    """Of a share, 0 to 1: `41.3 %`, `4.1 %`, `0.082 %`, `0 %`, `99.98 %`. Two digits that count and one after the point at least;
    close to all of them it is what is missing that counts."""
    return _share(share, 2)


def shares_apart(one: float, two: float) -> tuple[str, str]:
    """Two shares, with as many digits more as they need to be told apart."""
    for digits in (2, 3, 4, 6):
        shown = _share(one, digits), _share(two, digits)
        if shown[0] != shown[1]:
            return shown
    return share_text(one), share_text(two)


def points_text(change: float, *, has_unit: bool = True) -> str:
    """The change of a share: `+13.8 points` (per cent points)."""
    points = abs(change) * 100.0
    shown = _unusual(points) or f"{points:,.{_decimals(points, 2)}f}"
    return f"{sign_of(change)}{shown}{' points' if has_unit else ''}"


def sign_of(value: float) -> str:
    """Of a change: nothing is none without."""
    return "+" if value >= 0 else "−"


def _share(share: float, digits: int) -> str:
    per_cent = max(share, 0.0) * 100.0
    if unusual := _unusual(per_cent):
        return unusual
    decimals = _decimals(per_cent, digits)
    missing = 100.0 - per_cent
    if 0.0 <= missing < 1.0:
        decimals = _decimals(missing, digits - 1) if missing >= LEAST else 0
    return f"{per_cent:.{decimals}f} %"


def _decimals(value: float, digits: int) -> int:
    """So many that `digits` of it count, and one at least; of nothing none."""
    if value < LEAST:
        return 0
    # Rounded first: 9.96 is 10 then, and 0.0996 is 0.1.
    return max(1, digits - 1, digits - 1 - math.floor(math.log10(float(f"{value:.{digits}g}"))))


def times_text(ratio: float) -> str:
    """A multiple: `0.28`, `1.5`, `11.6`, `120`, `1,200`."""
    if unusual := _unusual(ratio):
        return unusual
    if ratio >= 1_000:
        return f"{float(f'{ratio:.2g}'):,.0f}"
    return f"{ratio:.0f}" if ratio >= 99.95 else f"{ratio:.1f}" if ratio >= 1.95 else _digits(ratio)


def pace_text(count: float) -> str:
    """A count per time, as exact as such estimates are: `12,400`, `87`, `3.4`, `0.05`."""
    if unusual := _unusual(count):
        return unusual
    if count >= 10_000:
        return f"{float(f'{count:.3g}'):,.0f}"
    return f"{count:,.0f}" if count >= 100 else _digits(count)


def _digits(value: float) -> str:
    """With two digits that count, never in powers of ten; what is smaller than a hundred-thousandth is 0."""
    if abs(value) < 1e-5:
        return "0"
    decimals = 1 - math.floor(math.log10(abs(float(f"{value:.2g}"))))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals > 0 else f"{value:.0f}"


def number(value: float) -> str:
    """A count or another figure: whole where it is, else with as many digits as matter."""
    if unusual := _unusual(value):
        return unusual
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _unusual(value: float) -> str:
    """What is no figure, or HUGE; nothing for all others."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:.3g}" if abs(value) >= HUGE else ""


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
