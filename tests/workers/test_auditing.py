"""A spell of auditing: what is due once, each step kept before it is told, alerts that end when the audits say so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from monitor.audit.alerting import Teller
from monitor.audit.kinds import AuditKind
from monitor.audit.ports import Probe
from monitor.audit.sources import AnchorSet
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings, load
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Source
from schemas.audits import AuditRecord, AuditRequest, audit_id_of_request, audit_id_of_schedule
from tests.fakes.audits import FakeAuditStore, FakeRequests, FakeSource, Open, pairs
from tests.fakes.probe import FACTS, FakeProbe
from tests.fakes.watch import FakeActions
from workers.audit_conclusion import Concluding
from workers.audit_steps import Steps
from workers.auditing import MAX_WAITING, Asked, Auditing
from workers.probing import Measuring
from workers.watching import Acted, Replaced

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = START.replace(minute=17)
"""Of the schedule."""
BASE = {
    "WATCHKEEPER_AUDIT__ENABLED": "true",
    "WATCHKEEPER_AUDIT__DRAWS": "999",
    "WATCHKEEPER_AUDIT__MODEL": "atlas",
    "WATCHKEEPER_AUDIT__LAYERS": "every 3",
    "WATCHKEEPER_AUDIT__SCHEDULE": "17 3 * * *",
    "WATCHKEEPER_KAFKA__GROUP_PREFIX": "wk",
    "WATCHKEEPER_RETRY__FIRST_S": "0.001",
    "WATCHKEEPER_RETRY__MAX_S": "0.001",
    "WATCHKEEPER_RETRY__HALTED_S": "0.001",
}


class Crash(BaseException):
    """The process is gone."""


async def no_wait(_: float) -> None:
    """Nobody waits in these tests, but the others get their turn."""
    await asyncio.sleep(0)


@dataclass
class World:
    """What outlives a spell: probe, store, requests, what was told; and the broker's time."""

    probe: FakeProbe = field(default_factory=lambda: FakeProbe(apart=3.0))
    source: FakeSource = field(default_factory=FakeSource)
    store: FakeAuditStore = field(default_factory=FakeAuditStore)
    requests: FakeRequests = field(default_factory=FakeRequests)
    actions: FakeActions = field(default_factory=FakeActions)
    gate: Open = field(default_factory=Open)
    metrics: Metrics = field(default_factory=Metrics)
    records: list[AuditRecord] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    now: datetime = START + timedelta(minutes=30)
    is_ours: bool = True
    on_tell: Callable[[], None] = lambda: None

    @property
    def settings(self) -> Settings:
        return load({**BASE, **{f"WATCHKEEPER_AUDIT__{name}": value for name, value in self.given.items()}})

    def auditing(self) -> Auditing:
        settings = self.settings

        async def publish(record: AuditRecord) -> None:
            self.on_tell()
            self.records.append(record)

        async def tell(alert: Alert) -> None:
            self.on_tell()
            self.alerts.append(alert)

        def open_probe() -> AbstractAsyncContextManager[Probe]:
            return nullcontext(self.probe)

        def now() -> datetime:
            return self.now

        teller = Teller("wk", Source("w", "1"))
        return Auditing(
            measuring=Measuring(
                open_probe, self.source, self.store, settings.audit, self.gate, now, sleep=no_wait
            ),
            steps=Steps(
                self.store, publish, tell, teller, settings.retry, self.metrics, lambda: self.is_ours, no_wait
            ),
            concluding=Concluding(self.store, settings.audit, teller),
            requests=self.requests,
            actions=self.actions,
            settings=settings,
            metrics=self.metrics,
            now=now,
        )

    def ask(self, id_: str, *, at: datetime | None = None, **given: str) -> None:
        fields: dict[str, Any] = {
            "id": id_, "fleet": "wk", "model": "atlas", "anchor_set": "matched", "by": "ada", "at": self.now, **given,
        }  # fmt: skip
        self.requests.log.append(Asked(at or self.now, AuditRequest(**fields)))

    def act(self, alert: Alert, verb: Any) -> None:
        action = AlertAction(alert_id=alert.id, fleet="wk", verb=verb, by="ada", note="", until=None)
        self.actions.log.append(Acted(self.now, action))

    def stands(self) -> dict[str, str]:
        """How each alert stands, by kind: what was told last of it."""
        return {alert.kind: alert.state for alert in self.alerts}


