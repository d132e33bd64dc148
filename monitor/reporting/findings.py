"""What changed and matters, as sentences, most important first. Pure.

Findings are ranked by one number: about how many of the week's exchanges each surely concerns, which is effect and certainty in one. Of a rate
it is the end of the change's 95 % interval that lies next to no change, times the exchanges that the rate is of; a harm that rises counts HARM_WEIGHT
times. What concerns no countable exchanges is given a share of the traffic of its place (SHARES).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from monitor.drift.kinds import KINDS as DRIFT_KINDS
from monitor.drift.measures import MEASURE_OF, Measure
from monitor.intervals import wilson
from monitor.reporting import sentences, words
from monitor.reporting.changes import RATES, Change, Changes
from monitor.reporting.document import Finding, Tone
from monitor.reporting.facts import EVERYTHING, AuditValue, CellKey, Facts, Told
from monitor.reporting.significance import LEVEL
from monitor.wording.figures import shares_apart
from schemas.evidence import DriftEvidence
from schemas.taxonomy import BENIGN

MOST: Final = 5
LEAST: Final = 10.0
"""A change of a rate that surely concerns fewer is marked in the tables, and no finding."""
HARM_WEIGHT: Final = 3.0
REFUSAL_WEIGHT: Final = 0.5
"""Of refusal as such, which is neither good nor bad: over-refusal and under-refusal say what a change of it means."""
NARROWER: Final = 1.1
"""What naming one of tenant, model and category more is worth."""
SHARES: Final[Mapping[str, float]] = {
    "critical": 0.5,
    "warning": 0.1,
    "info": 0.02,
    "audit": 0.01,
    "rolled_back": 0.01,
}
"""Of what arrived while an alert about the stream fired, by severity; of a model's exchanges for an audit or a calibration."""
_Shift = tuple[str, CellKey, bool]
"""Family, place and direction of a shift."""
_POWER: Final = 0.8416
"""The standard normal's 80 % quantile."""


def findings(facts: Facts, changes: Changes) -> tuple[Finding, ...]:
    """At most MOST, most important first; what tells of the same shift is told once."""
    told = [_of_alert(alert, facts, changes) for alert in facts.alerts]
    for change in _once(changes.significant()):
        shift = (change.measure.family, change.key, _direction(change.measure, is_rise=change.is_rise))
        told.append((_of_change(change), shift))
    told += [
        (one, None)
        for one in (
            *_of_letters(facts, changes),
            *_of_audits(facts, changes),
            *_of_calibrations(facts, changes),
        )
    ]
    kept: list[tuple[Finding, _Shift | None]] = []
    for finding, same in sorted(told, key=_first_told, reverse=True):
        if same is None or not any(other is not None and _is_same(same, other) for _, other in kept):
            kept.append((finding, same))
    ranked = sorted(
        (finding for finding, _ in kept if finding.weight >= (LEAST if finding.kind == "change" else 0.0)),
        key=lambda one: -one.weight,
    )
    return tuple(ranked[:MOST])


def summary(facts: Facts, changes: Changes, found: Sequence[Finding]) -> str:
    """How many things changed, and what keeps chance out of them; or that nothing did, and what could have been seen."""
    events = changes.grid.total(EVERYTHING, "events", changes.now)
    if facts.week.since > facts.asked_at:
        return (
            f"This week has not begun: it begins on {words.moment(facts.week.since, facts.week.zone)}, and there is nothing to "
            "count yet."
        )
    if not events and (facts.tenant is not None or facts.model is not None):
        return (
            "No exchange of this tenant or model is counted in this week, so it says nothing about its safety. Either there was no traffic, "
            "or the chat logs name it in other words (`watchkeeper rates --by tenant,model` lists their names)."
        )
    if not events:
        return (
            "No exchange of this week is counted, so it says nothing about safety. Either there was no traffic, or none reached "
            "Watchkeeper, or its rows are gone (they are kept for 90 days)."
        )
    if found:
        number = ("One thing", "Two things", "Three things", "Four things", "Five things")[len(found) - 1]
        ranked = ", most important first" if len(found) > 1 else ""
        opening = f"{number} changed and {'matter' if len(found) > 1 else 'matters'}{ranked}."
        return " ".join([opening, *_how_sure(facts, changes, found)])
    if not changes.grid.total(EVERYTHING, "answered", changes.now):
        return (
            f"The guard labelled none of this week's {words.whole(events)} {'exchange' if events == 1 else 'exchanges'}, so it says nothing "
            "about safety: coverage and the quality of the data say why."
        )
    return f"Nothing that matters changed. {could_have_seen(changes)}"


