"""Who is told what, when: each change to each channel that wants it, in order, whoever takes over at whatever point."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.notifying.channels import Channel
from monitor.notifying.news import News
from monitor.notifying.schedule import Schedule
from schemas.alert_actions import AlertAction
from schemas.alert_deliveries import AlertDelivery
from schemas.alerts import Alert, Severity, State
from tests.unit.notifying.made import FLEET, NOON, NOON_S, action, alert, channel, moved

DAY_S = 86_400.0


@dataclass
class Logs:
    """The three logs, and what the channels took."""

    channels: list[Channel]
    alerts: list[tuple[Alert, float]] = field(default_factory=list)
    actions: list[tuple[AlertAction, float]] = field(default_factory=list)
    deliveries: list[AlertDelivery] = field(default_factory=list)
    took: dict[str, list[tuple[str, News, Severity]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.schedule = self.new(NOON_S)

    def new(self, now_s: float) -> Schedule:
        """Somebody takes over."""
        schedule = Schedule(self.channels, FLEET, "host-1-ab", late_after_s=DAY_S)
        for delivery in self.deliveries:
            schedule.recall(delivery)
        for offset, (one, at_s) in enumerate(self.alerts):
            schedule.hear(one, offset, at_s)
        for offset, (act, at_s) in enumerate(self.actions):
            schedule.act(act, offset, at_s)
        self.deliveries += schedule.open(len(self.alerts), now_s)
        self.schedule = schedule
        return schedule

    def say(self, one: Alert, after_s: float) -> None:
        self.alerts.append((one, NOON_S + after_s))
        self.schedule.hear(one, len(self.alerts) - 1, NOON_S + after_s)

    def act(self, one: AlertAction, after_s: float) -> None:
        self.actions.append((one, NOON_S + after_s))
        self.schedule.act(one, len(self.actions) - 1, NOON_S + after_s)

    def tell(self, name: str, after_s: float, *, is_kept: bool = True) -> bool:
        """One message, if one is due. `is_kept`: else the worker dies before it can keep what was told."""
        now_s = NOON_S + after_s
        message = self.schedule.due(name, now_s)
        if message is None:
            return False
        self.took[name] += [(one.alert.id, one.news, one.alert.severity) for one in message.tellings]
        self.keys[name].append(message.key)
        if is_kept:
            self.deliveries += self.schedule.told(message, "told", now_s)
        else:
            self.new(now_s)
        return True

    def drain(self, after_s: float) -> None:
        for one in self.channels:
            while self.tell(one.name, after_s):
                pass

    def news(self, name: str, one: Alert) -> list[News]:
        return [news for id_, news, _ in self.took[name] if id_ == one.id]


MOVES: st.SearchStrategy[list[tuple[int, State, Severity, int]]] = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["firing", "firing", "stale", "resolved", "acknowledged"]),
        st.sampled_from(["info", "warning", "critical"]),
        st.integers(1, 3),
    ),
    max_size=25,
)


def expected(told: list[Alert], wants: Channel) -> list[News]:
    """The news of one alert for a channel, worked out in another way: by walking its records once."""
    found: list[News] = []
    known: tuple[State, Severity, int] | None = None
    ranks = ["info", "warning", "critical"]
    for one in told:
        over = one.state in ("resolved", "acknowledged")
        level = one.drift.level if one.drift else 1
        if known is None:
            if over or not wants.wants(one):
                continue
            found.append(News.BEGAN)
        elif over:
            found.append(News.RESOLVED if one.state == "resolved" else News.ACKNOWLEDGED)
            known = None
            continue
        elif ranks.index(one.severity) > ranks.index(known[1]) or level > known[2]:
            found.append(News.ESCALATED)
        elif one.state != known[0]:
            found.append(News.STALE if one.state == "stale" else News.BACK)
        elif ranks.index(one.severity) < ranks.index(known[1]):
            found.append(News.EASED)
        else:
            continue  # nothing new
        known = (one.state, one.severity, level)
    return found


def two_channels() -> list[Channel]:
    return [
        channel("webhook", "all"),
        channel("pagerduty", "oncall", takes=[{"severities": ["critical"]}]),
        channel("slack", "grouped", group_by=["kind"], group_wait_s=30),
    ]


@settings(max_examples=200, deadline=None)
@given(MOVES, st.data())
def test_every_change_is_told_once_and_in_order_to_every_channel_that_wants_it_whoever_takes_over(
    moves: list[tuple[int, State, Severity, int]], data: st.DataObject
) -> None:
    logs = Logs(two_channels())
    told: dict[int, list[Alert]] = defaultdict(list)
    for place, (number, state, severity, level) in enumerate(moves):
        one = moved(alert(number, level=level), state, severity, after_s=place)
        told[number].append(one)
        logs.say(one, place)
        if data.draw(st.booleans(), label="takes over"):
            logs.new(NOON_S + place)
        for name in ("all", "oncall", "grouped"):
            if data.draw(st.booleans(), label=f"tells {name}"):
                logs.tell(name, place)
    logs.drain(1000.0)
    for one_channel in logs.channels:
        for number, records in told.items():
            assert logs.news(one_channel.name, alert(number)) == expected(_changes(records), one_channel)
    assert all(logs.schedule.due(one.name, NOON_S + 2000) is None for one in logs.channels)


def _changes(records: list[Alert]) -> list[Alert]:
    """Records that say something new; over is over."""
    kept: list[Alert] = []
    for one in records:
        over = {"resolved", "acknowledged"}
        if kept and one.state in over and kept[-1].state in over:
            continue
        kept.append(one)
    return kept


@settings(max_examples=150, deadline=None)
@given(MOVES, st.data())
def test_a_worker_that_dies_after_telling_repeats_that_message_with_its_key_and_no_other(
    moves: list[tuple[int, State, Severity, int]], data: st.DataObject
) -> None:
    logs = Logs([channel("webhook", "all"), channel("pagerduty", "oncall")])
    told: dict[int, list[Alert]] = defaultdict(list)
    for place, (number, state, severity, level) in enumerate(moves):
        one = moved(alert(number, level=level), state, severity, after_s=place)
        told[number].append(one)
        logs.say(one, place)
        logs.tell("all", place, is_kept=data.draw(st.booleans(), label="kept"))
    logs.drain(1000.0)
    first = list(dict.fromkeys(zip(logs.keys["all"], logs.took["all"], strict=True)))
    assert len({key for key, _ in first}) == len(first)  # a key is of one message
    for number, records in told.items():
        news = [news for _, (id_, news, _) in first if id_ == alert(number).id]
        assert news == expected(_changes(records), logs.channels[0])


def test_what_was_told_and_may_not_be_kept_counts_unless_the_log_knows_better() -> None:
    hook = channel("webhook")
    schedule = Schedule([hook], FLEET, "w", late_after_s=3_600)
    schedule.open(0, NOON_S)
    schedule.hear(alert(), 0, NOON_S)
    began = schedule.due("webhook", NOON_S)
    assert began is not None
    (owed,) = schedule.told(began, "told", NOON_S)
    schedule.hear(moved(alert(), "resolved"), 1, NOON_S)
    over = schedule.due("webhook", NOON_S)
    assert over is not None
    (newer,) = schedule.told(over, "told", NOON_S)

    for recalled, is_news in (([], True), ([owed], False), ([newer], False)):
        after = Schedule([hook], FLEET, "w", late_after_s=3_600)
        for one in recalled:
            after.recall(one)
        assert after.remember(owed) is is_news
        after.open(2, NOON_S)
        after.hear(alert(), 0, NOON_S)
        after.hear(moved(alert(), "resolved"), 1, NOON_S)
        due = after.due("webhook", NOON_S)
        assert (due and due.tellings[0].news.value) == (None if recalled == [newer] else "resolved")


def test_what_a_repeat_of_the_log_says_is_told_once() -> None:
    logs = Logs([channel()])
    for after_s in (0, 300, 600):
        logs.say(moved(alert(), "firing", after_s=after_s), after_s)
        logs.drain(after_s)
    assert logs.news("webhook", alert()) == [News.BEGAN]


def test_alerts_of_another_fleet_are_theirs() -> None:
    logs = Logs([channel()])
    logs.say(alert(fleet="other"), 0)
    assert not logs.tell("webhook", 1)


def test_a_channel_that_takes_only_what_is_critical_hears_of_a_warning_once_it_is() -> None:
    logs = Logs([channel(takes=[{"severities": ["critical"]}])])
    logs.say(alert(), 0)
    assert not logs.tell("webhook", 0)
    logs.say(moved(alert(), "firing", "critical", after_s=5), 5)
    logs.drain(5)
    logs.say(moved(alert(), "firing", "warning", after_s=9), 9)
    logs.say(moved(alert(), "resolved", "warning", after_s=10), 10)
    logs.drain(10)
    assert logs.news("webhook", alert()) == [News.BEGAN, News.EASED, News.RESOLVED]


def test_routing_goes_by_severity_tenant_kind_and_place_and_any_of_several_is_enough() -> None:
    takes = [
        {"tenants": ["acme"], "kinds": ["rate_shift"], "place": {"model": ["m-1", "m-2"]}},
        {"severities": ["critical"], "place": {"category": "benign"}},
    ]
    one = channel(takes=takes)
    shift = alert(kind="rate_shift", tenant="acme", model="m-1")
    assert one.wants(shift)
    assert not one.wants(alert(kind="rate_shift", tenant="acme", model="m-3"))
    assert not one.wants(alert(kind="mix_shift", tenant="acme", model="m-1"))
    assert not one.wants(alert(kind="rate_shift", tenant="other", model="m-1"))
    assert not one.wants(alert(kind="rate_shift", category="benign"))
    assert one.wants(alert(severity="critical", kind="rate_shift", category="benign"))
    assert channel().wants(alert())


NIGHT = {"time_zone": "Europe/Berlin", "from": "13:30", "until": "14:30"}
"""In March, 12:30 to 13:30 UTC."""


def test_in_quiet_hours_a_warning_waits_and_is_told_as_it_then_stands_and_what_is_critical_passes() -> None:
    logs = Logs([channel("slack", quiet=[NIGHT])])
    short, long, loud = alert(1), alert(2), alert(3, severity="critical")
    logs.say(short, 1860)
    logs.say(long, 1861)
    logs.say(loud, 1862)
    logs.drain(1862)
    assert logs.took["slack"] == [(loud.id, News.BEGAN, "critical")]
    logs.say(moved(short, "resolved", after_s=2000), 2000)
    logs.say(moved(long, "stale", after_s=2000), 2000)
    logs.drain(5399)
    assert len(logs.took["slack"]) == 1
    logs.new(NOON_S + 5399)
    logs.drain(5401)
    assert logs.news("slack", short) == [News.RESOLVED]
    assert logs.news("slack", long) == [News.BEGAN]


def test_a_warning_that_becomes_critical_in_quiet_hours_is_told_at_once() -> None:
    logs = Logs([channel("slack", quiet=[NIGHT])])
    logs.say(alert(), 1860)
    logs.say(moved(alert(), "firing", "critical", after_s=1900), 1900)
    logs.drain(1900)
    assert logs.took["slack"] == [(alert().id, News.BEGAN, "critical")]


def test_quiet_hours_hold_back_no_end_from_a_program() -> None:
    logs = Logs([channel("pagerduty", quiet=[NIGHT]), channel("slack", quiet=[NIGHT])])
    logs.say(alert(), 0)
    logs.drain(0)
    logs.say(moved(alert(), "resolved", after_s=1900), 1900)
    logs.drain(1900)
    assert logs.news("pagerduty", alert()) == [News.BEGAN, News.RESOLVED]
    assert logs.news("slack", alert()) == [News.BEGAN]
    logs.drain(5401)
    assert logs.news("slack", alert()) == [News.BEGAN, News.RESOLVED]


def test_of_a_muted_alert_nobody_is_told_until_the_mute_ends() -> None:
    logs = Logs([channel()])
    logs.say(alert(), 0)
    logs.act(action(alert(), "mute", NOON + timedelta(seconds=100)), 0)
    logs.drain(99)
    assert logs.took["webhook"] == []
    logs.new(NOON_S + 99)
    logs.drain(101)
    assert logs.news("webhook", alert()) == [News.BEGAN]


def test_an_alert_that_is_over_before_its_mute_ends_is_told_to_nobody_who_didnt_know_it() -> None:
    logs = Logs([channel()])
    logs.say(alert(0), 0)
    logs.say(alert(1), 1)
    logs.tell("webhook", 1)
    for one in (alert(0), alert(1)):
        logs.act(action(one, "mute"), 2)
        logs.say(moved(one, "firing", "critical", after_s=3), 3)
        logs.say(moved(one, "resolved", after_s=4), 4)
    logs.drain(5)
    known = next(one for one in (alert(0), alert(1)) if logs.news("webhook", one))
    other = alert(1) if known == alert(0) else alert(0)
    assert logs.news("webhook", known) == [News.BEGAN, News.RESOLVED]
    assert logs.news("webhook", other) == []


def test_unmuting_ends_a_mute() -> None:
    logs = Logs([channel()])
    logs.say(alert(), 0)
    logs.act(action(alert(), "mute"), 0)
    logs.act(action(alert(), "unmute"), 10)
    logs.drain(11)
    assert logs.news("webhook", alert()) == [News.BEGAN]


def test_an_alert_that_somebody_has_taken_note_of_is_acknowledged_once_and_reminds_nobody() -> None:
    logs = Logs([channel("pagerduty", remind_every_s=60)])
    logs.say(alert(), 0)
    logs.drain(0)
    logs.drain(61)
    logs.act(action(alert(), "acknowledge"), 70)
    logs.drain(71)
    logs.new(NOON_S + 71)
    logs.drain(200)
    assert logs.news("pagerduty", alert()) == [News.BEGAN, News.GOES_ON, News.ACKNOWLEDGED]
    logs.say(moved(alert(), "firing", "critical", after_s=201), 201)
    logs.drain(201)
    logs.drain(262)
    assert logs.news("pagerduty", alert())[3:] == [News.ESCALATED, News.GOES_ON]


@pytest.mark.parametrize("by", [{"level": 1}, {"kind": "separation_fell"}])
def test_what_ends_by_a_persons_word_is_told_by_its_record_alone(by: dict[str, Any]) -> None:
    logs = Logs([channel()])
    shift = alert(**by)
    logs.say(shift, 0)
    logs.drain(0)
    logs.act(action(shift, "acknowledge"), 1)
    logs.drain(1)
    logs.say(moved(shift, "acknowledged", after_s=5), 5)
    logs.drain(5)
    assert logs.news("webhook", shift) == [News.BEGAN, News.ACKNOWLEDGED]


def test_reminders_are_as_far_apart_as_the_channel_says_whoever_takes_over() -> None:
    logs = Logs([channel(remind_every_s=60)])
    logs.say(alert(), 0)
    for second in range(0, 150, 10):
        logs.drain(second)
        logs.new(NOON_S + second)
    assert logs.news("webhook", alert()) == [News.BEGAN, News.GOES_ON, News.GOES_ON]
    assert len(set(logs.keys["webhook"])) == 3


def test_alertmanager_is_told_again_while_it_fires_and_for_five_minutes_after_and_no_log_of_it_grows() -> (
    None
):
    logs = Logs([channel("alertmanager", resend_every_s=60)])
    logs.say(alert(), 0)
    for second in range(0, 600, 10):
        logs.drain(second)
    kept = len(logs.deliveries)
    assert logs.news("alertmanager", alert()) == [News.BEGAN] + 9 * [News.GOES_ON]
    logs.say(moved(alert(), "resolved", after_s=600), 600)
    for second in range(600, 2000, 10):
        logs.drain(second)
    assert logs.news("alertmanager", alert())[10:] == 6 * [News.RESOLVED]
    assert len(logs.deliveries) == kept + 1
    assert kept == 2  # that it joined, and that it was told


def test_alertmanager_is_told_again_of_what_is_muted_for_else_it_would_call_it_over() -> None:
    logs = Logs([channel("alertmanager"), channel("alertmanager", "second", takes=[{"kinds": ["none"]}])])
    logs.say(alert(0), 0)
    logs.drain(0)
    logs.act(action(alert(0), "mute"), 1)
    logs.say(alert(1), 1)
    logs.act(action(alert(1), "mute"), 1)
    logs.drain(70)
    assert logs.news("alertmanager", alert(0)) == [News.BEGAN, News.GOES_ON]
    assert logs.news("alertmanager", alert(1)) == []


def test_alerts_of_a_group_are_told_together_once_the_first_has_waited() -> None:
    logs = Logs([channel("slack", group_by=["tenant", "kind"], group_wait_s=30)])
    same = [alert(number, tenant="acme") for number in range(3)]
    other = alert(9, tenant="other")
    for number, one in enumerate([*same, other]):
        logs.say(one, number * 5)
    assert not logs.tell("slack", 29)
    assert logs.tell("slack", 30)
    assert [id_ for id_, _, _ in logs.took["slack"]] == [one.id for one in same]
    assert not logs.tell("slack", 44)
    assert logs.tell("slack", 45)
    assert logs.took["slack"][3:] == [(other.id, News.BEGAN, "warning")]


def test_a_new_channel_is_told_what_fires_and_nothing_that_is_over() -> None:
    logs = Logs([channel("webhook", "first")])
    logs.say(alert(0), 0)
    logs.say(moved(alert(0), "resolved", after_s=1), 1)
    logs.say(alert(1), 2)
    logs.say(moved(alert(1), "firing", "critical", after_s=3), 3)
    logs.channels.append(channel("webhook", "second"))
    logs.new(NOON_S + 4)
    logs.drain(5)
    assert logs.took["second"] == [(alert(1).id, News.BEGAN, "critical")]
    assert len(logs.took["first"]) == 4


def test_a_channel_that_left_and_comes_back_misses_what_was_meanwhile_but_hears_what_ended() -> None:
    first = channel("webhook", "first")
    logs = Logs([first])
    logs.say(alert(0), 0)
    logs.drain(0)
    logs.channels.clear()
    logs.new(NOON_S + 1)
    logs.say(moved(alert(0), "resolved", after_s=2), 2)
    logs.say(alert(1), 3)
    logs.say(moved(alert(1), "resolved", after_s=4), 4)
    logs.channels.append(first)
    logs.new(NOON_S + 5)
    logs.drain(6)
    assert logs.took["first"] == [
        (alert(0).id, News.BEGAN, "warning"),
        (alert(0).id, News.RESOLVED, "warning"),
    ]


def test_what_a_dead_channel_missed_for_longer_than_a_day_is_told_as_it_stands() -> None:
    logs = Logs([channel()])
    for number in range(4):
        logs.say(alert(number), 0)
    logs.tell("webhook", 0)
    for number in range(2):
        logs.say(moved(alert(number), "resolved", after_s=10), 10)
    logs.say(moved(alert(2), "firing", "critical", after_s=10), 10)
    logs.drain(2 * DAY_S)
    assert logs.news("webhook", alert(0)) == [News.BEGAN, News.RESOLVED]
    assert logs.news("webhook", alert(1)) == []
    assert logs.took["webhook"][1] == (alert(2).id, News.BEGAN, "critical")
    assert logs.news("webhook", alert(3)) == [News.BEGAN]


def test_a_message_that_is_refused_is_told_no_more_and_one_of_several_alone() -> None:
    logs = Logs([channel("alertmanager")])
    logs.say(alert(0), 0)
    logs.say(alert(1), 0)
    both = logs.schedule.due("alertmanager", NOON_S)
    assert both is not None
    assert logs.schedule.told(both, "refused", NOON_S) == []
    for _ in range(2):
        single = logs.schedule.due("alertmanager", NOON_S)
        assert single is not None
        assert len(single.tellings) == 1
        (kept,) = logs.schedule.told(single, "refused", NOON_S)
        assert kept.outcome == "refused"
    assert logs.schedule.due("alertmanager", NOON_S + 1) is None


def test_deliveries_of_another_log_of_alerts_suppress_nothing() -> None:
    logs = Logs([channel()])
    for number in range(5):
        logs.say(alert(number), 0)
    logs.drain(0)
    logs.alerts = [(alert(4), NOON_S + 10)]  # the topic was deleted and made anew
    logs.new(NOON_S + 11)
    assert logs.tell("webhook", 11)


def test_a_channel_isnt_told_that_it_is_dead_and_others_are() -> None:
    logs = Logs([channel("webhook", "one"), channel("webhook", "two")])
    logs.say(alert(kind="channel_dead", channel="one"), 0)
    logs.drain(1)
    assert logs.took["one"] == []
    assert len(logs.took["two"]) == 1


def test_the_most_severe_goes_first_and_what_waits_is_counted() -> None:
    logs = Logs([channel()])
    logs.say(alert(0, severity="info"), 0)
    logs.say(alert(1, severity="critical"), 5)
    assert logs.schedule.waiting("webhook", NOON_S + 10) == (2, 10.0)
    logs.drain(10)
    assert [severity for _, _, severity in logs.took["webhook"]] == ["critical", "info"]
    assert logs.schedule.waiting("webhook", NOON_S + 10) == (0, 0.0)


def test_what_is_over_and_told_is_forgotten_and_what_is_owed_is_not() -> None:
    logs = Logs([channel()])
    for number in range(2):
        logs.say(alert(number), 0)
        logs.drain(0)
        logs.say(moved(alert(number), "resolved", after_s=1), 1)
        if number == 0:
            logs.drain(1)
    logs.schedule.forget(NOON_S + 2 * DAY_S)
    assert list(logs.schedule._histories) == [alert(1).id]
    logs.drain(2 * DAY_S)
    assert logs.news("webhook", alert(1)) == [News.BEGAN, News.RESOLVED]


def test_quiet_hours_that_reach_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    (hours,) = channel(
        "slack", quiet=[{"time_zone": "America/New_York", "days": ["fri"], "from": "22:00", "until": "07:00"}]
    ).quiet
    friday = datetime(2026, 3, 7, 3, 30, tzinfo=UTC)  # 22:30 on Friday there
    assert hours.covers(friday)
    assert hours.covers(friday + timedelta(hours=8))  # 06:30 on Saturday
    assert not hours.covers(friday + timedelta(hours=9))
    assert not hours.covers(friday + timedelta(hours=24))
    assert not hours.covers(friday - timedelta(hours=1))
    # the clocks go forward on 8 March: 02:00 becomes 03:00
    (across,) = channel(
        "slack", quiet=[{"time_zone": "America/New_York", "days": ["sat"], "from": "22:00", "until": "03:30"}]
    ).quiet
    assert across.covers(datetime(2026, 3, 8, 7, 15, tzinfo=UTC))  # 03:15 there
    assert not across.covers(datetime(2026, 3, 8, 7, 45, tzinfo=UTC))
