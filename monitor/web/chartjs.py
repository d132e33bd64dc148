"""Chart.js, which the pages draw with: the file lies in the wheel of chartkick, and is served from there."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

PACKAGE: Final = "chartkick"
FILE: Final = "Chart.bundle.js"


@cache
def chart_js(package: str = PACKAGE, file: str = FILE) -> Path | None:
    """Where it lies; None where the package or the file in it is missing: pages then show their tables alone."""
    try:
        found = distribution(package).files or ()
    except PackageNotFoundError:
        return None
    for entry in found:
        if entry.name == file:
            path = Path(str(entry.locate()))
            return path if path.is_file() else None
    return None
