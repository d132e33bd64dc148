"""Our agents as the workers run them, on a guard that answers at once or on the real store."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from benchmarks.throughput.measured import Stopwatch
from monitor import logs
from monitor.adapters.kafka import KafkaOutbox
from monitor.metrics import Metrics
from monitor.ports import Guard, GuardIdentity, Score
from monitor.settings import Settings, load
from workers.app import build_app
from workers.gate import Gate
from workers.intake import Intake
from workers.roles import moderation_role, storage_role


@dataclass
class InstantGuard:
    """Answers at once, or, for the first `stalled_s` seconds of its life, not at all."""

    stalled_until_s: float = 0.0
    identity: GuardIdentity = field(default_factory=lambda: GuardIdentity("instant", "1", "0" * 16))

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """The same score for all."""
        wait_s = self.stalled_until_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return [Score("ok", 0.1, 0.1, 0.1, "benign", 0.9, truncated=False)] * len(prompts)


@asynccontextmanager
async def started(
    job: str, settings: Settings, guard: Guard, *, gate: Gate | None = None
) -> AsyncIterator[Intake]:
    """One role running as a worker runs it; the guard is for moderation, and `gate` holds its batches back."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        outbox = await KafkaOutbox.connect(settings.kafka, metrics=metrics)
        stack.push_async_callback(outbox.aclose)
        if job == "moderate":
            role = moderation_role(settings, outbox, guard, metrics=metrics)
        else:
            # Here, so that the moderation run doesn't carry the store's client in its memory figure.
            from monitor.adapters.clickhouse import connect

            store = await stack.enter_async_context(await connect(settings.clickhouse, metrics=metrics))
            await store.migrate()
            role = storage_role(settings, outbox, store, metrics=metrics)
        app = build_app(settings, [replace(role, gate=gate)], metrics)
        await app.start()
        stack.push_async_callback(app.stop)
        yield app.intakes[0]


async def run(job: str, settings: Settings, count: int, *, stalled_s: float = 0.0) -> None:
    """Run one role until `count` messages are durable and their offsets committed."""
    logs.configure(settings.worker)
    watch = Stopwatch()
    async with started(job, settings, InstantGuard(time.monotonic() + stalled_s)) as intake:
        while sum(ledger.messages for ledger in intake.ledgers().values()) < count:
            # The watch starts when the partitions are ours: 5 ms late at most, against a run of seconds.
            if intake.ledgers():
                watch.start_once()
            await asyncio.sleep(0.005)
        await intake.commit()
        watch.report(count)


def main() -> None:
    """Settings come from the environment, as they do for the workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=("moderate", "store"))
    parser.add_argument("count", type=int)
    parser.add_argument("--stalled-s", type=float, default=0.0, help="the guard doesn't answer for so long")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.job, load(), arguments.count, stalled_s=arguments.stalled_s))


if __name__ == "__main__":
    main()
