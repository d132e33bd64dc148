"""The embedded stack: broker, Triton, store and workers, started together and gone together.

    async with Stack(None, load(), on_progress=show) as stack:
        print(stack.addresses.kafka)

Broker, Triton and store start side by side, the workers once those serve. A part that dies is started again, with
growing waits, and said. At the end the workers drain first. Every process ends with ours, whatever ends it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import monitor
from monitor.embedded import registry
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.data_folder import remember_ports, remembered_ports, take
from monitor.embedded.folders import Folders, user_folders
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.part import Part
from monitor.embedded.progress import OnProgress, Phase, Progress, unheard
from monitor.embedded.registry import Addresses
from monitor.embedded.triton import TritonPart
from monitor.embedded.workers import WorkersPart, worker_environment
from monitor.errors import Misconfigured
from monitor.roles import needed_roles
from monitor.settings import Settings, variable

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 30.0
STACK_DEFAULTS: Final = {
    variable("judging", "judge"): "lite",
    # judge_lite takes less than a millisecond an exchange, and the demo plays a day in a minute: neither that minute nor what
    # is left of the budget after it is to decide what is judged.
    variable("judging", "budget_per_hour"): "90000",
    variable("judging", "policy_every_s"): "600",
}
"""What a stack is set to where the environment is silent, other than a deployment: for `monitor.settings.load`."""
SOUND_AFTER_S: Final = 60.0  # a part that ran this long has proved that it can: its next wait is short again


class Stack:
    """`async with` it. `addresses` is there from then on, and changes only where a part was started again."""

    def __init__(
        self,
        data: Path | None,
        settings: Settings,
        *,
        on_progress: OnProgress = unheard,
        roles: Sequence[str] | None = None,
        folders: Folders | None = None,
    ) -> None:
        """`data` None: the folder in the settings, or else the user's. `roles` None: all that have something to do by these
        settings; empty: no workers. Starts nothing."""
        self._folders = folders or user_folders()
        self.data = (data or settings.embedded.data or self._folders.data).expanduser().absolute()
        self._settings = settings
        self._roles = tuple(needed_roles(settings) if roles is None else roles)
        self._on_progress = on_progress
        self._lock: int | None = None
        self._watching: asyncio.Task[None] | None = None
        self._since = 0.0
        ports = remembered_ports(self.data)
        self.kafka = KafkaPart(
            self.data / "kafka",
            heap_mb=settings.embedded.broker_heap_mb,
            cache=self._folders.cache,
            on_progress=on_progress,
            ports=ports.get("kafka"),
        )
        self.triton = TritonPart(
            self.data / "triton",
            settings.embedded.model_repository or installed_models(),
            also=(installed_models() / settings.triton.guard_model,),
            on_progress=on_progress,
            ports=ports.get("triton"),
        )
        self.clickhouse = ClickHousePart(
            self.data / "clickhouse", on_progress=on_progress, ports=ports.get("clickhouse")
        )
        self.workers: WorkersPart | None = None
        self._worker_ports = ports.get("workers")

    @property
    def parts(self) -> Mapping[str, Part]:
        """The parts by name, in the order in which they start."""
        servers: tuple[Part, ...] = (self.kafka, self.triton, self.clickhouse)
        return {part.name: part for part in (*servers, *((self.workers,) if self.workers else ()))}

    @property
    def addresses(self) -> Addresses:
        """Where it is now."""
        owner, started = registry.owner_identity()
        return Addresses(
            data=self.data,
            kafka=self.kafka.address,
            triton=self.triton.address,
            triton_http=self.triton.http_address,
            clickhouse=self.clickhouse.address,
            workers=self.workers.address if self.workers is not None else "",
            pids={name: part.pid for name, part in self.parts.items() if part.pid is not None},
            owner=owner,
            owner_started=started,
            since=self._since,
        )

    def environment(self) -> dict[str, str]:
        """The WATCHKEEPER_* variables that point at it."""
        return self.addresses.environment

    async def __aenter__(self) -> Self:
        """Returns when all serves. Raises Misconfigured (nothing runs then) if a part can't be started."""
        self._lock = await take(self.data)
        self._since = time.time()
        try:
            servers = tuple(self.parts.values())
            for part in servers:
                part.hold = (self._lock,)
            await _together([part.start() for part in servers])
            self._remember_ports()
            self._announce()
            if self._roles:
                await self._start_workers(self._lock)
            self._watching = asyncio.create_task(self._watch(), name="embedded stack")
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start_workers(self, lock: int) -> None:
        self.workers = WorkersPart(
            self.data / "workers",
            worker_environment(self._settings, self.environment()),
            roles=self._roles,
            drain_s=self._settings.worker.drain_s,
            on_progress=self._on_progress,
            ports=self._worker_ports,
        )
        self.workers.hold = (lock,)
        await self.workers.start()
        self._remember_ports()
        self._announce()

    async def _stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        try:
            if self.workers is not None:
                await self.workers.stop()
            await asyncio.gather(self.kafka.stop(), self.triton.stop(), self.clickhouse.stop())
        finally:
            if self._lock is not None:
                registry.withdraw(self.data, self._folders.running)
                os.close(self._lock)
                self._lock = None

    def _remember_ports(self) -> None:
        remember_ports(self.data, {part.name: part.ports for part in self.parts.values()})

    def _announce(self) -> None:
        registry.announce(self.addresses, self._folders.running)

    async def _watch(self) -> None:
        await _together([self._keep_up(part) for part in self.parts.values()])

    async def _keep_up(self, part: Part) -> None:
        """Start the part again whenever it has died."""
        wait_s = FIRST_WAIT_S
        while True:
            began = time.monotonic()
            code = await part.died()
            if time.monotonic() - began > SOUND_AFTER_S:
                wait_s = FIRST_WAIT_S
            why = f"ended with code {code}"
            while part.is_wanted and not part.is_running:
                self._say(part, "died", {"why": why, "log": str(part.log), "next try in": f"{wait_s:.1f} s"})
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                self._say(part, "restarting", {})
                try:
                    await part.start()
                except Misconfigured as exc:
                    why = str(exc)
            self._announce()

    def _say(self, part: Part, phase: Phase, facts: Mapping[str, str]) -> None:
        self._on_progress(Progress(part.name, phase, facts))


def installed_models() -> Path:
    """The Triton model repository that comes with this installation."""
    return Path(monitor.__file__).resolve().parents[1] / "triton_models"


async def _together(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all side by side; the first failure cancels the others, is waited for, and raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            if not task.cancelling():  # a second one would interrupt what the first one tidies up
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
