"""One chaos run from its seed: parts, workers, input, faults, the wait for the end, and the check."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.chaos.checking import Figures, check
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.injector import Injector
from benchmarks.chaos.kinds import Kind
from benchmarks.chaos.messages import messages
from benchmarks.chaos.offsets import Offsets
from benchmarks.chaos.packing import Message
from benchmarks.chaos.producing import Producer
from benchmarks.chaos.recovery import Endured, Ordeal
from benchmarks.chaos.rig import Rig
from benchmarks.chaos.schedule import schedule
from benchmarks.chaos.seen import digest, look
from benchmarks.chaos.truth import Fate, Judge, fates
from monitor.adapters.kafka import ensure_topics
from monitor.settings import Settings

SETTLES_WITHIN_S: Final = 300.0
"""For what is left after the last fault: some thousand messages at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be. The same plan gives the same input and the same faults at the same places of it."""

    seed: int
    events: int
    faults: int
    workers: int
    most_workers: int
    folder: Path
    kinds: Sequence[Kind] = tuple(Kind)
    minutes: float | None = None
    """No fault is begun after so long; `faults` is then the most."""

    @property
    def command(self) -> str:
        """What repeats it."""
        chosen = "" if tuple(self.kinds) == tuple(Kind) else f" --kinds '{','.join(self.kinds)}'"
        if self.minutes is not None:
            chosen += f" --minutes {self.minutes:g}"
        return (
            f"python -m benchmarks.chaos --seed {self.seed} --events {self.events} --faults {self.faults} "
            f"--workers {self.workers}-{self.most_workers}{chosen}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `faults`: promises broken beside those that `figures` counts."""

    plan: Plan
    figures: Figures
    endured: tuple[Endured, ...]
    faults: tuple[str, ...]
    looks: int
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether every promise held."""
        figures = self.figures
        return not (figures.lost or figures.duplicated or figures.wrong or figures.findings or self.faults)


Say = Callable[[str], None]


async def run(plan: Plan, say: Say) -> Outcome:
    """Run it. Raises what the parts raise where they can't be started; the logs stay in `plan.folder`."""
    began_s = time.monotonic()
    say("computing the truth")
    async with Rig(plan.folder) as rig:
        settings = rig.direct_settings()
        known, produced = await asyncio.to_thread(_truth, plan, settings)
        await ensure_topics(settings.kafka)
        fleet = Fleet(rig.worker_environment, plan.folder / "workers")
        offsets = Offsets(settings, groups(settings))
        ordeal = Ordeal(
            Injector(rig, fleet),
            fleet,
            offsets,
            schedule(
                plan.seed, plan.faults, workers=plan.workers, most_workers=plan.most_workers, kinds=plan.kinds
            ),
            lambda one: say(_told(one, plan, offsets)),
            None if plan.minutes is None else 60 * plan.minutes,
        )
        background = [asyncio.create_task(offsets.watch()), asyncio.create_task(fleet.watch())]
        try:
            await _stream(plan, rig, fleet, ordeal, produced.total())
            say("the last fault is over")
            settled = await _settled(offsets, say)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await (fleet.close() if not ordeal.faults else fleet.abandon())
        say("checking")
        seen = await look(settings)
        figures = await asyncio.to_thread(check, seen, known, produced, topic=settings.kafka.chat_logs_topic)
    return Outcome(
        plan,
        figures,
        tuple(ordeal.endured),
        (*ordeal.faults, *offsets.faults, *fleet.faults, *settled),
        offsets.looks,
        time.monotonic() - began_s,
    )


def groups(settings: Settings) -> dict[str, str]:
    """The topic that each consumer group reads."""
    kafka = settings.kafka
    return {
        f"{kafka.group_prefix}.moderation": kafka.chat_logs_topic,
        f"{kafka.group_prefix}.storage": kafka.verdicts_topic,
    }


def _truth(plan: Plan, settings: Settings) -> tuple[dict[bytes, Fate], Counter[bytes]]:
    """The fate of each message by its digest, and how often it is to be sent."""
    known: dict[bytes, Fate] = {}
    produced: Counter[bytes] = Counter()
    values: list[bytes] = []

    def noted() -> Iterator[Message]:
        for message in messages(plan.seed, plan.events):
            values.append(digest(message.value))
            yield message

    for fate in fates(noted(), Judge(settings)):
        name = values[produced.total()]
        produced[name] += 1
        known.setdefault(name, fate)
    return known, produced


async def _stream(plan: Plan, rig: Rig, fleet: Fleet, ordeal: Ordeal, count: int) -> None:
    """Send everything and make every fault."""
    for _ in range(plan.workers):
        await fleet.add()
    producer = Producer(
        rig.kafka.direct_address,
        rig.direct_settings().kafka.chat_logs_topic,
        count,
        ordeal.rate,
        random.Random(f"{plan.seed} pace"),
    )
    sending = asyncio.create_task(producer.run(messages(plan.seed, plan.events)))
    try:
        await ordeal.offsets.next()
        await ordeal.run()
        await sending
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        await producer.aclose()


async def _settled(offsets: Offsets, say: Say) -> list[str]:
    """Wait until nothing is left to do. Returns what is wrong where that doesn't come."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    told_s = 0.0
    while (now := await offsets.next()).lag:
        if now.at_s > deadline:
            return [f"{now.lag} messages weren't durable {SETTLES_WITHIN_S:.0f} s after the last fault"]
        if now.at_s - told_s > 5.0:
            say(f"{now.lag} messages are not durable yet")
            told_s = now.at_s
    return []


def _told(one: Endured, plan: Plan, offsets: Offsets) -> str:
    recovered = "never recovered" if one.recovered_s is None else f"recovered in {one.recovered_s:.1f} s"
    return (
        f"{one.injection.number}/{plan.faults} {one.injection.kind}: lasted {one.lasted_s:.1f} s, {recovered}, "
        f"{offsets.latest.lag if offsets.latest else 0} messages waiting"
    )
