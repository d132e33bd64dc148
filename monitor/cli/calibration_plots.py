"""The picture of a calibration, written to a file."""

from __future__ import annotations

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
    try:
        path.write_bytes(rate_picture(curves, title=title, form=form))
    except OSError as exc:
        raise Misconfigured(
            f"--plot {path} can't be written: {exc.strerror or type(exc).__name__}", "name another file"
        ) from exc
