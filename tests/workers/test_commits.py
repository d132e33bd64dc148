"""What the intake makes of a broker's answers about offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.structs import OffsetAndMetadata

from monitor.ledger import Ledger
from monitor.metrics import Metrics
from monitor.settings import RetrySettings
from workers.commits import Commits
from workers.tally import Tally

HERE, NEW = TopicPartition("chat.logs", 0), TopicPartition("chat.logs", 1)
LEDGER = Ledger(0, messages=40, exchanges=40)


@dataclass
class _Broker:
    """Of consumer and admin client what Commits asks of them. While it loads, aiokafka's admin drops the error beside an
    empty answer (checked: 0.14)."""

    is_loading: bool = False
    sought: dict[TopicPartition, int] = field(default_factory=dict)

    async def list_consumer_group_offsets(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        if self.is_loading:
            return {}
        committed = {HERE: OffsetAndMetadata(40, LEDGER.to_metadata())}
        return {key: committed.get(key, OffsetAndMetadata(-1, "")) for key in partitions}

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 7)

    def seek(self, key: TopicPartition, offset: int) -> None:
        self.sought[key] = offset


def _commits(broker: _Broker) -> Commits:
    tally = Tally("moderation", "chat.logs", "watchkeeper.moderation", Metrics())
    return Commits(broker, broker, RetrySettings(), tally)


async def test_a_coordinator_that_is_still_loading_is_asked_again() -> None:
    with pytest.raises(GroupLoadInProgressError):
        await _commits(_Broker(is_loading=True)).read([HERE, NEW])


async def test_reading_begins_at_the_commit_or_where_the_log_does() -> None:
    broker = _Broker()
    found = await _commits(broker).read([HERE, NEW])

    assert {key: (partition.position, partition.ledger) for key, partition in found.items()} == {
        HERE: (40, LEDGER),
        NEW: (7, Ledger(7)),
    }
    assert broker.sought == {HERE: 40, NEW: 7}
