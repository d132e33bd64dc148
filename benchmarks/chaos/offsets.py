"""Watches the committed offsets at the broker during a whole run: they never go back, and never leave a hole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.adapters.kafka_admin import Commit, KafkaAdmin, Range
from monitor.errors import Retryable
from monitor.ledger import Ledger
from monitor.settings import Settings

WATCH_S: Final = 0.25
AWAY_S: Final = 0.5

Place = tuple[str, int]
"""A group's topic and a partition of it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the broker said at one moment (monotonic seconds). A partition never committed stands at its beginning."""

    at_s: float
    committed: Mapping[Place, int]
    ends: Mapping[Place, int]

    @property
    def lag(self) -> int:
        """Messages that are not durable yet."""
        return sum(self.ends[place] - self.committed[place] for place in self.ends)

    def has_gone_on_since(self, earlier: Look) -> bool:
        """Whether every partition moved on, or has nothing left to do."""
        return all(
            self.committed[place] > earlier.committed[place] or self.committed[place] == self.ends[place]
            for place in self.ends
        )


@dataclass
class Offsets:
    """Polls the broker. `faults` are broken promises, each told once with its place."""

    settings: Settings
    groups: Mapping[str, str]
    """The topic of each group."""
    looks: int = 0
    faults: list[str] = field(default_factory=list)
    latest: Look | None = None
    _commits: dict[Place, Commit] = field(default_factory=dict)
    _seen: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        """Runs until it is cancelled, whatever becomes of the broker."""
        while True:
            try:
                async with KafkaAdmin.connect(self.settings.kafka) as admin:
                    while True:
                        await self._look(admin)
                        await asyncio.sleep(WATCH_S)
            except Retryable:
                await asyncio.sleep(AWAY_S)

    async def next(self) -> Look:
        """The next look; waits while the broker is away."""
        self._seen.clear()
        await self._seen.wait()
        if self.latest is None:
            raise RuntimeError("there was a look, and it isn't there")
        return self.latest

    async def _look(self, admin: KafkaAdmin) -> None:
        committed: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        for group, topic in self.groups.items():
            commits = await admin.commits(group, topic)
            for partition, offsets in (await admin.ranges(topic)).items():
                place = (topic, partition)
                self._check(place, offsets, commits.get(partition))
                committed[place] = commits[partition].offset if partition in commits else offsets.start
                ends[place] = offsets.end
        self.looks += 1
        self.latest = Look(time.monotonic(), committed, ends)
        self._seen.set()

    def _check(self, place: Place, offsets: Range, commit: Commit | None) -> None:
        before = self._commits.get(place)
        where = f"{place[0]}/{place[1]}"
        if commit is None:
            if before is not None:
                self._tell(f"{where}: the commit at {before.offset} is gone")
            return
        self._commits[place] = commit
        self.check(where, commit, before)
        if commit.offset > offsets.end:
            self._tell(f"{where}: {commit.offset} is committed, beyond the end {offsets.end}")

    def check(self, where: str, commit: Commit, before: Commit | None) -> None:
        """Hold one commit against the one before it and against its own ledger."""
        ledger = Ledger.from_metadata(commit.metadata, commit.offset)
        if ledger.messages != commit.offset - ledger.from_offset:
            self._tell(
                f"{where}: {commit.offset} is committed from {ledger.from_offset}, with {ledger.messages} messages "
                "in its ledger: a hole, or messages counted twice"
            )
        if before is None:
            return
        if commit.offset < before.offset:
            self._tell(f"{where}: the committed offset went back from {before.offset} to {commit.offset}")
        began = Ledger.from_metadata(before.metadata, before.offset).from_offset
        if ledger.from_offset != began:
            self._tell(f"{where}: the ledger began at {began} and now begins at {ledger.from_offset}")

    def _tell(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)
