"""A spell of watching: every window once, as it stands; whoever goes on tells the same alerts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest

from monitor.drift.ports import Checkpoint
from monitor.errors import Retryable
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings, load
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Source, alert_id
from schemas.windows import WindowCounts
from tests.fakes.watch import SECOND, START, FakeActions, FakeEngines, FakeWatchStore, cell, window
from workers.leadership import Replaced
from workers.watching import Acted, StateLost, Watching

SETTINGS = load({"WATCHKEEPER_DRIFT__WINDOW_S": "1", "WATCHKEEPER_DRIFT__CHECKPOINT_EVERY_S": "3"})
SHIFTED = {5, 6, 7, 8, 9, 40, 41, 42, 43, 44}
"""Seconds in which nearly all is refused."""


class Crash(BaseException):
    """The process is gone."""


async def no_wait(_: float) -> None:
    """Nobody waits in these tests."""


@dataclass
class World:
    """What outlives a spell: the store, what people did, what was told. Time goes on by a second a step."""

    store: FakeWatchStore = field(default_factory=FakeWatchStore)
    actions: FakeActions = field(default_factory=FakeActions)
    told: list[Alert] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    settings: Settings = SETTINGS
    monotonic_s: float = 0.0
    is_ours: bool = True
    on_tell: Callable[[], None] = lambda: None

    def watching(self) -> Watching:
        async def tell(alert: Alert) -> None:
            self.on_tell()
            self.told.append(alert)

        return Watching(
            engines=FakeEngines(),
            store=self.store,
            actions=self.actions,
            tell=tell,
            settings=self.settings,
            source=Source("w", "1"),
            metrics=self.metrics,
            is_ours=lambda: self.is_ours,
            sleep=no_wait,
            monotonic_s=lambda: self.monotonic_s,
        )

    @property
    def stories(self) -> dict[str, list[tuple[str, datetime]]]:
        """What was told of each alert, without what was told again."""
        found: dict[str, list[tuple[str, datetime]]] = {}
        for alert in self.told:
            story = found.setdefault(alert.id, [])
            if (alert.state, alert.at) not in story:
                story.append((alert.state, alert.at))
        return found


def traffic(seconds: int) -> dict[datetime, tuple[WindowCounts, ...]]:
    """Two tenants, of which one shifts twice; in some seconds there is nothing."""
    return {
        START + n * SECOND: (cell("acme", 9 if n in SHIFTED else 3, 10), cell("globex", 2, 10))
        for n in range(seconds)
        if n % 7
    }


async def until(world: World, watching: Watching, second: int) -> None:
    """Close second by second."""
    position = watching.position
    assert position is not None
    for n in range(int((position - START) / SECOND) + 1, second + 1):
        world.monotonic_s += 1
        await watching.follow(START + n * SECOND)


async def undisturbed(seconds: int, actions: list[Acted]) -> World:
    """The same without any trouble."""
    world = World(FakeWatchStore(counts=traffic(seconds)), FakeActions(list(actions)))
    watching = world.watching()
    await watching.restore(START)
    await until(world, watching, seconds)
    return world


async def test_windows_are_closed_taken_and_told_with_everything_that_an_alert_needs() -> None:
    world = await undisturbed(20, [])

    (alert, over) = world.told
    assert alert.id == alert_id("wk", "rate_shift", {"tenant": "acme"}, START + 7 * SECOND)
    assert (alert.source, alert.facts["windows"]) == (Source("w", "1"), 7)
    assert (over.id, over.state) == (alert.id, "resolved")
    assert sorted(world.store.standing) == [START + n * SECOND for n in range(20)]
    assert world.metrics.value(Metric.WATCH_WINDOWS) == 20
    assert world.metrics.value(Metric.ALERTS_SENT, kind="rate_shift", state="firing") == 1
    assert world.metrics.value(Metric.WATCH_STREAMS, state="armed") == 2


async def test_what_a_person_did_takes_effect_before_the_first_window_that_ends_after_it() -> None:
    id_ = alert_id("wk", "rate_shift", {"tenant": "acme"}, START + 7 * SECOND)
    acted_at = START + timedelta(seconds=8, milliseconds=500)
    world = await undisturbed(20, [Acted(acted_at, action(id_))])

    assert world.stories[id_] == [("firing", START + 7 * SECOND), ("acknowledged", acted_at)]


def action(id_: str, verb: str = "acknowledge") -> AlertAction:
    given = {"alert_id": id_, "fleet": "wk", "verb": verb, "by": "somebody", "note": "", "until": None}
    return msgspec.convert(given, AlertAction)


async def test_muting_is_no_concern_of_the_engine() -> None:
    id_ = alert_id("wk", "rate_shift", {"tenant": "acme"}, START + 7 * SECOND)
    world = await undisturbed(20, [Acted(START + 8 * SECOND, action(id_, "mute"))])

    assert [state for state, _ in world.stories[id_]] == ["firing", "resolved"]


@pytest.mark.parametrize("seed", range(20))
async def test_alerts_are_the_same_however_often_the_process_is_killed(seed: int) -> None:
    """At any operation, before or after it took effect; also half-way through telling."""
    chance = random.Random(seed)
    first = alert_id("wk", "rate_shift", {"tenant": "acme"}, START + 42 * SECOND)
    actions = [Acted(START + timedelta(seconds=43.2), action(first))]
    expected = await undisturbed(60, actions)

    def maybe(*_: str) -> None:
        if chance.random() < 0.1:
            raise Crash

    store = FakeWatchStore(counts=traffic(60), before=maybe, after=maybe)
    world = World(store, FakeActions(list(actions)), on_tell=maybe)
    kills = 0
    while True:
        watching = world.watching()
        try:
            await watching.restore(START)
            await until(world, watching, 60)
            break
        except Crash:
            kills += 1

    assert kills > 5
    assert world.stories == expected.stories
    assert len(world.stories) == 3
    assert store.standing == expected.store.standing


async def test_two_that_watch_at_once_tell_the_same() -> None:
    """The one was frozen and comes back: what it counted then doesn't stand."""
    expected = await undisturbed(60, [])
    world = World(FakeWatchStore(counts=traffic(60)))
    one, two = world.watching(), world.watching()
    await one.restore(START)
    await until(world, one, 6)
    await two.restore(START + 9 * SECOND)
    world.store.counts = traffic(60)
    await until(world, two, 30)
    world.store.counts = {}  # whatever it would count now
    await until(world, one, 30)
    world.store.counts = traffic(60)
    await until(world, one, 60)
    await until(world, two, 60)

    assert world.stories == expected.stories
    assert world.store.standing == expected.store.standing


