"""Finds out which windows are closed: asks Kafka how far the groups are, and decides by monitor/drift/barrier.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from monitor.adapters.kafka_admin import Commit, Range
from monitor.drift.barrier import Ends, Log, Waits
from monitor.drift.history import floor
from monitor.errors import Misconfigured
from monitor.settings import Settings

CONFIG_EVERY_LOOKS: Final = 60
STILL_LOOKS: Final = 3
"""A group that has stood so long a few offsets before what is waited for may have nothing but transaction markers there."""
MOST_COUNTED: Final = 1_000


class Topics(Protocol):
    """What is asked of Kafka (monitor/adapters/kafka_admin.py). Every method raises Retryable or Misconfigured."""

    async def partitions(self) -> dict[str, int]:
        """Every topic with its number of partitions."""
        ...

    async def topic_configs(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """The configuration in force for each topic."""
        ...

    async def ranges(self, topic: str, count: int | None = None) -> dict[int, Range]:
        """The offsets of every partition."""
        ...

    async def commits(self, group: str, topic: str, count: int | None = None) -> dict[int, Commit]:
        """The group's commits, by partition."""
        ...

    async def offsets_at(self, topic: str, moment: datetime, count: int | None = None) -> dict[int, int]:
        """For each partition the first offset whose record is not older than `moment`; its end where none is."""
        ...

    async def count(self, topic: str, partition: int, offsets: Range) -> int:
        """How many messages there are in a range."""
        ...


@dataclass
class Closer:
    """Which windows of one fleet are closed. Remembers what it waits for: one for each spell of watching.

    Where the broker stamps the chat logs, what arrived before a time is found by that time. Where producers do, arrival is
    the moment at which a worker took a message: then all that is in the log once that time is past is waited for.
    """

    settings: Settings
    topics: Topics
    _looks: int = 0
    _is_stamped_by_broker: bool = False
    _moderated: Waits = field(default_factory=Waits)
    _stored: Waits = field(default_factory=Waits)
    _stood: dict[int, tuple[int, int]] = field(default_factory=dict)
    """For each partition of the chat logs the commit that was seen last, and how often in a row."""
    _nothing_until: dict[int, tuple[int, int]] = field(default_factory=dict)
    """For each such partition a range [from, to) that holds no message."""

    async def look(self, position: datetime, now_s: float) -> datetime | None:
        """Everything that arrived before the answer, a multiple of the windows' length, is closed; None: not known of anything
        yet. `position`: where the last window ended; `now_s`: the broker's time. Raises Retryable or Misconfigured."""
        kafka = self.settings.kafka
        counts = await self.topics.partitions()
        if self._looks % CONFIG_EVERY_LOOKS == 0:
            self._is_stamped_by_broker = await self._stamps()
        self._looks += 1
        for topic in (kafka.chat_logs_topic, kafka.verdicts_topic, kafka.chat_logs_dlq_topic):
            if topic not in counts:
                raise Misconfigured(
                    f"the topic {topic} doesn't exist at {kafka.bootstrap}, so no window can be closed",
                    "start the workers with WATCHKEEPER_KAFKA__CREATE_TOPICS=true, or create it as docs/architecture.md says",
                )
        width = timedelta(seconds=self.settings.drift.window_s)
        settled = datetime.fromtimestamp(now_s - self.settings.drift.settle_s, UTC)
        newest = floor(settled, width)
        moderated = await self._until_moderated(position, newest, width, counts)
        if moderated is not None and moderated > self._stored.newest:
            # After the commits of moderation were read: all that was made of those messages is before these ends.
            verdicts = await self.topics.ranges(kafka.verdicts_topic, counts[kafka.verdicts_topic])
            letters = await self.topics.ranges(kafka.chat_logs_dlq_topic, counts[kafka.chat_logs_dlq_topic])
            self._stored.add(moderated, _ends(verdicts), _ends(letters))
        return self._stored.look(
            await self._log("storage", kafka.verdicts_topic, counts),
            await self._log("dead_letter_rows", kafka.chat_logs_dlq_topic, counts),
        )

    async def _until_moderated(
        self, position: datetime, newest: datetime, width: timedelta, counts: Mapping[str, int]
    ) -> datetime | None:
        """The latest multiple of `width` until which all that arrived is moderated; None: none after `position` is."""
        topic = self.settings.kafka.chat_logs_topic
        log = await self._log("moderation", topic, counts)
        if not self._is_stamped_by_broker:
            self._moderated.add(newest, log.ends)
            return self._moderated.look(await self._beyond_markers(log, log.ends))
        if newest <= position:
            return None
        ends = await self.topics.offsets_at(topic, newest, counts[topic])
        log = await self._beyond_markers(log, ends)
        if log.reached(ends):
            return newest
        begin = floor(position, width)
        low, high = 0, (newest - begin) // width
        while high - low > 1:
            middle = (low + high) // 2
            if log.reached(await self.topics.offsets_at(topic, begin + middle * width, counts[topic])):
                low = middle
            else:
                high = middle
        return begin + low * width if low else None

    async def _beyond_markers(self, log: Log, offsets: Ends) -> Log:
        """The log with commits moved over offsets that hold no message: nobody commits beyond the last message."""
        commits = dict(log.commits)
        for partition, (at, to) in log.behind(offsets).items():
            before, looks = self._stood.get(partition, (-1, 0))
            self._stood[partition] = (at, looks + 1 if before == at else 1)
            known_from, known_to = self._nothing_until.get(partition, (-1, -1))
            if known_from == at:
                commits[partition] = known_to
            if commits.get(partition, 0) >= to:
                continue
            if self._stood[partition][1] >= STILL_LOOKS and to - at <= MOST_COUNTED:
                self._stood[partition] = (at, 0)
                topic = self.settings.kafka.chat_logs_topic
                if await self.topics.count(topic, partition, Range(at, to)) == 0:
                    self._nothing_until[partition] = (at, to)
                    commits[partition] = to
        return Log(log.starts, log.ends, commits)

    async def _log(self, role: str, topic: str, counts: Mapping[str, int]) -> Log:
        ranges = await self.topics.ranges(topic, counts[topic])
        group = f"{self.settings.kafka.group_prefix}.{role}"
        commits = await self.topics.commits(group, topic, counts[topic])
        return Log(
            {number: offsets.start for number, offsets in ranges.items()},
            _ends(ranges),
            {number: commit.offset for number, commit in commits.items()},
        )

    async def _stamps(self) -> bool:
        topic = self.settings.kafka.chat_logs_topic
        config = (await self.topics.topic_configs([topic])).get(topic, {})
        return config.get("message.timestamp.type") == "LogAppendTime"


def _ends(ranges: Mapping[int, Range]) -> dict[int, int]:
    return {number: offsets.end for number, offsets in ranges.items()}
