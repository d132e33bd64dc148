"""Times as people type them: `15m`, `2h`, `3d`, `now`, `today`, `2026-05-01`, `2026-05-01T10:30Z`. All UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.errors import Misconfigured

SYNTAX: Final = "15m, 2h, 3d, 1w (that long ago), now, today, yesterday, 2026-05-01 or 2026-05-01T10:30Z; UTC"

_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_AGO: Final = re.compile(r"(\d{1,9})\s?(s|min|m|h|d|w)", re.ASCII)
LONGEST: Final = timedelta(days=3653)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str, now: datetime, *, option: str) -> datetime:
    """The moment that `text` names, in UTC; a time without a zone is UTC. Raises Misconfigured naming `option`."""
    value = text.strip()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now.astimezone(UTC), "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if value.lower() in named:
        return named[value.lower()]
    if ago := _AGO.fullmatch(value.lower().removesuffix(" ago")):
        try:
            moment = now.astimezone(UTC) - int(ago[1]) * _UNITS[ago[2]]
        except OverflowError:
            moment = _EARLIEST
        return max(moment, _EARLIEST)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Misconfigured(f"{option} {text!r} is no time", f"write it as {SYNTAX}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise Misconfigured(f"{option} {text!r} is out of range", f"write it as {SYNTAX}") from None
    if moment < _EARLIEST:
        raise Misconfigured(f"{option} {text!r} is before 1970", f"write it as {SYNTAX}")
    return moment


def parse_span(text: str, *, option: str) -> timedelta:
    """The length that `text` names (`30m`, `2h`, `3d`, `1w`), above nought. Raises Misconfigured naming `option`."""
    named = _AGO.fullmatch(text.strip().lower())
    try:
        span = int(named[1]) * _UNITS[named[2]] if named else timedelta()
    except OverflowError:
        span = timedelta()
    if not timedelta() < span <= LONGEST:
        raise Misconfigured(
            f"{option} {text!r} is no length", "write it as 30s, 15m, 2h, 3d or 1w; at most ten years"
        )
    return span
