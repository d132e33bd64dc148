"""What is written of a calibration to files: its picture, its signed record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitor.errors import Misconfigured
from monitor.recalibration.pictures import Form, rate_picture
from monitor.recalibration.rate_curve import RateCurve
from schemas.calibrations import Calibration

_FORMS: Final[dict[str, Form]] = {".svg": "svg", ".png": "png"}


def form_of(path: Path) -> Form:
    """By the ending of the name. Raises Misconfigured for another."""
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise Misconfigured(f"--plot {path}: the name says no form", "end it in .svg or .png")
    return form


def write_plot(path: Path, calibration: Calibration, curves: Sequence[RateCurve], missing: str) -> None:
    """Raises Misconfigured where there is nothing to draw, or the file can't be written."""
    form = form_of(path)
    if not curves:
        raise Misconfigured(f"there is no curve to draw: {missing}", "look at it without --plot")
    title = f"{calibration.model}: version {calibration.version}, {calibration.state}"
    write_file(path, rate_picture(curves, title=title, form=form), "--plot")


def write_file(path: Path, content: bytes, option: str) -> None:
    """Whole or not at all, as somebody may be following the file. Raises Misconfigured where it can't be written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            beside.write_bytes(content)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as exc:
        raise Misconfigured(
            f"{option} {path} can't be written: {exc.strerror or type(exc).__name__}", "name another file"
        ) from exc