async def settle(auditing: Auditing) -> None:
    """Until nothing is due any more."""
    for _ in range(200):
        await auditing.turn()
        await auditing.settled()
        if not auditing.waiting:
            return
    raise TimeoutError("audits are still waiting")


async def begun(world: World) -> Auditing:
    auditing = world.auditing()
    await auditing.restore()
    await settle(auditing)
    return auditing


async def next_day(world: World, auditing: Auditing, **probe: Any) -> AuditRecord:
    for name, value in probe.items():
        setattr(world.probe, name, value)
    world.now += DAY
    await settle(auditing)
    return world.records[-1]


async def test_the_first_audit_is_made_at_once_and_is_the_baseline() -> None:
    world = World()
    await begun(world)

    (record,) = world.records
    assert record.id == audit_id_of_schedule("wk", "atlas", "matched", MOMENT)
    assert (record.state, record.begun_by, record.due_at, record.at) == (
        "done",
        "schedule",
        MOMENT,
        world.now,
    )
    assert (record.model, record.probe_model, record.model_version) == ("atlas", "probe", FACTS.version)
    assert (record.safe, record.unsafe, record.clusters, record.dimensions) == (64, 64, 64, 16)
    assert {value.layer for value in record.values} == {"layer_00", "layer_03", "pooled_uniform"}
    assert (record.previous_id, record.baseline_id, record.changes) == ("", "", ())
    assert record.picture is not None
    assert len(record.picture.x) == 128
    assert world.alerts == []
    assert list(world.store.fixed) == [record.series]
    assert world.gate.asked == [8] * 16
    assert world.metrics.value(Metric.AUDITS, outcome="done") == 1


async def test_an_audit_by_schedule_is_neither_repeated_nor_left_out_by_a_restart() -> None:
    world = World()
    await begun(world)
    await begun(world)
    world.now += DAY
    await begun(world)
    world.now += 5 * DAY  # missed: made up for once
    await begun(world)

    due_at = [record.due_at for record in {record.id: record for record in world.records}.values()]
    assert due_at == [MOMENT, MOMENT + DAY, MOMENT + 6 * DAY]


async def test_a_model_that_blurs_fires_until_an_audit_shows_it_no_more() -> None:
    world = World()
    auditing = await begun(world)
    fell = await next_day(world, auditing, apart=1.0)

    (alert,) = world.alerts
    assert (alert.kind, alert.state, alert.severity) == ("separation_fell", "firing", "critical")
    assert alert.place == {"model": "atlas", "anchor_set": "matched"}
    assert (alert.facts["audit_id"], alert.facts["layers"]) == (fell.id, 3.0)
    assert fell.previous_id == fell.baseline_id == world.records[0].id
    assert all(change.is_significant and change.is_large for change in fell.changes)
    await next_day(world, auditing)  # nothing since yesterday, and as low as then
    assert [one.state for one in world.alerts] == ["firing", "firing"]
    await next_day(world, auditing, apart=3.0)
    assert [(one.id, one.state) for one in world.alerts] == [
        (alert.id, "firing"), (alert.id, "firing"), (alert.id, "resolved"),
    ]  # fmt: skip
    assert world.metrics.value(Metric.ALERTS_FIRING, kind="separation_fell") == 0


async def test_slow_erosion_in_steps_that_are_each_too_small_is_told() -> None:
    """Each step is below the floor; the baseline is the first audit."""
    world = World()
    auditing = await begun(world)
    day = 0
    while not world.alerts:
        day += 1
        record = await next_day(world, auditing, apart=3.0 * 0.975**day)
        assert not any(change.is_significant and change.is_large for change in record.changes)
        assert day < 10
    assert world.alerts[0].facts["against_id"] == world.records[0].id
    assert day > 1


