"""The kinds of alerts about drift, each with its severity and meaning. docs/alerts.md has a page's part for each."""

from __future__ import annotations

from typing import Final

from monitor.alert_kind import AlertKind
from monitor.drift.measures import Measure
from schemas.alerts import Severity


class DriftKind(AlertKind):
    """What can be told about drift."""

    RATE_SHIFT = (
        "rate_shift",
        "warning",
        "A rate left its baseline: refusals or harm became more or less frequent.",
    )
    MIX_SHIFT = "mix_shift", "info", "A category became a larger or smaller part of its model's traffic."
    VOLUME_SHIFT = "volume_shift", "info", "There is more or less traffic than is usual at this hour."
    COVERAGE_SHIFT = (
        "coverage_shift",
        "warning",
        "The guard leaves another share of the exchanges without an answer.",
    )
    DEAD_LETTER_SHIFT = "dead_letter_shift", "warning", "Another share of the messages can't be read."
    INSTRUMENT_CHANGE = (
        "instrument_change",
        "info",
        "Another guard, prompt or calibration labels the traffic: rates jumped by so much, which is no drift.",
    )


KINDS: Final = frozenset(kind.value for kind in DriftKind)

_OF_MEASURE: Final = {
    Measure.MIX: DriftKind.MIX_SHIFT,
    Measure.VOLUME: DriftKind.VOLUME_SHIFT,
    Measure.COVERAGE: DriftKind.COVERAGE_SHIFT,
    Measure.DEAD_LETTERS: DriftKind.DEAD_LETTER_SHIFT,
}


def kind_of(measure: Measure) -> DriftKind:
    """The kind of alert that a shift of this measure makes."""
    return _OF_MEASURE.get(measure, DriftKind.RATE_SHIFT)


def severity_of(measure: Measure, *, is_rise: bool, level: int) -> Severity:
    """How bad: a rise of a harm's rate is critical, and so is any rate that shifted further after it was told."""
    kind = kind_of(measure)
    is_harm_rate = kind is DriftKind.RATE_SHIFT and measure.is_harm and is_rise
    if kind.severity != "info" and (is_harm_rate or level >= 2):
        return "critical"
    return kind.severity
