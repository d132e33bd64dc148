"""Draws docs/images/calibration.svg: a calibration of a simulated model of which everything is known."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.calibration.population import SERVING, Population
from monitor.recalibration.pictures import rate_picture
from monitor.recalibration.rate_curve import rate_curves
from monitor.recalibration.windows import read
from schemas.calibrations import ALL, Thresholds
from schemas.refusal_tokens import REFUSE

BEFORE = Thresholds(rule="single", selected=(REFUSE,), temperature=1.0, values={ALL: 0.5})
NEW = msgspec.structs.replace(BEFORE, values={ALL: 0.31})


def main() -> None:
    """Write it beside this file."""
    begins_at = datetime(2026, 1, 1, tzinfo=UTC)
    logs = Population().logs(1_500, BEFORE, np.random.default_rng(1), begins_at=begins_at)
    curves = rate_curves(read(logs, SERVING, BEFORE).sample, NEW, BEFORE, {ALL: 0.45})
    picture = rate_picture(curves, title="support-bot-7: version 3, proposed", form="svg")
    Path(__file__).with_suffix(".svg").write_bytes(picture)


if __name__ == "__main__":
    main()
