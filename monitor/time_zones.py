"""Time zones by their names."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from monitor.errors import Misconfigured


def read_zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name. Raises Misconfigured."""
    try:
        if not name.isascii():
            raise ValueError  # the same answer as for any other name that there isn't
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        shown = name if name.isascii() and name.isprintable() and len(name) <= 60 else "that"
        raise Misconfigured(
            f"there is no time zone {shown!r}", "name one as IANA does, like Europe/Berlin, or UTC"
        ) from None