async def test_acknowledging_takes_the_present_level_for_the_baseline() -> None:
    world = World()
    auditing = await begun(world)
    low = await next_day(world, auditing, apart=1.5)
    world.act(world.alerts[0], "acknowledge")
    await auditing.turn()
    assert world.stands() == {"separation_fell": "acknowledged"}
    same = await next_day(world, auditing)
    assert (same.baseline_id, len(world.alerts)) == (low.id, 2)
    await next_day(world, auditing, apart=0.2)
    assert world.stands() == {"separation_fell": "firing"}
    assert world.alerts[-1].id != world.alerts[0].id
    assert world.alerts[-1].facts["against_id"] == low.id


async def test_what_is_resolved_by_hand_and_goes_on_is_told_again() -> None:
    world = World()
    auditing = await begun(world)
    await next_day(world, auditing, apart=1.0)
    world.act(world.alerts[0], "resolve")
    await auditing.turn()
    await next_day(world, auditing)
    assert [one.state for one in world.alerts] == ["firing", "resolved", "firing"]
    assert world.alerts[2].id != world.alerts[0].id


async def test_a_rise_is_told_as_one_and_its_end_is_no_fall() -> None:
    world = World()
    auditing = await begun(world)
    await next_day(world, auditing, apart=6.0)
    assert world.stands() == {"separation_rose": "firing"}
    assert world.alerts[0].severity == "info"
    await next_day(world, auditing, apart=3.0)
    assert world.stands() == {"separation_rose": "resolved"}


async def test_a_request_is_answered_once_however_often_it_is_delivered() -> None:
    world = World(given={"SCHEDULE": "off"})
    world.ask("r1")
    world.ask("r1")
    auditing = await begun(world)
    world.ask("r1")
    await settle(auditing)
    world.requests._read = 0  # all of it is read again
    await begun(world)

    assert {record.id for record in world.records} == {audit_id_of_request("wk", "r1")}
    assert len(world.store.steps) == 1
    assert (world.records[0].begun_by, world.records[0].request_id) == ("request", "r1")


async def test_requests_for_something_else_too_old_or_too_many_are_left_out_and_counted() -> None:
    world = World(given={"SCHEDULE": "off"})
    world.probe.gate = asyncio.Event()
    world.ask("other", model="atlas-9")
    world.ask("file", anchor_set="/etc/passwd")
    auditing = world.auditing()
    await auditing.restore()
    world.ask("old", at=world.now - 2 * DAY)
    for number in range(MAX_WAITING + 3):
        world.ask(f"r{number}")
    await auditing.turn()

    left_out = {
        reason: world.metrics.value(Metric.AUDIT_REQUESTS_LEFT_OUT, reason=reason)
        for reason in ("unknown_target", "too_old", "too_many")
    }
    assert left_out == {"unknown_target": 2, "too_old": 1, "too_many": 3}
    assert world.metrics.value(Metric.AUDITS_WAITING) == MAX_WAITING
    await auditing.close()


async def test_a_request_goes_before_the_schedule() -> None:
    world = World()
    world.ask("now")
    await begun(world)
    assert [record.begun_by for record in world.records] == ["request", "schedule"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"spoils": frozenset({"safe 3"})}, "not_finite"),
        ({"refuses": frozenset({"safe 3"})}, "refused_text"),
        ({"gives_dimensions": 8}, "changed_shape"),
    ],
)
async def test_states_that_cannot_be_used_refuse_the_audit_and_say_why(
    spoil: dict[str, Any], reason: str
) -> None:
    world = World()
    auditing = await begun(world)
    refused = await next_day(world, auditing, **spoil)

    assert (refused.state, refused.reason, refused.values) == ("refused", reason, ())
    assert world.stands() == {"audit_refused": "firing"}
    assert world.alerts[0].facts["reason"] == reason
    await next_day(world, auditing, spoils=frozenset(), refuses=frozenset(), gives_dimensions=None)
    assert world.stands() == {"audit_refused": "resolved"}
    assert world.records[-1].previous_id == world.records[0].id


def _one_class() -> AnchorSet:
    return AnchorSet(("a", "b"), ("a", "b"), ("safe", "safe"), ("a", "b"))


