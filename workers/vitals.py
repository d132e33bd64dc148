"""Whether the worker lives and whether it is ready, in checks that say why. No I/O.

The event loop tells (`beat`), any thread may ask (`live`, `ready`): an asker sees one whole beat, and how old it is.
docs/watching.md says what each check means and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from schemas.status import PartitionStatus, RoleStatus

State = Literal["ok", "waiting", "failed"]
"""`waiting`: not yet, and nothing is wrong with the worker."""
Fact = str | int | float | bool


class Taker(Protocol):
    """What is asked of an intake."""

    @property
    def has_joined(self) -> bool:
        """Whether it is a member of its group that knows where its partitions, if any, stand."""
        ...

    @property
    def last_turn_s(self) -> float:
        """When the loop that takes messages last went round, monotonic."""
        ...

    @property
    def crashed(self) -> bool:
        """Whether one of its tasks has ended with an exception."""
        ...

    def status(self) -> RoleStatus:
        """Where it stands."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. Facts hold nothing that a user typed."""

    name: str
    state: State
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Beat:
    at_s: float
    live: tuple[Check, ...] = ()
    ready: tuple[Check, ...] = ()


class Vitals:
    """What the worker knows of itself. All but `live` and `ready` is for the event loop's thread.

    `parts` are the servers that it has to reach before it can work. `now_s` is a monotonic clock.
    """

    def __init__(
        self, parts: Sequence[str], *, live_within_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._live_within_s = live_within_s
        self._now_s = now_s
        self._since_s = now_s()
        self._parts = {part: Check(part, "waiting") for part in parts}
        self._takers: Sequence[Taker] | None = None
        self._is_stopping = False
        self._beat = _Beat(now_s())
        self.beat()

    def away(self, part: str, why: str) -> None:
        """It doesn't answer yet. `why` holds no user text."""
        waited_s = round(self._now_s() - self._since_s, 1)
        self._parts[part] = Check(part, "waiting", {"error": why, "waited_s": waited_s})
        self.beat()

    def reached(self, part: str) -> None:
        """It has answered."""
        self._parts[part] = Check(part, "ok")
        self.beat()

    def watch(self, takers: Sequence[Taker]) -> None:
        """From now on these belong to it."""
        self._takers = takers
        self.beat()

    @property
    def missing(self) -> str:
        """The part that it waits for before it can begin; "" where it waits for none."""
        return next((check.name for check in self._parts.values() if check.state == "waiting"), "")

    def roles(self) -> list[RoleStatus] | None:
        """Where each role stands; None before it has begun."""
        return None if self._takers is None else [taker.status() for taker in self._takers]

    @property
    def has_crashed(self) -> bool:
        """Whether it ends because one of its tasks has."""
        return any(taker.crashed for taker in self._takers or ())

    def stopping(self) -> None:
        """It drains: it takes nothing more, and its intakes need not turn."""
        self._is_stopping = True
        self.beat()

    def beat(self) -> list[RoleStatus]:
        """The event loop turns, and this is how all stands: each role's own word."""
        now_s = self._now_s()
        roles = [(taker, taker.status()) for taker in self._takers or ()]
        live = [] if self._is_stopping else [self._turns(taker, status, now_s) for taker, status in roles]
        ready = [*self._parts.values(), *(_works(taker, status) for taker, status in roles)]
        if self._takers is None:
            ready.append(Check("roles", "waiting"))
        if self._is_stopping:
            ready.append(Check("stopping", "waiting"))
        self._beat = _Beat(now_s, tuple(live), tuple(ready))
        return [status for _, status in roles]

    def turned(self) -> None:
        """The event loop turns; how all stands is not known anew."""
        self._beat = replace(self._beat, at_s=self._now_s())

    def live(self) -> tuple[Check, ...]:
        """Whether a restart is the remedy: `failed` where it is."""
        beat = self._beat
        return (self._loop(beat), *beat.live)

    def ready(self) -> tuple[Check, ...]:
        """Whether it can take work: all `ok` where it can."""
        beat = self._beat
        return (self._loop(beat), *beat.ready)

    def _loop(self, beat: _Beat) -> Check:
        silent_s = self._now_s() - beat.at_s
        return Check(
            "event_loop",
            "ok" if silent_s <= self._live_within_s else "failed",
            {"silent_s": round(silent_s, 1), "limit_s": self._live_within_s},
        )

    def _turns(self, taker: Taker, status: RoleStatus, now_s: float) -> Check:
        """Whether its own loop goes round. While it joins its group it waits for Kafka, and a restart would not help."""
        still_s = now_s - taker.last_turn_s
        is_stuck = taker.has_joined and still_s > self._live_within_s
        return Check(
            status.role,
            "failed" if taker.crashed or is_stuck else "ok",
            {
                "crashed": taker.crashed,
                "joined": taker.has_joined,
                "last_turn_s_ago": round(still_s, 1),
                "limit_s": self._live_within_s,
            },
        )


def _works(taker: Taker, status: RoleStatus) -> Check:
    """Whether it can take work. Trouble that passes (an open breaker, a partition set aside) is a fact, no reason: the
    worker waits well, and nobody else could take the work. Only where every partition needs a person is it unready."""
    state: State = "ok" if taker.has_joined else "waiting"
    if status.partitions and all(partition.is_halted for partition in status.partitions):
        state = "failed"
    facts: dict[str, Fact] = {
        "joined": taker.has_joined,
        "partitions": len(status.partitions),
        "set_aside": sum(is_aside(partition) for partition in status.partitions),
        "halted": sum(partition.is_halted for partition in status.partitions),
        "in_flight": status.in_flight,
    }
    if status.breaker:
        facts["breaker"] = status.breaker
    return Check(status.role, state, facts)


def is_aside(partition: PartitionStatus) -> bool:
    """Whether it rests because of trouble of its own."""
    return bool(partition.trouble) and not partition.in_flight