def _how_sure(facts: Facts, changes: Changes, found: Sequence[Finding]) -> list[str]:
    """What keeps chance out of findings of these kinds."""
    said = []
    budgets = {
        evidence.budget_per_month
        for alert in facts.alerts
        if alert.kind in DRIFT_KINDS and (evidence := evidence_of(alert)) is not None
    }
    if budgets and any(one.kind == "alert" for one in found):
        most = max(budgets)
        said.append(
            f"Shifts are told by a watch that is set to {most:.3g} false {'alarm' if most == 1 else 'alarms'} a month at most."
        )
    if any(one.kind == "change" for one in found):
        said.append(
            f"Rates are held against earlier weeks in {changes.tests:,} comparisons, and of those marked at most {LEVEL * 100:.0f} % are "
            "chance, on average."
        )
    return said


def could_have_seen(changes: Changes) -> str:
    """How large a change would have had to be: over all traffic, noticed four times in five, after correction for all that is tested."""
    if not changes.has_past():
        return (
            "There is no earlier week to hold this one against, so only alerts could have told of a change."
        )
    said = []
    for measure in (Measure.OVER_REFUSAL, Measure.UNDER_REFUSAL, Measure.RESPONSE_HARM):
        change = changes.change(measure, EVERYTHING, "four weeks") or changes.change(
            measure, EVERYTHING, "last week"
        )
        if change is None or change.q is None or not changes.tests:
            continue
        # Benjamini and Hochberg mark a single true change at this level.
        z = NormalDist().inv_cdf(1 - LEVEL / changes.tests / 2)
        seen = (z + _POWER) * change.error
        before = change.before.value or 0.0
        low, high = shares_apart(before, min(before + seen, 1.0))
        said.append(f"{words.TITLES[measure].lower()} going from {low} to {high}")
    if not said:
        this, past = changes.days_with_traffic()
        return (
            f"Too little was counted to see a change: {this} {'day' if this == 1 else 'days'} of this week and {past} of the four weeks "
            "before have traffic, and a comparison needs several days of each and enough cases."
        )
    return (
        f"Over all traffic it could have seen, four times in five: {', '.join(said)}; in a single cell less."
    )


def _first_told(one: tuple[Finding, _Shift | None]) -> tuple[bool, float]:
    """Of what may be one shift, an alert goes first, then what concerns most, a narrower place before a wider one that says little more."""
    finding, shift = one
    parts = 0 if shift is None else sum(part is not None for part in shift[1])
    return finding.kind == "alert", finding.weight * NARROWER**parts


def _once(changed: Sequence[Change]) -> list[Change]:
    """Each rate of each cell once: against last week where that is significant."""
    found: dict[tuple[Measure, CellKey], Change] = {}
    for change in changed:
        if change.versus == "last week" or (change.measure, change.key) not in found:
            found[change.measure, change.key] = change
    return sorted(found.values(), key=_rank, reverse=True)


def _rank(change: Change) -> float:
    if change.measure is Measure.REFUSAL:
        return change.certain * REFUSAL_WEIGHT
    return change.certain * (HARM_WEIGHT if _is_harm(change.measure) and change.is_rise else 1.0)


def _is_harm(measure: Measure) -> bool:
    return measure in (Measure.UNDER_REFUSAL, Measure.RESPONSE_HARM)


