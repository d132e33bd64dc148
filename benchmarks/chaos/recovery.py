"""Makes the faults of a schedule in their order, and takes the time until durable progress goes on after each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.injector import Injector
from benchmarks.chaos.offsets import Offsets
from benchmarks.chaos.schedule import Injection

RECOVERS_WITHIN_S: Final = 120.0
FIRST_GUESS_S: Final = 6.0
"""How long a fault and its recovery take, before any was seen."""


@dataclass(frozen=True, slots=True)
class Endured:
    """A fault that was made. `recovered_s` from its lifting until every partition of both groups went on; None: never
    within `RECOVERS_WITHIN_S`. `is_alone`: no other fault was made or recovered from meanwhile."""

    injection: Injection
    lasted_s: float
    recovered_s: float | None
    is_alone: bool


@dataclass
class Ordeal:
    """One run's faults. `faults` are broken promises."""

    injector: Injector
    fleet: Fleet
    offsets: Offsets
    injections: Sequence[Injection]
    on_endured: Callable[[Endured], None]
    longest_s: float | None = None
    """No fault is begun after this time; None: all are made, however long it takes."""
    endured: list[Endured] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    is_over: bool = False
    _under_way: set[int] = field(default_factory=set)
    _in_company: set[int] = field(default_factory=set)
    _began_s: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Return when all are made and recovered from, or when the stream no longer recovers."""
        self._began_s = time.monotonic()
        under_way: set[asyncio.Task[None]] = set()
        try:
            for injection in self.injections:
                if not injection.overlaps and under_way:
                    await asyncio.gather(*under_way)
                    under_way = set()
                if self.faults:
                    return
                if self.longest_s is not None and time.monotonic() - self._began_s > self.longest_s:
                    break
                await asyncio.sleep(injection.gap_s)
                under_way.add(asyncio.create_task(self._endure(injection)))
            await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            self.is_over = True

    def rate(self, messages_left: int) -> float:
        """How many messages a second leave some for the last fault: asked by the producer."""
        if self.is_over:
            return messages_left * 1.0
        done = len(self.endured)
        elapsed_s = time.monotonic() - self._began_s
        if self.longest_s is not None:
            return messages_left / max(1.0, self.longest_s - elapsed_s)
        a_fault_s = elapsed_s / done if done else FIRST_GUESS_S
        return messages_left / (max(1, len(self.injections) - done) * a_fault_s)

    async def _endure(self, injection: Injection) -> None:
        self._under_way.add(injection.number)
        if len(self._under_way) > 1:
            self._in_company |= self._under_way
        try:
            lasted_s = await self.injector.inject(injection)
        except TimeoutError as exc:
            self.faults.append(f"fault {injection.number} ({injection.kind}): {exc}")
            return
        lifted_s = time.monotonic()
        recovered_s = await self._recovered(lifted_s)
        if recovered_s is None:
            self.faults.append(
                f"fault {injection.number} ({injection.kind}): no durable progress on every partition within "
                f"{RECOVERS_WITHIN_S:.0f} s"
            )
        self._under_way.discard(injection.number)
        one = Endured(injection, lasted_s, recovered_s, injection.number not in self._in_company)
        self.endured.append(one)
        self.on_endured(one)

    async def _recovered(self, lifted_s: float) -> float | None:
        """Seconds until every partition of both groups has gone on and every worker is ready."""
        try:
            async with asyncio.timeout(RECOVERS_WITHIN_S):
                first = await self.offsets.next()
                while True:
                    look = await self.offsets.next()
                    if look.has_gone_on_since(first) and self.fleet.is_ready():
                        return look.at_s - lifted_s
        except TimeoutError:
            return None
