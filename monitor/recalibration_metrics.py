"""What is counted of calibrations of refusal tokens. Members of monitor.metrics.Metric under the same names."""

from __future__ import annotations

from typing import Final

from monitor.metric_spec import Label, counter, gauge

CALIBRATIONS: Final = gauge(
    "calibrations",
    "models",
    "Models whose newest calibration is in this state; 0 where this worker doesn't oversee, as the next.",
    Label.CALIBRATION_STATE,
)
CALIBRATIONS_IGNORED: Final = gauge(
    "calibrations_ignored",
    "messages",
    "Messages on the topic of calibrations that are ignored, as long as the topic holds them (docs/recalibration.md).",
    Label.DISTRUST,
)
CALIBRATIONS_STORED: Final = counter(
    "calibrations_stored",
    "records",
    "Verified records of the calibrations topic that have been made rows of. One that is delivered again counts again; its row doesn't.",
)