def tone_of(measure: Measure, *, is_rise: bool, category: str | None = None) -> Tone:
    """Whether it is for the worse: more refusal as such is neither, but of what is harmless it is help withheld."""
    if measure is Measure.REFUSAL and category != BENIGN:
        return "changed"
    return "worse" if is_rise else "better"


def _direction(measure: Measure, *, is_rise: bool) -> bool:
    """Towards more refusal and so on: under-refusal is turned, so that one shift has one direction."""
    return is_rise is not (measure is Measure.UNDER_REFUSAL)


def _is_same(one: _Shift, two: _Shift) -> bool:
    """Whether they may be one shift: same family and direction, and places of which one holds the other or overlaps it."""
    overlaps = all(a is None or b is None or a == b for a, b in zip(one[1], two[1], strict=True))
    return one[0] == two[0] and one[2] == two[2] and overlaps


def _of_change(change: Change) -> Finding:
    return Finding(
        "change",
        sentences.of_change(change),
        _rank(change),
        ("report_days",),
        tone_of(change.measure, is_rise=change.is_rise, category=change.key[2]),
    )


def _of_alert(alert: Told, facts: Facts, changes: Changes) -> tuple[Finding, _Shift | None]:
    evidence = evidence_of(alert)
    how = _standing(alert, facts)
    queries = ("report_alerts",)
    if alert.kind not in DRIFT_KINDS or evidence is None:
        share = SHARES.get(alert.severity, 0.1) * _part_of_week(alert, facts)
        weight = share * changes.grid.total(EVERYTHING, "events", changes.now)
        begun = words.moment(alert.started_at, facts.week.zone)
        text = f"{words.text(alert.title).rstrip('.')}. It began on {begun}. {how}"
        return Finding("alert", text, weight, queries, "worse"), None
    measure = MEASURE_OF.get(evidence.measure, Measure.VOLUME)
    key: CellKey = (alert.place.get("tenant"), alert.place.get("model"), alert.place.get("category"))
    weight = max(evidence.rate_change.low, -evidence.rate_change.high, 0.0)
    if measure in RATES or measure is Measure.COVERAGE:
        day = evidence.changed_at.astimezone(facts.week.zone).date()
        since = changes.now & np.array([one >= day for one in changes.grid.days])
        concerned = float(changes.counts(measure, key)[1][since].sum()) or evidence.n
        weight *= max(concerned, evidence.n) * (
            HARM_WEIGHT if _is_harm(measure) and evidence.direction == "up" else 1.0
        )
    else:
        weight = (
            SHARES.get(alert.severity, 0.1)
            * changes.grid.total(EVERYTHING, "events", changes.now)
            * min(1.0, abs(evidence.rate_change.value))
        )
    same = (measure.family, key, _direction(measure, is_rise=evidence.direction == "up"))
    tone = (
        tone_of(measure, is_rise=evidence.direction == "up", category=key[2])
        if measure in RATES
        else "changed"
    )
    sentence = sentences.of_shift(alert, evidence, facts.week)
    return Finding("alert", f"{sentence} {how}", max(weight, 0.5), queries, tone), same


def evidence_of(alert: Told) -> DriftEvidence | None:
    """What a shift rests on; None of other alerts, and of a release whose evidence this one can't read."""
    if alert.evidence is None:
        return None
    try:
        return msgspec.convert(alert.evidence, DriftEvidence)
    except msgspec.ValidationError:
        return None


def _standing(alert: Told, facts: Facts) -> str:
    if alert.ended_at is None:
        return "It goes on." if alert.state == "firing" else "It brings no data now, so its end is open."
    if alert.state == "acknowledged":
        return f"A person took it for the new normal on {words.moment(alert.ended_at, facts.week.zone)}."
    lasted = words.span(alert.started_at, alert.ended_at)
    return f"It was over on {words.moment(alert.ended_at, facts.week.zone)}, after {lasted}."


