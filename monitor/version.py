"""Which Watchkeeper this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def watchkeeper_version() -> str:
    """The installed version; "0+source" where it runs from a source tree that isn't installed."""
    try:
        return version("watchkeeper")
    except PackageNotFoundError:
        return "0+source"
