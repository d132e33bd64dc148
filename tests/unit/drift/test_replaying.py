"""Shifts of several replays are put together by their cause."""

from __future__ import annotations

from datetime import timedelta

from monitor.drift.replaying import Ledger, Told, compare
from schemas.alerts import Alert
from tests.unit.cli.alerts_fixture import CHANGED_AT, NOTICED_AT, evidence, shift


def ledger(*alerts: Alert) -> Ledger:
    made = Ledger()
    made.add(alerts)
    return made


def later(alert: Alert, hours: float, **fields: object) -> Alert:
    """The same so many hours later, with another id."""
    by = timedelta(hours=hours)
    given = evidence(
        changed_at=CHANGED_AT + by,
        changed_from=CHANGED_AT + by,
        changed_until=CHANGED_AT + by,
        window_ends_at=NOTICED_AT + by,
    )
    return shift(
        id=f"{hours:032}",
        started_at=NOTICED_AT + by,
        at=NOTICED_AT + by,
        drift=given,
        place=alert.place,
        **fields,
    )


def test_an_alert_is_as_it_was_told_first_and_as_it_stood_last() -> None:
    first, last = shift(), shift(state="resolved", ended_at=NOTICED_AT + timedelta(hours=1))

    assert ledger(first, last).told == {first.id: Told(first, last)}
    assert Told(first, last).noticed_after == timedelta(seconds=95)


def test_a_change_of_the_guard_is_no_shift() -> None:
    assert ledger(shift(kind="instrument_change")).shifts == []


def test_one_cause_is_one_finding() -> None:
    wider = later(shift(place={"measure": "refusal", "tenant": "northwind"}), 0)
    findings = compare([ledger(shift()), ledger(wider), ledger()])

    assert len(findings) == 1
    assert [told.first.place if told else None for told in findings[0].by_replay] == [
        shift().place,
        wider.place,
        None,
    ]
    assert not findings[0].is_found_by_all


def test_other_places_kinds_and_times_are_other_findings() -> None:
    over = shift(state="resolved", ended_at=NOTICED_AT + timedelta(minutes=10))
    elsewhere = shift(place={"measure": "refusal", "tenant": "globex"})
    mix = shift(kind="mix_shift")
    findings = compare([ledger(over), ledger(later(over, 5)), ledger(elsewhere), ledger(mix)])

    assert [[told is not None for told in one.by_replay] for one in findings] == [
        [True, False, False, False],
        [False, False, True, False],
        [False, False, False, True],
        [False, True, False, False],
    ]


def test_two_of_one_replay_are_never_one_finding() -> None:
    both = ledger(shift(), later(shift(), 0.01))

    assert [one.by_replay[0] is not None for one in compare([both])] == [True, True]


def test_nothing_is_compared_of_nothing() -> None:
    assert compare([]) == []
    assert compare([Ledger(), Ledger()]) == []