def _twice() -> AnchorSet:
    one = pairs(64)
    return AnchorSet(one.texts * 2, one.ids * 2, one.labels * 2, one.clusters * 2)


def _wrong_label() -> AnchorSet:
    one = pairs(64)
    return AnchorSet(one.texts, one.ids, ("safe", "harmful") * 64, one.clusters)


@pytest.mark.parametrize(
    ("anchors", "reason"),
    [
        (_one_class(), "one_class"),
        (_twice(), "duplicate_anchors"),
        (pairs(40), "not_enough"),
        (_wrong_label(), "wrong_label"),
    ],
)
async def test_anchors_that_cannot_be_used_refuse_the_audit(anchors: AnchorSet, reason: str) -> None:
    world = World(source=FakeSource({"matched": anchors}))
    await begun(world)
    assert [(one.state, one.reason) for one in world.records] == [("refused", reason)]
    assert world.stands() == {"audit_refused": "firing"}
    assert world.store.fixed == {}


class Constant(FakeProbe):
    """A layer that isn't read at all."""

    def _state(self, text: str, layer: str) -> Any:
        return np.ones(16, np.float32) if layer == "layer_03" else super()._state(text, layer)


async def test_a_constant_layer_refuses_the_audit() -> None:
    world = World(probe=Constant())
    await begun(world)
    assert [one.reason for one in world.records] == ["constant"]


async def test_states_that_memory_does_not_hold_are_not_asked_for() -> None:
    world = World(given={"STATES_MAX_BYTES": "16383"})
    await begun(world)
    assert [one.reason for one in world.records] == ["too_many_rows"]
    assert world.probe.asked == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tokenizer_hash": "c" * 16}, "the tokenizer"),
        ({"template_hash": "c" * 16}, "the chat template"),
        ({"dimensions": 8}, "the dimensions"),
        ({"layers": FACTS.layers[:3]}, "the layers"),
        ({"projection": "random-16-7"}, "the projection"),
    ],
)
async def test_a_probe_that_is_another_instrument_begins_a_series_and_says_so(
    change: dict[str, Any], words: str
) -> None:
    world = World()
    auditing = await begun(world)
    world.probe.becomes(**change)
    record = await next_day(world, auditing)

    assert (record.state, record.previous_id, record.changes) == ("done", "", ())
    assert record.series != world.records[0].series
    (alert,) = world.alerts
    assert (alert.kind, alert.severity, words in alert.title) == ("audit_series_began", "info", True)
    await next_day(world, auditing)
    assert world.stands() == {"audit_series_began": "resolved"}


async def test_what_fired_in_another_series_is_stale_and_a_series_that_comes_back_goes_on() -> None:
    world = World()
    auditing = await begun(world)
    await next_day(world, auditing, apart=1.0)
    world.probe.becomes(tokenizer_hash="c" * 16)
    await next_day(world, auditing)
    assert world.stands() == {"separation_fell": "stale", "audit_series_began": "firing"}
    world.probe.becomes(tokenizer_hash=FACTS.tokenizer_hash)
    back = await next_day(world, auditing, apart=3.0)
    assert (back.series, back.previous_id) == (world.records[0].series, world.records[1].id)
    assert world.stands()["separation_fell"] == "resolved"


async def test_other_weights_go_on_in_the_series() -> None:
    world = World()
    auditing = await begun(world)
    world.probe.becomes(version="weights@ffffffffffff")
    record = await next_day(world, auditing)
    assert (record.series, record.model_version) == (world.records[0].series, "weights@ffffffffffff")
    assert (record.previous_id, world.alerts) == (world.records[0].id, [])