def _part_of_week(alert: Told, facts: Facts) -> float:
    """Of what has passed of the week, how much it fired for."""
    until = min(facts.week.until, facts.asked_at)
    whole = max((until - facts.week.since).total_seconds(), 1.0)
    begin = max(alert.started_at, facts.week.since)
    end = min(alert.ended_at or until, until)
    return min(max((end - begin).total_seconds() / whole, 0.0), 1.0)


def _of_letters(facts: Facts, changes: Changes) -> list[Finding]:
    now, before = sum(one.now for one in facts.letters), sum(one.before for one in facts.letters)
    events = changes.grid.total(EVERYTHING, "events", changes.now)
    earlier = changes.grid.total(EVERYTHING, "events", changes.grid.weeks_ago(1))
    if not now or not (before + earlier) or facts.tenant is not None or facts.model is not None:
        return []
    share, share_before = now / (now + events), before / (before + earlier)
    low, _ = wilson(now, now + events)
    _, high = wilson(before, before + earlier)
    if low <= high or share < 0.001:
        return []
    one, two = shares_apart(share_before, share)
    worst = max(facts.letters, key=lambda letter: letter.now)
    return [
        Finding(
            "dead_letters",
            f"The share of messages that could not be read rose from {one} last week to {two} (95 % interval "
            f"{words.interval(low, wilson(now, now + events)[1])}): {words.whole(now)} are in no rate of this report, "
            f"most of them for the reason {words.category(worst.reason)} ({words.whole(worst.now)}).",
            (low - high) * (now + events),
            ("report_dead_letters", "report_days"),
            "worse",
        )
    ]


def _of_audits(facts: Facts, changes: Changes) -> list[Finding]:
    """The largest change of each model and anchor set that this week's audits call one."""
    found: dict[tuple[str, str], AuditValue] = {}
    for value in facts.audits:
        if (
            not value.has_changed
            or value.change is None
            or not facts.week.since <= value.at < facts.week.until
        ):
            continue
        best = found.get((value.model, value.anchor_set))
        if best is None or abs(value.change) > abs(best.change or 0.0):
            found[value.model, value.anchor_set] = value
    made = []
    for (model, anchors), value in found.items():
        change = value.change or 0.0
        traffic = changes.grid.total((None, model, None), "events", changes.now) or changes.grid.total(
            EVERYTHING, "events", changes.now
        )
        bounds = (
            ""
            if value.change_low is None or value.change_high is None
            else f", 95 % interval {_signed(value.change_low)} to {_signed(value.change_high)}"
        )
        made.append(
            Finding(
                "audit",
                f"Inside {words.name(model)}, safe and unsafe prompts lie {'further apart' if change > 0 else 'closer together'} than at the "
                f"audit before: their separation (J) at {words.name(value.layer)} went from {value.before or 0.0:.3f} to {value.value or 0.0:.3f} "
                f"({_signed(change)}{bounds}) in the audit of {words.moment(value.at, facts.week.zone)} with the prompt set “{words.name(anchors)}”.",
                max(SHARES["audit"] * traffic, 1.0),
                ("report_audits",),
                "worse" if change < 0 else "changed",
            )
        )
    return made


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _of_calibrations(facts: Facts, changes: Changes) -> list[Finding]:
    made = []
    for one in facts.calibrations:
        if one.state != "rolled_back" or not facts.week.since <= one.at < facts.week.until:
            continue
        traffic = changes.grid.total((None, one.model, None), "events", changes.now)
        why = f": {words.text(one.reason, 200).rstrip('.')}" if one.reason else ""
        made.append(
            Finding(
                "calibration",
                f"The refusal thresholds of {words.name(one.model)} (calibration {one.version}) were rolled back on "
                f"{words.moment(one.at, facts.week.zone)}{why}.",
                max(SHARES["rolled_back"] * traffic, 1.0),
                ("report_calibrations",),
                "worse",
            )
        )
    return made
