"""Makes the faults: each from its beginning to its lifting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from benchmarks.chaos.faults.clickhouse_proxy import StoreFault
from benchmarks.chaos.faults.tcp_proxy import TcpProxy
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.kinds import Kind, Target
from benchmarks.chaos.rig import Rig
from benchmarks.chaos.schedule import Injection
from monitor.embedded.part import Part

HAPPENS_WITHIN_S: Final = 60.0
"""A fault that waits for requests is to have met them by then: the stream goes on all the time."""
POLL_S: Final = 0.05
STORE_FAULTS: Final[dict[Kind, StoreFault]] = {
    Kind.STORE_REFUSE: StoreFault.REFUSE,
    Kind.STORE_RESET: StoreFault.RESET,
    Kind.STORE_APPLIED_SILENT: StoreFault.APPLIED_THEN_SILENT,
    Kind.STORE_APPLIED_RESET: StoreFault.APPLIED_THEN_RESET,
    Kind.STORE_HALF_ANSWER: StoreFault.HALF_ANSWER,
    Kind.STORE_HALF_BODY: StoreFault.HALF_APPLIED_BODY,
    Kind.STORE_FULL: StoreFault.FULL,
    Kind.STORE_PARTS: StoreFault.TOO_MANY_PARTS,
    Kind.STORE_MEMORY: StoreFault.MEMORY,
}


class Injector:
    """Faults on a rig and its workers. Those on one target wait for one another."""

    def __init__(self, rig: Rig, fleet: Fleet) -> None:
        self._rig = rig
        self._fleet = fleet
        self._locks = {target: asyncio.Lock() for target in Target}

    async def inject(self, injection: Injection) -> float:
        """Return once the fault is lifted, with the seconds that it lasted. Raises TimeoutError where it didn't happen."""
        async with self._locks[injection.kind.target]:
            began_s = time.monotonic()
            match injection.kind.target:
                case Target.WORKERS:
                    await self._on_workers(injection)
                case Target.KAFKA:
                    await self._on_kafka(injection)
                case Target.TRITON:
                    await self._on_triton(injection)
                case Target.CLICKHOUSE:
                    await self._on_store(injection)
            return time.monotonic() - began_s

    async def _on_workers(self, injection: Injection) -> None:
        fleet = self._fleet
        if injection.kind is Kind.WORKER_ADD:
            await fleet.add()
            return
        victim = fleet.pick(injection.choice)
        match injection.kind:
            case Kind.WORKER_KILL:
                await fleet.kill(victim)
                await fleet.add()
            case Kind.WORKER_STOP:
                await fleet.stop(victim)
                await fleet.add()
            case Kind.WORKER_REMOVE:
                await fleet.stop(victim)
            case Kind.WORKER_FREEZE:
                fleet.members[victim].freeze()
                await asyncio.sleep(injection.lasts_s)
                fleet.members[victim].thaw()

    async def _on_kafka(self, injection: Injection) -> None:
        if injection.kind is Kind.BROKER_KILL:
            await _killed(self._rig.kafka, injection.lasts_s)
        else:
            await _on_connections(self._rig.to_kafka, injection)

    async def _on_triton(self, injection: Injection) -> None:
        rig, guard = self._rig, self._rig.guard
        match injection.kind:
            case Kind.TRITON_KILL:
                await _killed(rig.triton, injection.lasts_s)
            case Kind.TRITON_STUB:
                await self._guard_fails("die", 1)
                await asyncio.sleep(injection.lasts_s)
                await _killed(rig.triton, 0.0)
            case Kind.GUARD_SLOW:
                guard.set(slow_s=injection.slower_by_s)
                await asyncio.sleep(injection.lasts_s)
                guard.set()
            case Kind.GUARD_REQUESTS:
                await self._guard_fails("fail_requests", injection.times)
            case Kind.GUARD_BATCHES:
                await self._guard_fails("fail_batches", injection.times)
            case _:
                await _on_connections(rig.to_triton, injection)

    async def _guard_fails(self, how: str, times: int) -> None:
        guard = self._rig.guard
        wanted = guard.done()[how] + times
        guard.set(
            fail_requests=times if how == "fail_requests" else 0,
            fail_batches=times if how == "fail_batches" else 0,
            die=how == "die",
        )
        try:
            await _until(lambda: guard.done()[how] >= wanted, f"{how} at the guard")
        finally:
            guard.set()

    async def _on_store(self, injection: Injection) -> None:
        rig, store = self._rig, self._rig.store
        match injection.kind:
            case Kind.STORE_KILL:
                await _killed(rig.clickhouse, injection.lasts_s)
            case Kind.STORE_AWAY:
                store.is_away = True
                await asyncio.sleep(injection.lasts_s)
                store.is_away = False
            case kind if kind in STORE_FAULTS:
                fault = STORE_FAULTS[kind]
                wanted = store.done[fault] + injection.times
                store.will(fault, injection.times)
                try:
                    await _until(lambda: store.done[fault] >= wanted, str(kind))
                finally:
                    store.clear()
            case _:
                await _on_connections(rig.to_store, injection)


async def _killed(part: Part, away_s: float) -> None:
    """A crash, and the same part on the same data again after `away_s`."""
    await part.kill()
    await asyncio.sleep(away_s)
    await part.start()


async def _on_connections(proxy: TcpProxy, injection: Injection) -> None:
    match injection.kind:
        case Kind.KAFKA_CUT | Kind.TRITON_CUT | Kind.STORE_CUT:
            proxy.cut()
        case Kind.KAFKA_SLOW | Kind.TRITON_SLOW | Kind.STORE_SLOW:
            proxy.delay_s = injection.slower_by_s
            await asyncio.sleep(injection.lasts_s)
            proxy.delay_s = 0.0
        case Kind.KAFKA_SILENT | Kind.TRITON_SILENT | Kind.STORE_SILENT:
            proxy.is_frozen = True
            await asyncio.sleep(injection.lasts_s)
            proxy.is_frozen = False
        case Kind.KAFKA_REFUSE:
            proxy.is_refusing = True
            proxy.cut()
            await asyncio.sleep(injection.lasts_s)
            proxy.is_refusing = False
        case _:
            raise NotImplementedError(f"no way to make the fault {injection.kind}")


async def _until(effect: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HAPPENS_WITHIN_S
    while not effect():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: didn't happen within {HAPPENS_WITHIN_S:.0f} s")
        await asyncio.sleep(POLL_S)