async def test_a_probe_that_is_away_is_tried_again_and_told_once_it_is_overdue() -> None:
    world = World(given={"OVERDUE_AFTER_S": "3600"})
    auditing = await begun(world)
    world.now += DAY
    world.probe.facts_failures = [Retryable("Triton is away, as told")] * 10_000
    await auditing.turn()
    await auditing.settled()
    await auditing.turn()
    assert world.alerts == []
    world.now += timedelta(hours=2)
    await auditing.turn()
    await auditing.turn()
    (alert,) = world.alerts
    assert (alert.kind, alert.state, alert.started_at) == ("audit_overdue", "firing", MOMENT + DAY)
    assert alert.facts["cause"] == "Triton is away, as told"
    world.act(alert, "acknowledge")
    world.now += 2 * DAY
    await auditing.settled()
    await auditing.turn()
    await auditing.settled()
    assert world.stands() == {"audit_overdue": "acknowledged"}  # and not told again
    world.probe.facts_failures = []
    await settle(auditing)
    assert [one.due_at for one in world.records] == [MOMENT, MOMENT + 3 * DAY]
    assert world.metrics.value(Metric.AUDIT_TRIES_FAILED) >= 1


async def test_one_that_was_overdue_is_over_with_the_audit_even_if_it_is_refused() -> None:
    world = World(given={"OVERDUE_AFTER_S": "60"})
    auditing = await begun(world)
    world.now += DAY + timedelta(hours=1)
    world.source.failures = [Misconfigured("no such file, as told")] * 3
    await auditing.turn()
    assert world.stands() == {"audit_overdue": "firing"}
    world.source.sets["matched"] = pairs(40)
    await settle(auditing)
    assert world.stands() == {"audit_overdue": "resolved", "audit_refused": "firing"}


async def test_a_probe_that_is_too_slow_is_given_up_and_tried_again() -> None:
    world = World(given={"DEADLINE_S": "0.05", "SCHEDULE": "off"})
    world.probe.gate = asyncio.Event()
    world.ask("r1")
    auditing = world.auditing()
    await auditing.restore()
    await auditing.turn()
    await auditing.settled()
    await auditing.turn()
    assert world.metrics.value(Metric.AUDIT_TRIES_FAILED) == 1
    assert world.records == []
    await auditing.close()


async def test_a_probe_that_is_replaced_in_the_midst_makes_no_audit_of_two_models() -> None:
    world = World(given={"SCHEDULE": "off"})
    world.ask("r1")
    gate, asked = world.gate, list[int]()

    async def wait(messages: int) -> None:
        asked.append(messages)
        if len(asked) == 3:
            world.probe.becomes(version="weights@ffffffffffff")

    gate.wait = wait  # type: ignore[method-assign]  # a fake of ours
    await begun(world)
    assert world.metrics.value(Metric.AUDIT_TRIES_FAILED) == 1
    assert [one.model_version for one in world.records] == ["weights@ffffffffffff"]


async def test_live_samples_differ_each_time_and_only_inform() -> None:
    """Other prompts each day: no series of their own, and a change is told as one of the traffic or the model."""
    live = [AnchorSet(**{**_fields(pairs(96, mark=f"d{day}-")), "is_live": True}) for day in range(3)]
    world = World(source=FakeSource({"live": live[0]}), given={"ANCHOR_SETS": "live"})
    auditing = await begun(world)
    world.source.sets["live"] = live[1]
    same = await next_day(world, auditing)
    assert (same.is_live, same.series, same.previous_id) == (
        True,
        world.records[0].series,
        world.records[0].id,
    )
    assert same.anchors != world.records[0].anchors
    assert world.alerts == []
    world.source.sets["live"] = live[2]
    await next_day(world, auditing, apart=0.5)
    (alert,) = world.alerts
    assert (alert.kind, alert.severity) == ("live_separation_shift", "info")


def _fields(one: AnchorSet) -> dict[str, Any]:
    return {"texts": one.texts, "ids": one.ids, "labels": one.labels, "clusters": one.clusters}


async def test_what_was_kept_and_cannot_be_read_begins_a_new_series() -> None:
    world = World()
    auditing = await begun(world)
    world.store.damaged.add(world.records[0].series)
    record = await next_day(world, auditing)
    assert (record.state, record.previous_id) == ("done", "")
    assert record.series != world.records[0].series
    assert "can't be read" in world.alerts[0].title
    again = await next_day(world, auditing)
    assert (again.series, again.previous_id) == (record.series, record.id)


