"""Audits in a fleet: what is due once, each step kept before it is told, whatever fails or is killed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from monitor.audit.sources import AnchorSet
from monitor.errors import Retryable
from monitor.metrics import Metric
from schemas.audits import AuditRecord, audit_id_of_request, audit_id_of_schedule
from tests.fakes.audits import FakeAuditStore, FakeSource, pairs
from tests.fakes.probe import FACTS, FakeProbe
from tests.workers.audit_world import DAY, MOMENT, START, Crash, World, begun, next_day, settle
from workers.auditing import MAX_WAITING
from workers.leadership import Replaced


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
