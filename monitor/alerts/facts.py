"""What is known of an alert, as names with sentences: for the terminal and the dashboard, in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from monitor.drift.measures import Measure
from monitor.drift.units import change_interval_text, change_text, rate_interval_text
from monitor.wording.figures import duration, moment, number, times_text
from schemas.alerts import Alert
from schemas.evidence import DriftEvidence

MOST_ALSO: Final = 6
_MEANINGS: Final = {measure.value: measure.meaning for measure in Measure}
_PLACES: Final = ("tenant", "model", "category")


def health_facts(alert: Alert) -> Iterable[tuple[str, str]]:
    """Of an alert about the stream itself."""
    yield "id", alert.id
    for name, value in alert.place.items():
        yield name, value
    yield "since", moment(alert.started_at)
    if alert.ended_at is not None:
        yield "until", moment(alert.ended_at)
    for name, fact in alert.facts.items():
        yield name.replace("_", " "), fact if isinstance(fact, str) else number(fact)
    yield "told by", f"{alert.source.worker}, release {alert.source.version}"


def shift_facts(alert: Alert, evidence: DriftEvidence) -> Iterable[tuple[str, str]]:
    """What shifted, where, by how much and since when. An empty name goes on with the one before."""
    measure = evidence.measure
    yield "what", _MEANINGS.get(measure, measure)
    yield (
        "where",
        ", ".join(f"{name} {alert.place[name]}" for name in _PLACES if name in alert.place) or "everywhere",
    )
    yield "before", rate_interval_text(measure, evidence.rate_before)
    yield "after", rate_interval_text(measure, evidence.rate_after)
    yield "change", change_interval_text(measure, evidence.rate_change)
    odds = evidence.odds_ratio
    kind = "" if measure == Measure.VOLUME else "odds "
    yield "", f"{kind}× {times_text(odds.value)} ({times_text(odds.low)} to {times_text(odds.high)})"
    of = "exchanges" if measure == Measure.VOLUME else f"of {number(evidence.n)}"
    yield (
        "counted",
        f"{number(evidence.k)} {of} since the change; {number(evidence.expected)} were to be expected",
    )
    yield "since", moment(evidence.changed_at)
    yield "", f"95 %: {moment(evidence.changed_from)} to {moment(evidence.changed_until)}"
    yield (
        "noticed",
        f"{moment(evidence.window_ends_at)}, {duration(evidence.window_ends_at - evidence.changed_at)} after it began",
    )
    if alert.ended_at is not None:
        yield "until", moment(alert.ended_at)
    yield (
        "evidence",
        f"{number(evidence.crossing)} × the threshold that a budget of {number(evidence.budget_per_month)} false alarms a month sets",
    )
    yield "id", alert.id


def background_facts(evidence: DriftEvidence) -> Iterable[tuple[str, str]]:
    """What it rests on."""
    measure = evidence.measure
    if evidence.mix is not None:
        within = f"{change_text(measure, evidence.mix.within)} within the classes"
        yield (
            "mix",
            f"{within}, {change_text(measure, evidence.mix.mix)} because classes come more or less often",
        )
    if evidence.also:
        yield (
            "also seen",
            "; ".join(map(_stream, evidence.also[:MOST_ALSO]))
            + (f"; and {len(evidence.also) - MOST_ALSO:,} more" if len(evidence.also) > MOST_ALSO else ""),
        )
    if evidence.planning is not None:
        after = ", ".join(
            f"× {factor.lstrip('x×')} in {duration(_hours(hours))}"
            for factor, hours in evidence.planning.noticed_after_h.items()
        )
        yield (
            "planning",
            f"at {number(evidence.planning.events_per_day)} a day a shift of the odds is noticed: {after}",
        )
    guard = evidence.watched_by
    prompt = f", prompt {guard.guard_prompt_hash[:12]}" if guard.guard_prompt_hash else ""
    calibration = (
        f"calibration {guard.calibration_version}"
        if guard.calibration_version
        else "thresholds of the settings"
    )
    yield "watched by", f"{guard.guard_name} {guard.guard_version}{prompt}, {calibration}"
    if evidence.event_ids:
        yield "for example", "  ".join(evidence.event_ids)


def _stream(one: Mapping[str, str]) -> str:
    """`over refusal of northwind · atlas-mini`, `refusal of all`."""
    names = [name for key, name in one.items() if key != "measure"]
    what = one.get("measure", "")
    return f"{what} of {' · '.join(names) or 'all'}".replace("_", " ").strip()


def _hours(hours: float) -> timedelta:
    """As a span; what is beyond a thousand years is a thousand years."""
    return timedelta(hours=min(max(hours, 0.0), 8_766_000.0))
