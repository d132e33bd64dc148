"""What audits in a fleet tell, until they show it no more; and when a series begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor.audit.kinds import AuditKind
from monitor.audit.sources import AnchorSet
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from tests.fakes.audits import FakeSource, pairs
from tests.fakes.probe import FACTS
from tests.workers.audit_world import DAY, MOMENT, World, begun, next_day, settle


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
