"""The kinds of alerts about calibrations, each with its severity and meaning. docs/alerts.md has a page's part for each."""

from __future__ import annotations

from typing import Final

from monitor.alert_kind import AlertKind


class CalibrationKind(AlertKind):
    """What can be told about calibrations of refusal tokens."""

    PROPOSED = "calibration_proposed", "info", "A calibration waits for a person to approve it."
    DECLINED = (
        "calibration_declined",
        "info",
        "No calibration could be proposed: the logs or the bounds forbid it.",
    )
    MISSING_PIECES = (
        "calibration_missing_pieces",
        "warning",
        "The refusal-token records lack what thresholds are computed from.",
    )
    ROLLED_BACK = (
        "calibration_rolled_back",
        "warning",
        "A published calibration didn't do what was expected, and the one before it is in force again.",
    )
    DISOBEYED = (
        "token_disobeyed",
        "warning",
        "The texts do the opposite of the refusal token that stands before them.",
    )
    DISTRUSTED = (
        "calibration_distrusted",
        "critical",
        "Somebody writes unsigned, forged or old messages to the topic of calibrations; they are ignored.",
    )


KINDS: Final = frozenset(kind.value for kind in CalibrationKind)
EVERY_KIND: Final = tuple(CalibrationKind)
