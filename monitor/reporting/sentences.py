"""Sentences about rates that changed: what, where, from what to what, by how much, how surely, since when. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitor.drift import wording
from monitor.drift.measures import MEASURE_OF, Measure
from monitor.reporting import words
from monitor.reporting.changes import RATES, Change
from monitor.reporting.facts import Told
from monitor.reporting.weeks import Week
from monitor.wording.figures import points_text, shares_apart
from schemas.evidence import DriftEvidence

_MEANT: Final[Mapping[Measure, str]] = {
    Measure.OVER_REFUSAL: " (harmless prompts that were refused)",
    Measure.UNDER_REFUSAL: " (harmful prompts that were answered)",
}
"""What stands behind a rate whose name doesn't say it."""


def of_change(change: Change) -> str:
    """A rate of a week against an earlier one."""
    measure, now = change.measure, change.now
    before, after = shares_apart(change.before.value or 0.0, now.value or 0.0)
    earlier = "last week" if change.versus == "last week" else "in the four weeks before"
    noun, did = words.CONCERNED[measure]
    more = abs(change.change) * now.denominator
    return (
        f"{_subject(measure, words.place(change.key))} {'rose' if change.is_rise else 'fell'} from {before} {earlier} to {after}, "
        f"{_by(change.change, change.low, change.high)}: about {words.whole(more)} {'more' if change.is_rise else 'fewer'} of "
        f"{words.whole(now.denominator)} {noun} {did} than at the earlier rate."
    )


def of_shift(alert: Told, evidence: DriftEvidence, week: Week) -> str:
    """A shift that the drift watch told, dated by the week's clocks."""
    measure = MEASURE_OF.get(evidence.measure, Measure.VOLUME)
    place = words.place((alert.place.get("tenant"), alert.place.get("model"), alert.place.get("category")))
    if alert.kind == "instrument_change":
        return f"{wording.title(alert.kind, measure, place, evidence)}."
    since = f"since {words.moment(evidence.changed_at, week.zone)} (by arrival)"
    if measure not in RATES and measure is not Measure.COVERAGE:
        figures = wording.title(alert.kind, measure, place, evidence).rpartition(" since ")[0]
        return f"{figures} {since}."
    before, after = shares_apart(evidence.rate_before.value, evidence.rate_after.value)
    change = evidence.rate_change
    said = (
        f"{_subject(measure, place)} {'rose' if evidence.direction == 'up' else 'fell'} from {before} to {after}, "
        f"{_by(change.value, change.low, change.high)}, {since}."
    )
    more = abs(change.value) * evidence.n
    if more < 1:
        return said
    noun, did = words.CONCERNED[measure]
    return (
        f"{said} By the time it was told, about {words.whole(more)} {'more' if evidence.direction == 'up' else 'fewer'} of "
        f"{words.whole(evidence.n)} {noun} {did} than before."
    )


def _subject(measure: Measure, place: Mapping[str, str]) -> str:
    return f"{wording.subject(measure, place)}{_MEANT.get(measure, '')}"


def _by(change: float, low: float, high: float) -> str:
    """By 7.9 points (95 % interval 6.8 to 8.9); the ends have a sign where they differ in it."""
    ends = [low, high] if change >= 0 else [-high, -low]
    shown = [points_text(end, has_unit=False) for end in ends]
    if ends[0] >= 0:
        shown = [end.removeprefix("+") for end in shown]
    return f"by {points_text(abs(change)).removeprefix('+')} (95 % interval {shown[0]} to {shown[1]})"
