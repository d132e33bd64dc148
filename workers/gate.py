"""What a batch may have to wait for, and the gate of the backfill: a rate limit, and live traffic first (docs/adr/0005)."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from schemas.status import RoleStatus

log = structlog.get_logger("watchkeeper.gate")

RATE_OVER_S: Final = 10.0
"""How far back the rate of live traffic is taken."""
RATE_AFTER_S: Final = 1.0
"""How long live traffic has to be watched before its rate means anything: whole batches are done at once."""
LOOK_EVERY_S: Final = 0.1
SAY_AFTER_S: Final = 10.0
SAY_EVERY_S: Final = 30.0


class Gate(Protocol):
    """Says when a batch may go to its agent."""

    async def wait(self, messages: int) -> None:
        """Return when a batch of so many messages may go. Cancelled and asked again where that takes long."""
        ...


class Live(Protocol):
    """An intake that backfill gives way to."""

    def status(self) -> RoleStatus:
        """Where it stands."""
        ...


@dataclass(slots=True)
class Queue:
    """How long a message that comes now would wait behind those that are there: their number by those done a second.

    A number of messages says little by itself: guards do from tens to tens of thousands a second. What is behind is
    counted without the partitions that wait for a person: nothing that backfill does keeps those from being read.
    """

    live: Live
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    """When it was looked at, and how many messages were done then; the first is the last one before RATE_OVER_S."""

    def wait_s(self, now_s: float) -> float:
        """The wait now; infinite where messages wait and none has been seen to be done."""
        status = self.live.status()
        self._see(now_s, status.messages)
        behind = sum(max(0, p.end - p.position) for p in status.partitions if not p.is_halted)
        if not behind:
            return 0.0
        since_s, done = now_s - self._seen[0][0], status.messages - self._seen[0][1]
        return behind * since_s / done if done and since_s >= RATE_AFTER_S else math.inf

    def _see(self, now_s: float, messages: int) -> None:
        self._seen.append((now_s, messages))
        while len(self._seen) > 1 and now_s - self._seen[1][0] >= RATE_OVER_S:
            self._seen.popleft()
        if now_s - self._seen[0][0] > 2 * RATE_OVER_S:  # nobody looked for long: that says nothing of now
            self._seen = deque([(now_s, messages)])


@dataclass(slots=True)
class LiveFirst:
    """Implements Gate: lets a batch go while no live message would wait longer than `live_wait_max_s`, and
    batches of at most `max_per_s` messages a second (0: as many as there are).

    `give_way_to` is set once the live intakes are there; without any, the rate limit alone holds. A batch counts once it
    goes: a wait that is cancelled costs nothing.
    """

    max_per_s: float
    live_wait_max_s: float
    give_way_to: Sequence[Queue] = ()
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    who: str = "backfill"
    _next_s: float = -math.inf
    _closed_since_s: float | None = None
    _said_s: float = -math.inf

    async def wait(self, messages: int) -> None:
        """Return when a batch of so many messages may go."""
        while (wait_s := self._closed_for_s()) > 0:
            await self.sleep(wait_s)
        if self.max_per_s:
            self._next_s = max(self._next_s, self.now_s()) + messages / self.max_per_s

    def _closed_for_s(self) -> float:
        now_s = self.now_s()
        waits_s = [queue.wait_s(now_s) for queue in self.give_way_to]
        if max(waits_s, default=0.0) > self.live_wait_max_s:
            self._say(now_s, waits_s)
            return LOOK_EVERY_S
        self._closed_since_s = None
        return self._next_s - now_s

    def _say(self, now_s: float, waits_s: Sequence[float]) -> None:
        if self._closed_since_s is None:
            self._closed_since_s = now_s
        if now_s - self._closed_since_s >= SAY_AFTER_S and now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            log.info(
                "live traffic goes first",
                who=self.who,
                for_s=round(now_s - self._closed_since_s, 1),
                live_waits_s=[round(wait_s, 1) if math.isfinite(wait_s) else None for wait_s in waits_s],
                limit_s=self.live_wait_max_s,
            )
