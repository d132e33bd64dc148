"""Findings become alerts that begin once, are told again until that is durable, and are over once."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting import Alerts, Due
from monitor.conditions import Condition
from monitor.health import Finding
from monitor.health_settings import HealthSettings
from schemas.alerts import Alert, Source, alert_id

HEALTH = HealthSettings()
SOURCE = Source("w0", "1")
T = 1_741_000_000.0


def finding(
    *concerned: str, kind: Condition = Condition.PARTITION_HALTED, only_keeps: bool = False
) -> Finding:
    place = (("role", "moderation"), ("topic", "chat.logs"))
    facts: dict[str, float | str] = {"partitions": ", ".join(concerned), "waiting": 7}
    return Finding(kind, place, frozenset(concerned), T, "it waits", "look", facts, only_keeps)


def new_alerts(fleet: str = "watchkeeper") -> Alerts:
    return Alerts(fleet, HEALTH, SOURCE)


def judged(alerts: Alerts, findings: list[Finding], now_s: float) -> list[Due]:
    """What was told, and made durable."""
    due = alerts.judge(findings, now_s)
    for one in due:
        alerts.told(one, now_s)
    return due


def test_an_alert_says_what_was_found_where_and_since_when() -> None:
    (due,) = new_alerts().judge([finding("0")], T + 40)
    started_at = datetime.fromtimestamp(T, UTC)
    assert due.news == "began"
    assert due.alert == Alert(
        id=alert_id(
            "watchkeeper", "partition_halted", {"topic": "chat.logs", "role": "moderation"}, started_at
        ),
        fleet="watchkeeper",
        kind="partition_halted",
        severity="critical",
        state="firing",
        started_at=started_at,
        at=datetime.fromtimestamp(T + 40, UTC),
        ended_at=None,
        title="it waits",
        place={"role": "moderation", "topic": "chat.logs"},
        facts={"partitions": "0", "waiting": 7},
        remedy="look",
        source=SOURCE,
    )


def test_what_is_not_known_to_be_durable_is_told_again_as_the_same_alert() -> None:
    alerts = new_alerts()
    first, again = alerts.judge([finding("0")], T), alerts.judge([finding("0")], T + 3)
    alerts.told(again[0], T + 3)

    assert [(due.news, due.alert.id) for due in (*first, *again)] == [("began", first[0].alert.id)] * 2
    assert alerts.judge([finding("0")], T + 6) == []


def test_a_firing_alert_is_repeated_with_its_newest_facts() -> None:
    alerts = new_alerts()
    judged(alerts, [finding("0")], T)
    assert judged(alerts, [finding("0")], T + HEALTH.repeat_after_s - 1) == []
    (due,) = judged(alerts, [finding("0")], T + HEALTH.repeat_after_s)
    assert (due.news, due.alert.at.timestamp()) == ("goes on", T + HEALTH.repeat_after_s)


def test_a_cause_that_comes_and_goes_is_one_alert() -> None:
    alerts = new_alerts()
    news = []
    for second in range(0, 290, 10):
        news += judged(alerts, [finding("0")] if second % 60 < 20 else [], T + second)
    assert [due.news for due in news] == ["began"]


def test_an_alert_is_over_when_its_cause_was_not_seen_for_long_and_ended_when_it_was_last() -> None:
    alerts = new_alerts()
    judged(alerts, [finding("0")], T)
    assert judged(alerts, [], T + 3) == []
    (due,) = judged(alerts, [], T + 3 + HEALTH.resolve_after_s)
    ended_at = datetime.fromtimestamp(T + 3, UTC)
    assert (due.news, due.alert.state, due.alert.ended_at) == ("over", "resolved", ended_at)
    assert judged(alerts, [], T + 500) == []
    assert sum(alerts.firing().values()) == 0


def test_what_came_back_before_its_end_was_durable_is_told_to_go_on() -> None:
    alerts = new_alerts()
    judged(alerts, [finding("0")], T)
    alerts.judge([], T + 1)
    assert [due.news for due in alerts.judge([], T + 100)] == [
        "over"
    ]  # and nobody knows whether it was written
    (due,) = judged(alerts, [finding("0")], T + 103)
    assert (due.news, due.alert.state, due.alert.ended_at) == ("goes on", "firing", None)
    assert judged(alerts, [finding("0")], T + 106) == []


def test_partitions_that_fall_one_after_the_other_are_told_together() -> None:
    alerts = new_alerts()
    told = []
    for second in range(40):
        told += judged(alerts, [finding(*map(str, range(1 + min(second, 9))))], T + second)
    assert [(due.news, due.alert.facts["partitions"]) for due in told] == [
        ("began", "0"),
        ("grew", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
    ]


def test_what_only_keeps_an_alert_starts_none() -> None:
    alerts = new_alerts()
    assert judged(alerts, [finding("0", only_keeps=True)], T) == []
    judged(alerts, [finding("0")], T)
    for second in range(0, 250, 10):
        assert judged(alerts, [finding("0", only_keeps=True)], T + second) == []


def test_the_next_overseer_takes_over_what_fires_and_leaves_other_fleets_and_kinds_alone() -> None:
    alerts = new_alerts()
    (ours,) = judged(alerts, [finding("0")], T)
    (over,) = judged(alerts, [finding("1", kind=Condition.WORKER_STALLED)], T)
    judged(alerts, [finding("0")], T + 1)
    ended = msgspec.structs.replace(over.alert, state="resolved")
    (theirs,) = new_alerts("staging").judge([finding("0")], T)
    drift = msgspec.structs.replace(ours.alert, kind="refusal_rate_moved", id="d")

    then = new_alerts()
    then.restore([over.alert, ours.alert, ended, theirs.alert, drift])
    assert +then.firing() == {"partition_halted": 1}
    assert judged(then, [finding("0")], T + 10) == []
    judged(then, [], T + 20)
    (due,) = judged(then, [], T + 100)
    assert (due.alert.id, due.news) == (ours.alert.id, "over")


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 10, 70]), st.booleans(), st.booleans(), st.sampled_from(["same", "new"])
        ),
        max_size=40,
    )
)
def test_whatever_fails_and_whoever_leads_the_log_of_alerts_is_well_formed(
    steps: list[tuple[int, bool, bool, str]],
) -> None:
    """Each alert in the log fires first and is resolved last; no two of one kind and place fire at once."""
    log: list[Alert] = []
    alerts, now_s = new_alerts(), T
    for seconds, is_there, is_durable, leader in steps:
        now_s += seconds
        if leader == "new":
            alerts = new_alerts()
            alerts.restore(log)
        for due in alerts.judge([finding("0")] if is_there else [], now_s):
            if is_durable:
                log.append(due.alert)
                alerts.told(due, now_s)
    open_id = None
    for alert in log:
        assert open_id in (None, alert.id)
        open_id = alert.id if alert.state == "firing" else None
        assert (alert.ended_at is None) == (alert.state == "firing")
        assert alert.ended_at is None or alert.started_at <= alert.ended_at <= alert.at


def test_an_alert_survives_the_trip() -> None:
    (due,) = new_alerts().judge([finding("0")], T)
    assert Alert.from_bytes(due.alert.to_bytes()) == due.alert
    assert b"\n" not in due.alert.to_bytes()
