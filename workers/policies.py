"""The judging policy in force: the newest that the overseer has written, heard by every worker that chooses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from typing import Final, Protocol

import msgspec
import structlog
from mode import Service

from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.backoff import Backoff
from monitor.judging.budget import first_policy
from monitor.judging.policy import Chooser
from monitor.kafka_settings import KafkaSettings
from monitor.settings import Settings
from schemas.judgements import JudgePolicy
from workers.trouble import is_cancelled, said, where

log = structlog.get_logger("watchkeeper.policies")

HEARD_WITHIN_S: Final = 10.0
"""A start waits so long for the policy in force; without it the first policy is followed, and every verdict says so."""


class PolicyLog(Protocol):
    """The topic, read without joining any group (monitor/adapters/kafka_admin.py)."""

    async def ranges(self, topic: str, count: int | None = None) -> dict[int, Range]:
        """The offsets of every partition."""
        ...

    def read(self, topic: str, ranges: Mapping[int, Range]) -> AsyncIterator[Record]:
        """The records of these offsets."""
        ...

    def follow(self, topic: str, begins: Mapping[int, int]) -> AsyncIterator[list[Record]]:
        """What comes from there on, and nothing now and then; never ends."""
        ...


OpenLog = Callable[[KafkaSettings], AbstractAsyncContextManager[PolicyLog]]


class Policies(Service):
    """Follows the policy topic from its beginning: it is compacted, so it is short. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(self, settings: Settings, now: datetime, *, open_log: OpenLog = KafkaAdmin.connect) -> None:
        super().__init__()
        self._open_log = open_log
        self._settings = settings
        self._fleet = settings.kafka.group_prefix
        self._topic = settings.kafka.judge_policies_topic
        self._heard = asyncio.Event()
        self._chooser = Chooser(first_policy(self._fleet, settings.judging, now), settings.moderation)

    async def on_start(self) -> None:
        """Begin; returns once the policy in force is known, or after HEARD_WITHIN_S."""
        self.add_future(self._follow_for_ever())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), HEARD_WITHIN_S)

    @property
    def current(self) -> JudgePolicy:
        """The policy in force, as far as this worker has heard."""
        return self._chooser.policy

    def chooser(self) -> Chooser:
        """Chooses by it."""
        return self._chooser

    async def _follow_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            began_s = time.monotonic()
            try:
                async with self._open_log(self._settings.kafka) as policies:
                    await self._follow(policies)
            except asyncio.CancelledError as exc:
                if is_cancelled():
                    raise
                error = where(exc)
            except Exception as exc:  # noqa: BLE001  # a worker that follows no policy asks the judge by an old one for ever
                error = said(exc)
            else:
                continue
            backoff.went_well(time.monotonic() - began_s)
            wait_s = backoff.next_s()
            log.warning("policies not heard, tried again", error=error, retry_in_s=round(wait_s, 2))
            await self.sleep(wait_s)

    async def _follow(self, policies: PolicyLog) -> None:
        ranges = await policies.ranges(self._topic)
        async for record in policies.read(self._topic, ranges):
            self._hear(record)
        self._heard.set()
        async for records in policies.follow(self._topic, {n: offsets.end for n, offsets in ranges.items()}):
            for record in records:
                self._hear(record)
            if self.should_stop:
                return

    def _hear(self, record: Record) -> None:
        policy = policy_in(record, self._fleet)
        if policy is not None and policy.version != self.current.version:
            self._chooser = Chooser(policy, self._settings.moderation)
            log.info("judging policy", version=policy.version, crowded_out=policy.is_crowded_out)


def policy_in(record: Record, fleet: str) -> JudgePolicy | None:
    """The policy in a record; None where it is another fleet's, or none that this release reads."""
    try:
        policy = JudgePolicy.from_bytes(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return policy if policy.fleet == fleet else None
