"""What an alert about a shift says to a person: its title and the next step. Names of tenants, models and categories are the
only words in it that aren't ours, and they are made printable and short."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from monitor.drift.measures import Measure
from monitor.drift.units import rate_text
from monitor.wording.figures import shares_apart, times_text
from schemas.evidence import DriftEvidence, Interval

LONGEST_NAME: Final = 48

_SUBJECT: Final[Mapping[Measure, str]] = {
    Measure.REFUSAL: "Refusal of",
    Measure.OVER_REFUSAL: "Over-refusal of",
    Measure.UNDER_REFUSAL: "Under-refusal of",
    Measure.PROMPT_HARM: "The share of harmful prompts of",
    Measure.RESPONSE_HARM: "The share of harmful responses of",
    Measure.COVERAGE: "The share without an answer of the guard of",
    Measure.VOLUME: "Traffic of",
    Measure.DEAD_LETTERS: "The share of messages that could not be read",
}
_RATE_REMEDIES: Final[Mapping[Measure, str]] = {
    Measure.REFUSAL: "ask what changed in the model, its system prompt or its callers at that time; the sample shows which requests are "
    "refused",
    Measure.OVER_REFUSAL: "ask what changed in the model or its system prompt at that time; the sample shows harmless requests that "
    "are refused",
    Measure.UNDER_REFUSAL: "ask what changed in the model or its system prompt at that time, and think of going back; the sample shows "
    "harmful requests that are answered",
    Measure.PROMPT_HARM: "see whether one caller sends them: the sample shows the requests; the model may be as it was",
    Measure.RESPONSE_HARM: "ask what changed in the model or its system prompt at that time, and think of going back; the sample "
    "shows the responses",
}
_REMEDIES: Final[Mapping[str, str]] = {
    "mix_shift": "the traffic changed, and not what the model does with it; nothing to mend, unless nobody expects it",
    "volume_shift": "see whether the callers and the way of their chat logs to Kafka are well: `watchkeeper account`",
    "coverage_shift": "see whether the guard is well: `watchkeeper check`; its rates leave out what has no answer",
    "dead_letter_shift": "see why they can't be read: `watchkeeper dlq list`; mostly a producer was deployed at that time",
    "instrument_change": "nothing, where the guard or the calibration was meant to change: rates are compared within one version only",
}
_ACKNOWLEDGE: Final = "; if it is the new normal: `watchkeeper alerts ack`"


def title(kind: str, measure: Measure, place: Mapping[str, str], evidence: DriftEvidence) -> str:
    """One sentence, without a period: what shifted where, from which rate to which, by how much and since when.

    `kind`: a slug of the kinds of drift; `place`: the alert's.
    """
    what, before, after = subject(measure, place), evidence.rate_before, evidence.rate_after
    if measure is Measure.VOLUME:
        low, high = rate_text(measure, before.value, is_short=True), rate_text(measure, after.value)
        figures = f"from {low} to {high} ({_ratio(evidence.odds_ratio, '')})"
    else:
        low, high = shares_apart(before.value, after.value)
        figures = f"from {low} to {high} ({_ratio(evidence.odds_ratio, ' odds')})"
    if kind == "instrument_change":
        watched = evidence.watched_by
        guard = f"{printable(watched.guard_name)} {printable(watched.guard_version)}"
        return f"{what} is measured anew by {guard}, calibration {watched.calibration_version}: {figures}"
    verb = "rose" if evidence.direction == "up" else "fell"
    return f"{what} {verb} {figures} since {moment(evidence.changed_at, evidence.window_ends_at)}"


def remedy(kind: str, measure: Measure) -> str:
    """The next step for a person. Raises KeyError for a kind that there isn't."""
    if kind == "rate_shift":
        return _RATE_REMEDIES[measure] + _ACKNOWLEDGE
    if kind == "instrument_change":
        return _REMEDIES[kind]
    return _REMEDIES[kind] + _ACKNOWLEDGE


def place_name(place: Mapping[str, str]) -> str:
    """Tenant, model and category, those that are there: northwind / atlas-mini / benign. All traffic where none is."""
    names = [printable(place[part]) for part in ("tenant", "model", "category") if part in place]
    return " / ".join(names) or "all traffic"


def printable(name: str) -> str:
    """A name on one line, of at most LONGEST_NAME characters: what can't be seen, or turns the line round, is a "?"."""
    seen = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in name)
    seen = " ".join(seen.split())
    if not seen:
        return "(no name)"
    return seen if len(seen) <= LONGEST_NAME else seen[: LONGEST_NAME - 1] + "…"


def moment(at: datetime, now: datetime) -> str:
    """A time in UTC, with its date where that isn't the date of `now`, and its year where that is another."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    clock = f"{at:%H:%M} UTC"
    if at.date() == now.date():
        return clock
    date = f"{at.day} {at:%B}" if at.year == now.year else f"{at.day} {at:%B} {at.year}"
    return f"{date}, {clock}"


def subject(measure: Measure, place: Mapping[str, str]) -> str:
    """What a sentence about a measure at a place begins with: Refusal of northwind / atlas-mini."""
    if measure is Measure.DEAD_LETTERS:
        return _SUBJECT[measure]
    if measure is Measure.MIX:
        whole = {part: name for part, name in place.items() if part != "category"}
        return f"The share of {printable(place.get('category', ''))} in {place_name(whole)}"
    return f"{_SUBJECT[measure]} {place_name(place)}"


def _ratio(ratio: Interval, unit: str) -> str:
    low, high = times_text(ratio.low), times_text(ratio.high)
    return f"×{times_text(ratio.value)}{unit}, 95 % {low}–{high}"