async def test_a_store_or_a_broker_that_is_away_in_the_midst_of_a_window_is_waited_for() -> None:
    expected = await undisturbed(20, [])
    failing = {"history": 3, "keep": 2, "event_ids": 1}

    def away(operation: str) -> None:
        if world.told or operation == "history":
            failing[operation] = failing.get(operation, 0) - 1
            if failing[operation] >= 0:
                raise Retryable("away, as told")

    world = World(FakeWatchStore(counts=traffic(20), before=away))
    watching = world.watching()
    await watching.restore(START)
    await until(world, watching, 20)

    assert world.told == expected.told
    assert failing["history"] < 0 > failing["keep"]


async def test_what_fails_before_the_engine_begins_is_tried_again_later() -> None:
    world = World(FakeWatchStore(counts=traffic(20)))
    watching = world.watching()
    await watching.restore(START)

    def away(operation: str) -> None:
        if operation == "close":
            raise Retryable("away, as told")

    world.store.before = away
    with pytest.raises(Retryable):
        await watching.follow(START + 10 * SECOND)
    world.store.before = lambda _: None
    await watching.follow(START + 20 * SECOND)

    assert world.stories == (await undisturbed(20, [])).stories


async def test_who_no_longer_oversees_stops_between_two_steps() -> None:
    world = World(FakeWatchStore(counts=traffic(20)))
    watching = world.watching()
    await watching.restore(START)
    world.is_ours = False

    with pytest.raises(Replaced):
        await watching.follow(START + 10 * SECOND)
    assert (world.store.standing, world.told) == ({}, [])


async def test_an_older_state_is_taken_where_the_newest_is_damaged() -> None:
    world = await undisturbed(30, [])
    damage(world, 1)
    world.store.counts = traffic(60)
    again = world.watching()
    await again.restore(START + 90 * SECOND)
    await until(world, again, 60)

    assert world.stories == (await undisturbed(60, [])).stories
    assert again.position == START + 60 * SECOND


def damage(world: World, count: int) -> None:
    newest = sorted(world.store.states.values(), key=lambda kept: kept[0].position, reverse=True)[:count]
    for number, (checkpoint, state) in enumerate(newest):
        damaged = None if number % 2 or state is None else state[:-3]
        world.store.states[checkpoint.slot] = (checkpoint, damaged)


@pytest.mark.parametrize("lost", ["damaged", "gone"])
async def test_without_a_state_that_can_be_used_nothing_is_watched(lost: str) -> None:
    world = await undisturbed(30, [])
    if lost == "damaged":
        damage(world, 99)
    else:
        world.store.states.clear()

    with pytest.raises(StateLost, match="watchkeeper drift rebuild"):
        await world.watching().restore(START + 90 * SECOND)


async def test_who_was_replaced_before_it_began_keeps_no_state() -> None:
    world = World(is_ours=False)
    with pytest.raises(Replaced):
        await world.watching().restore(START)
    assert world.store.states == {}


async def test_a_state_that_was_rebuilt_is_taken_though_it_goes_less_far() -> None:
    world = await undisturbed(30, [])
    damage(world, 99)
    rebuilt = FakeEngines().new()
    for n in range(25):
        step = rebuilt.take(window(n))
        rebuilt.finish(step, {})
    at = START + 25 * SECOND
    world.store.states[0] = (Checkpoint(0, at, "1", at, 1), rebuilt.to_bytes())

    again = world.watching()
    await again.restore(START + 90 * SECOND)
    assert again.position == START + 30 * SECOND


async def test_a_window_that_cannot_be_is_left_out() -> None:
    world = World(FakeWatchStore(counts={**traffic(20), START + 15 * SECOND: (cell("acme", 11, 10),)}))
    watching = world.watching()
    await watching.restore(START)
    await until(world, watching, 20)

    assert watching.position == START + 20 * SECOND
    assert world.stories.keys() == (await undisturbed(20, [])).stories.keys()


async def test_a_watch_that_is_far_behind_closes_in_bulk_and_one_that_is_very_far_leaves_a_gap() -> None:
    world = World(FakeWatchStore())
    watching = world.watching()
    await watching.restore(START)
    await watching.follow(START + timedelta(hours=3))
    widths = [one.ends_at - one.begins_at for one in world.store.standing.values()]
    assert (widths.count(timedelta(minutes=1)), widths.count(SECOND)) == (120, 3600)

    await watching.follow(START + timedelta(days=10))
    assert min(at for at in world.store.standing if at >= START + timedelta(hours=3)) == START + timedelta(
        days=3
    )


async def test_the_event_loop_goes_on_while_the_engine_works() -> None:
    world = World(FakeWatchStore(counts=traffic(20)))
    watching = world.watching()
    await watching.restore(START)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.ensure_future(turn())
    await watching.follow(START + 20 * SECOND)
    turning.cancel()
    assert turns > 20
