"""From a cause to its alert, with the settings as they come: the bound is a minute.

`python -m benchmarks.alerts` starts a broker, an engine and a guard that can be told to fail, and for each cause a fleet
of worker processes of its own with the default thresholds. It notes when something is broken and when its alert is on
safety.alerts, by the broker's clock, and mends it; every alert must be the expected one, and over in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from tests.fakes.guard_server import GuardServer
from tests.integration.fleets import QUICK, Fleet, Flow, flowing, freeze, thaw
from tests.waiting import until

BOUND_S: Final = 60.0
AT_ONCE: Final = 2
"""Fleets side by side: they mostly wait."""
DEFAULTS: Final = dict.fromkeys(
    (
        *QUICK,
        "WATCHKEEPER_KAFKA__SESSION_TIMEOUT_S",
        "WATCHKEEPER_TRITON__DEADLINE_S",
        "WATCHKEEPER_TRITON__BREAKER_OPEN_S",
        "WATCHKEEPER_RETRY__MAX_S",
        "WATCHKEEPER_WORKER__DRAIN_S",
    ),
    "",
)
"""An empty variable is the default."""


@dataclass
class Scene:
    """A fleet under way. The first worker oversees and has storage alone; the second has all roles."""

    fleet: Fleet
    guard: GuardServer
    flow: Flow

    async def stop_answering(self) -> None:
        self.guard.gate = asyncio.Event()

    async def answer(self) -> None:
        if self.guard.gate is not None:
            self.guard.gate.set()

    async def stop_moderating(self) -> None:
        await self.fleet.workers[1].stop()

    async def kill_moderating(self) -> None:
        await self.fleet.workers[1].kill()

    async def start_moderating(self) -> None:
        await self.fleet.start("moderation", "storage", **DEFAULTS)

    async def answer_nonsense(self) -> None:
        self.guard.distort = lambda response: response.outputs[0].shape.append(1)

    async def answer_sense(self) -> None:
        self.guard.distort = None

    async def feed_some_badly(self) -> None:
        self.flow.is_bad = lambda number: number % 4 == 0

    async def feed_badly(self) -> None:
        self.flow.is_bad = lambda _: True

    async def feed_well(self) -> None:
        self.flow.is_bad = lambda _: False

    async def freeze_moderating(self) -> None:
        freeze(self.fleet.workers[1])

    async def thaw_moderating(self) -> None:
        thaw(self.fleet.workers[1])

    async def lose_guard_and_overseer(self) -> None:
        await self.stop_answering()
        await self.fleet.workers[0].kill()

    async def nothing(self) -> None:
        """There is nothing to mend."""


Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Cause:
    """Something that breaks: the alert it is for, others that are true too, and how it is mended."""

    name: str
    kind: str
    breaks: Act
    mends: Act
    besides: frozenset[str] = frozenset()


CAUSES: Final = (
    Cause("the guard never answers", "worker_stalled", Scene.stop_answering, Scene.answer),
    Cause(
        "the last worker of a role stops", "partition_unowned", Scene.stop_moderating, Scene.start_moderating
    ),
    Cause(
        "the last worker of a role is killed",
        "partition_unowned",
        Scene.kill_moderating,
        Scene.start_moderating,
        frozenset({"worker_silent"}),
    ),
    Cause(
        "the last worker of a role is frozen",
        "partition_unowned",
        Scene.freeze_moderating,
        Scene.thaw_moderating,
        frozenset({"worker_silent", "group_stalled"}),
    ),
    Cause(
        "no answer of the guard can be read", "guard_unanswering", Scene.answer_nonsense, Scene.answer_sense
    ),
    Cause("a quarter of the messages is bad", "dead_letter_share", Scene.feed_some_badly, Scene.feed_well),
    Cause(
        "all messages are bad",
        "partition_halted",
        Scene.feed_badly,
        Scene.nothing,
        frozenset({"dead_letter_share"}),
    ),
    Cause(
        "the guard stops, and the overseer is killed",
        "worker_stalled",
        Scene.lose_guard_and_overseer,
        Scene.answer,
        frozenset({"worker_silent", "partition_unowned"}),
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What one cause led to: seconds from it to its alert; alerts that nobody expected; of one id more than one state each."""

    cause: Cause
    after_s: float
    kinds: frozenset[str]
    ids: int
    is_over: bool

    @property
    def is_as_promised(self) -> bool:
        return (
            self.after_s <= BOUND_S
            and self.kinds - self.cause.besides == {self.cause.kind}
            and self.ids == 1
            and (self.is_over or self.cause.kind == "partition_halted")
        )


