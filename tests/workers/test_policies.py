"""The judging policy is followed whatever fails: a worker that stopped would ask by an old one for ever, and nobody would hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from monitor.adapters.kafka_admin import Range, Record
from monitor.errors import Retryable
from monitor.judging.budget import first_policy
from monitor.kafka_settings import KafkaSettings
from monitor.settings import load
from schemas.judgements import JudgePolicy
from tests.waiting import until
from workers.policies import Policies

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SETTINGS = load({"WATCHKEEPER_RETRY__FIRST_S": "0.001", "WATCHKEEPER_RETRY__MAX_S": "0.002"})
FIRST = first_policy(SETTINGS.kafka.group_prefix, SETTINGS.judging, NOON)


@dataclass(frozen=True)
class Written:
    """Implements kafka_admin.Record."""

    value: bytes | None
    offset: int = 0
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class FakeLog:
    """Implements policies.PolicyLog. `failures` are raised one an opening, first to last, while it is followed."""

    records: list[Record] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    opened: int = 0

    @asynccontextmanager
    async def open(self, settings: KafkaSettings) -> AsyncIterator[FakeLog]:
        self.opened += 1
        yield self

    async def ranges(self, topic: str, count: int | None = None) -> dict[int, Range]:
        return {0: Range(0, len(self.records))}

    async def read(self, topic: str, ranges: Mapping[int, Range]) -> AsyncIterator[Record]:
        for record in list(self.records):
            yield record

    async def follow(self, topic: str, begins: Mapping[int, int]) -> AsyncIterator[list[Record]]:
        if self.failures:
            raise self.failures.pop(0)
        at = begins[0]
        while True:
            await asyncio.sleep(0.001)
            yield self.records[at:]
            at = len(self.records)

    def write(self, policy: JudgePolicy) -> None:
        self.records.append(Written(policy.to_bytes()))


async def test_the_newest_policy_is_in_force_though_the_log_fails_in_every_way() -> None:
    policies_log = FakeLog(failures=[Retryable("away"), asyncio.CancelledError(), ZeroDivisionError()])
    policies_log.write(FIRST)
    policies = Policies(SETTINGS, NOON, open_log=policies_log.open)
    await policies.start()
    try:
        assert policies.current == FIRST
        await until(lambda: policies_log.opened == 4, "the log opened again after each failure")
        newer = msgspec.structs.replace(FIRST, version=f"{FIRST.version}-next")
        policies_log.write(newer)
        await until(lambda: policies.current == newer, "the newer one")
    finally:
        await policies.stop()
