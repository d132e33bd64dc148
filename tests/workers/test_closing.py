"""Nothing is closed before all that arrived is moderated, and all that was made of it is rows; then everything is, at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from monitor.adapters.kafka_admin import Commit, Range
from monitor.errors import Misconfigured
from monitor.settings import load
from workers.closing import Closer

START_S = 1_772_452_800.0
START = datetime.fromtimestamp(START_S, UTC)
SETTINGS = load({"WATCHKEEPER_DRIFT__WINDOW_S": "5", "WATCHKEEPER_DRIFT__SETTLE_S": "1"})
CHATS, VERDICTS, LETTERS = "chat.logs", "safety.verdicts", "chat.logs.dlq"
GROUPS = {"moderation": CHATS, "storage": VERDICTS, "dead_letter_rows": LETTERS}


@dataclass
class Partition:
    """A log: when each message arrived (None: a transaction marker), from `start` on; `committed` None: never."""

    times: list[float | None] = field(default_factory=list)
    start: int = 0
    committed: int | None = None


@dataclass
class FakeTopics:
    """Implements closing.Topics. `stamped` says who stamps the chat logs."""

    logs: dict[str, list[Partition]] = field(
        default_factory=lambda: {topic: [Partition(), Partition()] for topic in GROUPS.values()}
    )
    stamped: str | None = "LogAppendTime"

    async def partitions(self) -> dict[str, int]:
        return {topic: len(partitions) for topic, partitions in self.logs.items()}

    async def topic_configs(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        return {} if self.stamped is None else {topics[0]: {"message.timestamp.type": self.stamped}}

    async def ranges(self, topic: str, count: int | None = None) -> dict[int, Range]:
        return {n: Range(one.start, len(one.times)) for n, one in enumerate(self.logs[topic])}

    async def commits(self, group: str, topic: str, count: int | None = None) -> dict[int, Commit]:
        prefix, _, role = group.rpartition(".")
        assert (prefix, GROUPS[role]) == ("watchkeeper", topic)
        return {
            n: Commit(one.committed, "")
            for n, one in enumerate(self.logs[topic])
            if one.committed is not None
        }

    async def offsets_at(self, topic: str, moment: datetime, count: int | None = None) -> dict[int, int]:
        found = {}
        for n, one in enumerate(self.logs[topic]):
            later = (
                offset
                for offset, at in enumerate(one.times)
                if offset >= one.start and at is not None and at >= moment.timestamp()
            )
            found[n] = next(later, len(one.times))
        return found

    async def count(self, topic: str, partition: int, offsets: Range) -> int:
        times = self.logs[topic][partition].times[offsets.start : offsets.end]
        return sum(at is not None for at in times)


class Scene:
    """A fleet whose time goes by."""

    def __init__(self) -> None:
        self.topics = FakeTopics()
        self.closer = Closer(SETTINGS, self.topics)
        self.now_s = START_S
        self.position = START

    def arrives(self, at_s: float, partition: int = 0, count: int = 1) -> None:
        self.topics.logs[CHATS][partition].times += [START_S + at_s] * count

    def commit(self, role: str, partition: int = 0, offset: int | None = None) -> None:
        log = self.topics.logs[GROUPS[role]][partition]
        log.committed = len(log.times) if offset is None else offset

    def moderate(self, partition: int = 0, offset: int | None = None, *, letters: int = 0) -> None:
        """What is made of it is written before it is committed."""
        log = self.topics.logs[CHATS][partition]
        made = (len(log.times) if offset is None else offset) - (log.committed or 0)
        self.topics.logs[VERDICTS][partition].times += [START_S] * (made - letters)
        self.topics.logs[LETTERS][partition].times += [START_S] * letters
        self.commit("moderation", partition, offset)

    async def look(self, at_s: float) -> float | None:
        """Until when all is closed, in seconds after the start."""
        closed = await self.closer.look(self.position, START_S + at_s)
        if closed is None:
            return None
        self.position = max(self.position, closed)
        return (closed - START).total_seconds()


async def test_a_fleet_without_traffic_closes_windows_once_they_have_settled() -> None:
    scene = Scene()
    assert [await scene.look(at_s) for at_s in (5.0, 5.9, 6.0, 10.9, 11.0, 36.1)] == [
        None,
        None,
        5,
        5,
        10,
        35,
    ]


async def test_a_window_is_closed_once_its_messages_are_moderated_and_stored() -> None:
    scene = Scene()
    scene.arrives(1, count=3)
    scene.arrives(2, partition=1)
    assert await scene.look(7) is None
    scene.moderate()
    assert await scene.look(8) is None
    scene.moderate(partition=1, letters=1)
    assert await scene.look(9) is None
    scene.commit("storage")
    assert await scene.look(9.5) is None
    scene.commit("dead_letter_rows", partition=1)
    assert await scene.look(9.6) == 5


async def test_what_arrives_after_a_window_does_not_hold_it_up() -> None:
    scene = Scene()
    scene.arrives(1, count=3)
    scene.arrives(5, count=3)
    scene.moderate(offset=3)
    scene.commit("storage")
    assert await scene.look(9) == 5
    scene.moderate()
    assert await scene.look(12) == 5
    scene.commit("storage")
    assert await scene.look(12.5) == 10


async def test_verdicts_that_are_made_later_do_not_hold_up_what_was_stored() -> None:
    """Traffic never ends, so the end of the verdicts is never stored: what was the end then is."""
    scene = Scene()
    closed = []
    for n in range(60):
        scene.arrives(n)
        scene.moderate()
        stored = len(scene.topics.logs[VERDICTS][0].times) - 1
        closed.append(await scene.look(n))
        scene.commit("storage", offset=stored)
    assert closed[30] in (20, 25)
    assert closed[-1] in (50, 55)


async def test_a_group_that_has_never_committed_holds_up_what_there_is_and_nothing_else() -> None:
    scene = Scene()
    assert await scene.look(6) == 5
    scene.arrives(7)
    assert await scene.look(30) == 5
    scene.moderate()
    assert await scene.look(31) == 5
    scene.commit("storage")
    assert await scene.look(32) == 30


async def test_who_is_behind_closes_what_it_can_and_then_all_at_once() -> None:
    scene = Scene()
    for n in range(3_000):
        scene.arrives(n)
    scene.moderate(offset=1_234)
    scene.commit("storage")
    assert await scene.look(3_000) == 1_230
    scene.moderate(offset=1_235)
    scene.commit("storage")
    assert await scene.look(3_000) == 1_235
    scene.moderate()
    scene.commit("storage")
    assert await scene.look(3_001) == 3_000


async def test_messages_that_retention_deleted_are_waited_for_no_longer() -> None:
    scene = Scene()
    scene.arrives(1, count=10)
    scene.commit("moderation", offset=4)
    assert await scene.look(7) is None
    scene.topics.logs[CHATS][0].start = 10
    assert await scene.look(8) == 5


async def test_a_partition_that_is_added_counts_from_then_on() -> None:
    scene = Scene()
    assert await scene.look(6) == 5
    for topic in scene.topics.logs:
        scene.topics.logs[topic].append(Partition())
    scene.arrives(7, partition=2)
    assert await scene.look(12) == 5
    scene.moderate(partition=2)
    scene.commit("storage", partition=2)
    assert await scene.look(13) == 10


async def test_transaction_markers_at_the_end_are_nothing_to_wait_for() -> None:
    scene = Scene()
    scene.arrives(1)
    scene.topics.logs[CHATS][0].times.append(None)
    scene.moderate(offset=1)
    scene.commit("storage")
    assert [await scene.look(at_s) for at_s in (7, 8, 9, 10)] == [None, None, 5, 5]
    assert await scene.look(14) == 10
    scene.arrives(15)
    assert [await scene.look(at_s) for at_s in (21, 22, 23, 24, 25)] == [15] * 5


async def test_a_clock_that_goes_back_closes_nothing_twice() -> None:
    scene = Scene()
    assert await scene.look(31) == 30
    assert await scene.look(8) == 30
    assert await scene.look(36) == 35


async def test_topics_that_were_made_again_are_not_waited_for() -> None:
    scene = Scene()
    scene.arrives(1, count=5)
    scene.moderate()
    assert await scene.look(7) is None
    scene.topics.logs[VERDICTS] = [Partition(), Partition()]
    assert await scene.look(8) == 5


@pytest.mark.parametrize("stamped", ["CreateTime", None])
async def test_where_producers_stamp_what_was_in_the_log_by_then_is_waited_for(stamped: str | None) -> None:
    """Their clocks say nothing of arrival; arrival is when a worker takes the message."""
    scene = Scene()
    scene.topics.stamped = stamped
    scene.arrives(-1_000)
    scene.arrives(+1_000)
    assert await scene.look(7) is None
    scene.moderate(offset=1)
    assert await scene.look(8) is None
    scene.arrives(9)
    scene.moderate(offset=2)
    scene.commit("storage")
    assert await scene.look(9) == 5
    assert await scene.look(12) == 5
    scene.moderate()
    scene.commit("storage")
    assert await scene.look(13) == 10


async def test_a_topic_that_is_missing_is_named() -> None:
    scene = Scene()
    del scene.topics.logs[LETTERS]
    with pytest.raises(Misconfigured, match=r"chat\.logs\.dlq"):
        await scene.look(7)


@pytest.mark.parametrize("seed", range(10))
async def test_nothing_is_closed_too_early_and_everything_in_the_end(seed: int) -> None:
    """Random traffic, groups that stop and go: what a window was counted from is all that ever arrives in it."""
    chance = random.Random(seed)
    scene = Scene()
    stored = {0: 0, 1: 0}
    for n in range(400):
        for partition in (0, 1):
            for _ in range(chance.choice((0, 0, 1, 5))):
                scene.arrives(n + chance.random(), partition)
                times = scene.topics.logs[CHATS][partition].times
                times[-2:] = sorted(times[-2:], key=lambda at: at or 0)
            chats, verdicts = scene.topics.logs[CHATS][partition], scene.topics.logs[VERDICTS][partition]
            if chance.random() < 0.6:
                done = chance.randint(chats.committed or 0, len(chats.times))
                scene.moderate(partition, done)
            if chance.random() < 0.6:
                stored[partition] = chance.randint(verdicts.committed or 0, len(verdicts.times))
                scene.commit("storage", partition, stored[partition])
        closed = await scene.look(n + 0.5)
        for partition in (0, 1):
            before = [
                at for at in scene.topics.logs[CHATS][partition].times if at and at < START_S + (closed or 0)
            ]
            assert stored[partition] >= len(before)  # a verdict a message, in order
    for partition in (0, 1):
        scene.moderate(partition)
        scene.commit("storage", partition)
    assert await scene.look(411) == 410
    assert scene.position - START == timedelta(seconds=410)