async def test_draws_that_are_lost_leave_the_audit_and_say_that_it_begins_anew() -> None:
    world = World()
    auditing = await begun(world)
    world.store.damaged.add(world.records[0].id)
    record = await next_day(world, auditing)
    assert (record.series, record.previous_id, record.changes) == (world.records[0].series, "", ())
    assert world.stands() == {"audit_series_began": "firing"}
    later = await next_day(world, auditing)
    assert (later.previous_id, later.baseline_id) == (record.id, record.id)


async def test_a_step_is_kept_before_anything_of_it_is_told() -> None:
    world = World()
    order: list[str] = []
    world.store.after = order.append
    world.on_tell = lambda: order.append("told")
    await begun(world)
    assert order == ["keep_references", "keep", "told"]


@pytest.mark.parametrize("seed", range(4))
async def test_records_and_alerts_are_the_same_however_often_the_process_is_killed(seed: int) -> None:
    """At any operation of the store, before or after it took effect, and half-way through telling."""

    async def story(world: World) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        for day, apart in enumerate((3.0, 1.0, 1.0, 3.0)):
            world.probe.apart = apart
            world.now = START + timedelta(minutes=30) + day * DAY
            while True:
                auditing = world.auditing()
                try:
                    await auditing.restore()
                    await settle(auditing)
                    break
                except Crash:
                    await auditing.close()
        records = list(dict.fromkeys((one.id, one.model_dump()) for one in map(_Plain, world.records)))
        alerts = list(dict.fromkeys((one.id, one.state + one.at.isoformat()) for one in world.alerts))
        return records, alerts

    expected = await story(World())
    chance = random.Random(seed)

    def maybe(*_: str) -> None:
        if chance.random() < 0.15:
            raise Crash

    world = World(store=FakeAuditStore(before=maybe, after=maybe), on_tell=maybe)
    assert await story(world) == expected


@dataclass(frozen=True)
class _Plain:
    record: AuditRecord

    @property
    def id(self) -> str:
        return self.record.id

    def model_dump(self) -> str:
        """Without how long it took."""
        one = self.record
        return f"{one.at} {one.state} {one.series} {one.previous_id} {one.baseline_id} {one.changes} {one.values}"


async def test_of_two_that_audit_at_once_the_first_counts_and_the_other_goes_on_from_there() -> None:
    world = World()
    one, two = world.auditing(), world.auditing()
    await one.restore()
    await two.restore()
    await settle(one)
    with pytest.raises(Replaced):
        await settle(two)
    assert len({record.to_bytes() for record in world.records}) == 1
    assert len(world.store.steps) == 1


async def test_who_no_longer_oversees_keeps_and_tells_nothing() -> None:
    world = World()
    auditing = world.auditing()
    await auditing.restore()
    await auditing.turn()
    world.is_ours = False
    await auditing.settled()
    with pytest.raises(Replaced):
        await auditing.turn()
    assert (world.store.steps, world.records) == ({}, [])


async def test_a_store_that_is_away_when_an_audit_is_measured_costs_no_second_measuring() -> None:
    world = World(given={"SCHEDULE": "off"})
    world.ask("r1")
    failures = [Retryable("away, as told")] * 3

    def away(operation: str) -> None:
        if operation == "keep" and failures:
            raise failures.pop()

    world.store.before = away
    auditing = world.auditing()
    await auditing.restore()
    while not world.records:
        try:
            await settle(auditing)
        except Retryable:
            continue
    assert len(world.probe.asked) == 16


async def test_what_goes_on_is_said_again() -> None:
    world = World()
    auditing = await begun(world)
    await next_day(world, auditing, apart=1.0)
    clock = [0.0]
    auditing.monotonic_s = lambda: clock[0]
    auditing._said_s = 0.0
    clock[0] = 301.0
    world.now += timedelta(minutes=5)
    await auditing.turn()
    first, again = world.alerts
    assert (again.id, again.state, again.at) == (first.id, "firing", world.now)


def test_every_kind_is_one_of_the_metrics() -> None:
    metrics = Metrics()
    for kind in AuditKind:
        metrics.set(Metric.ALERTS_FIRING, 1, kind=kind)
        assert metrics.value(Metric.ALERTS_FIRING, kind=kind.value) == 1