async def play(cause: Cause, folder: Path, kafka: KafkaPart, clickhouse: ClickHousePart) -> Outcome:
    """Break it, wait for its alert, mend it, wait for the alert's end."""
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(GuardServer())
        fleet = Fleet(folder, kafka, clickhouse, guard.address)
        await fleet.start("storage", **DEFAULTS)
        stack.push_async_callback(stop_all, fleet)
        await fleet.start("moderation", "storage", **DEFAULTS)
        scene = Scene(fleet, guard, await stack.enter_async_context(flowing(fleet)))
        await until(lambda: fleet.logged("batch stored"), "rows", within_s=60)
        await asyncio.sleep(40)  # a full window of well-being
        if early := await fleet.alerts():
            raise RuntimeError(f"an alert without a cause: {early[0].title}")
        broken_s = time.time()
        await cause.breaks(scene)
        alert = await fleet.told(cause.kind, "firing", within_s=120)
        await cause.mends(scene)
        is_over = False
        if cause.kind != "partition_halted":
            is_over = (await fleet.told(cause.kind, "resolved", within_s=240)).ended_at is not None
        alerts = await fleet.alerts()
        return Outcome(
            cause,
            alert.at.timestamp() - broken_s,
            frozenset(one.kind for one in alerts),
            len({one.id for one in alerts if one.kind == cause.kind}),
            is_over,
        )


async def stop_all(fleet: Fleet) -> None:
    """However it ended."""
    for worker in fleet.workers:
        await worker.kill()


def table(outcomes: list[Outcome]) -> Table:
    """A row a cause."""
    shown = Table(title="From a cause to its alert, default settings")
    for name in ("cause", "alert", "after", "of a minute", "alerts of that kind", "also told"):
        shown.add_column(name, justify="right" if name in ("after", "of a minute") else "left")
    for outcome in outcomes:
        others = sorted(outcome.kinds - {outcome.cause.kind})
        shown.add_row(
            outcome.cause.name,
            outcome.cause.kind,
            f"{outcome.after_s:.0f} s",
            f"{outcome.after_s / BOUND_S:.2f}",
            f"{outcome.ids}{', over once mended' if outcome.is_over else ''}",
            ", ".join(others),
        )
    return shown


async def measure(only: str) -> list[Outcome]:
    """All causes whose alert or name holds `only`, a few at a time."""
    room = asyncio.Semaphore(AT_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            KafkaPart(Path(folder) / "kafka") as kafka,
            ClickHousePart(Path(folder) / "store") as store,
        ):

            async def one(number: int, cause: Cause) -> Outcome:
                async with room:
                    own = Path(folder) / f"fleet-{number}"
                    own.mkdir()
                    return await play(cause, own, kafka, store)

            chosen = [cause for cause in CAUSES if only in f"{cause.kind} {cause.name}"]
            return list(await asyncio.gather(*(one(n, cause) for n, cause in enumerate(chosen))))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.alerts", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--only", default="", help="causes whose alert or name holds this")
    parser.add_argument("--json", action="store_true", help="print the seconds as JSON")
    arguments = parser.parse_args()
    outcomes = asyncio.run(measure(arguments.only))
    if arguments.json:
        print(json.dumps({outcome.cause.name: round(outcome.after_s, 1) for outcome in outcomes}))
    else:
        Console(width=150).print(table(outcomes))
    return 0 if all(outcome.is_as_promised for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
