"""What a group's coordinator answers while it loads is no answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.structs import OffsetAndMetadata

from monitor.adapters.kafka_admin import committed_offsets

HERE, THERE, NEVER = (TopicPartition("chat.logs", number) for number in range(3))
COMMITS = {HERE: OffsetAndMetadata(7, "a"), THERE: OffsetAndMetadata(0, ""), NEVER: OffsetAndMetadata(-1, "")}


class Admin:
    """aiokafka's admin client, which drops the error beside an answer without partitions (checked: 0.14)."""

    def __init__(self, *, is_loading: bool) -> None:
        self._is_loading = is_loading

    async def list_consumer_group_offsets(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        return {} if self._is_loading else {partition: COMMITS[partition] for partition in partitions}


async def test_a_coordinator_that_is_loading_is_not_one_that_has_no_commits() -> None:
    with pytest.raises(GroupLoadInProgressError):
        await committed_offsets(Admin(is_loading=True), "g", [HERE, NEVER])


async def test_only_what_was_committed_is_in_the_answer() -> None:
    admin = Admin(is_loading=False)
    found = await committed_offsets(admin, "g", [HERE, THERE, NEVER])
    assert found == {HERE: COMMITS[HERE], THERE: COMMITS[THERE]}
    assert await committed_offsets(admin, "g", []) == {}
