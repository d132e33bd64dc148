"""Takes the account of a running stream: asks broker and store in the order that makes the answers add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.accounting import Account, PartitionFacts, Reading, StoredPositions, account
from monitor.adapters.clickhouse import connect
from monitor.adapters.kafka_admin import Commit, KafkaAdmin, Range
from monitor.kafka_settings import KafkaSettings
from monitor.ledger import Ledger
from monitor.rates import Queries
from monitor.settings import Settings

LOOKED_AT: Final = 1_000_000
"""So many handled offsets are read, to see which hold no message, without being asked; `verify` reads any number."""
LOOKED_AT_WAITING: Final = 1_000
"""And so many that wait: only a tail of transaction markers makes a difference there."""


async def take_account(settings: Settings, *, verify: bool = False) -> Account:
    """The account of the stream now. Raises Retryable or Misconfigured where a part can't say.

    First what moderation and backfill have committed, then what storage has, then the rows: what happens meanwhile only
    makes less pending, and can't look like a loss.
    """
    kafka = settings.kafka
    async with KafkaAdmin.connect(kafka) as admin:
        chat = await _reading(admin, kafka, "moderation", kafka.chat_logs_topic, verify=verify)
        if kafka.chat_logs_backfill_topic in await admin.partitions():
            backfill = await _reading(admin, kafka, "backfill", kafka.chat_logs_backfill_topic, verify=verify)
        else:  # made by workers of a release that has it
            backfill = Reading(kafka.chat_logs_backfill_topic, f"{kafka.group_prefix}.backfill", ())
        verdicts = await _reading(admin, kafka, "storage", kafka.verdicts_topic, verify=verify)
        letters = [
            await letters_written(admin, topic)
            for topic in (kafka.chat_logs_dlq_topic, kafka.verdicts_dlq_topic)
        ]
    async with await connect(settings.clickhouse) as store:
        chat, backfill = [
            replace(reading, stored=await stored_positions(store, reading.topic, _bounds(reading.partitions)))
            for reading in (chat, backfill)
        ]
    return account(chat, backfill, verdicts, chat_letters=letters[0], verdict_letters=letters[1])


async def _reading(
    admin: KafkaAdmin, kafka: KafkaSettings, role: str, topic: str, *, verify: bool
) -> Reading:
    group = f"{kafka.group_prefix}.{role}"
    return Reading(topic, group, await partition_facts(admin, group, topic, verify=verify))


def _bounds(partitions: Sequence[PartitionFacts]) -> dict[int, tuple[int, int]]:
    """What the ledgers speak of: first offset, and the one after the last."""
    return {
        facts.partition: (facts.ledger.from_offset, facts.committed)
        for facts in partitions
        if facts.ledger is not None and facts.committed is not None
    }


async def letters_written(admin: KafkaAdmin, topic: str) -> int:
    """Offsets ever written in a dead-letter topic: ends never go back, whatever retention removes. 0 where it isn't."""
    if topic not in await admin.partitions():
        return 0
    return sum(offsets.end for offsets in (await admin.ranges(topic)).values())


async def stored_positions(
    store: Queries, topic: str, bounds: Mapping[int, tuple[int, int]]
) -> dict[int, StoredPositions]:
    """What the store holds of each chat-log partition within its bounds: first offset, and the one after the last."""
    found = {}
    for partition, (begin, end) in bounds.items():
        (row,) = await store.query(
            "account_positions", topic=topic, partition=partition, from_offset=begin, below_offset=end
        )
        found[partition] = StoredPositions(
            positions=row["positions"], repeats=row["repeats"], sampled_out=row["sampled_out"]
        )
    return found


async def partition_facts(admin: KafkaAdmin, group: str, topic: str, *, verify: bool) -> list[PartitionFacts]:
    """What broker and group say of each partition. The beginnings are read before the commits and the ends after, so
    that retention or a commit in between can't look like a loss."""
    before = await admin.ranges(topic)
    commits = await admin.commits(group, topic)
    after = await admin.ranges(topic)
    found = []
    for number, begin in sorted(before.items()):
        facts = facts_of(topic, number, Range(begin.start, after[number].end), commits.get(number))
        found.append(await _looked_at(admin, facts, verify=verify))
    return found


def facts_of(topic: str, partition: int, offsets: Range, commit: Commit | None) -> PartitionFacts:
    """The facts of one partition before anybody has looked at empty offsets."""
    return PartitionFacts(
        topic,
        partition,
        log_start=offsets.start,
        end=offsets.end,
        committed=None if commit is None else commit.offset,
        ledger=None if commit is None else Ledger.from_metadata(commit.metadata, commit.offset),
    )


async def _looked_at(admin: KafkaAdmin, facts: PartitionFacts, *, verify: bool) -> PartitionFacts:
    """The facts with the empty offsets counted, by reading those ranges in which there can be any."""
    handled = Range(max(facts.base, facts.log_start), max(facts.position, facts.log_start))
    waiting = Range(max(facts.position, facts.log_start), facts.end)
    empty_handled: int | None = 0
    if facts.unhandled_offsets > 0 and handled.end > handled.start:
        within = verify or handled.end - handled.start <= LOOKED_AT
        empty_handled = await _empty(admin, facts, handled) if within else None
    empty_waiting: int | None = None
    if 0 < waiting.end - waiting.start <= LOOKED_AT_WAITING:
        empty_waiting = await _empty(admin, facts, waiting)
    return replace(facts, empty_handled=empty_handled, empty_pending=empty_waiting)


async def _empty(admin: KafkaAdmin, facts: PartitionFacts, offsets: Range) -> int:
    return offsets.end - offsets.start - await admin.count(facts.topic, facts.partition, offsets)
