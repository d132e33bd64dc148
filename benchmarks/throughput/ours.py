"""Our agents as the workers run them, on a guard that answers at once or on the real store."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from benchmarks.throughput.measured import Stopwatch
from monitor import logs
from monitor.adapters.kafka import KafkaOutbox
from monitor.clock import SystemClock
from monitor.ingest.decoder import Decoder
from monitor.ports import GuardIdentity, Score
from monitor.redaction import Redactor
from monitor.settings import Settings, load
from monitor.verdicts import VerdictMaker
from workers.app import Role, build_app
from workers.dead_letters import DeadLetters
from workers.moderation import Moderation
from workers.partition import BatchLimits


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


def _moderation(settings: Settings, outbox: KafkaOutbox, stalled_s: float) -> Role:
    moderation = settings.moderation
    agent = Moderation(
        decoder=Decoder(
            default_tenant=moderation.default_tenant, max_context_turns=moderation.max_context_turns
        ),
        guard=InstantGuard(time.monotonic() + stalled_s),
        outbox=outbox,
        dead_letters=DeadLetters(
            outbox, settings.kafka.chat_logs_dlq_topic, settings.dead_letters, "benchmark", SystemClock()
        ),
        maker=VerdictMaker(moderation, Redactor(settings.privacy), settings.privacy.excerpt_policy),
        clock=SystemClock(),
        verdicts_topic=settings.kafka.verdicts_topic,
    )
    limits = BatchLimits(
        moderation.batch_max_events,
        moderation.batch_max_bytes,
        moderation.flush_after_s,
        moderation.in_flight_batches,
    )
    return Role("moderation", settings.kafka.chat_logs_topic, limits, agent.consume)


async def run(job: str, settings: Settings, count: int, *, stalled_s: float = 0.0) -> None:
    """Run one role until `count` messages are durable and their offsets committed."""
    logs.configure(settings.worker)
    watch = Stopwatch()
    async with AsyncExitStack() as stack:
        outbox = await KafkaOutbox.connect(settings.kafka)
        stack.push_async_callback(outbox.aclose)
        if job == "moderate":
            role = _moderation(settings, outbox, stalled_s)
        else:
            # Here, so that the moderation run doesn't carry the store's client in its memory figure.
            from workers.__main__ import storage_role

            role = await storage_role(settings, outbox, stack)
        app = build_app(settings, [role])
        await app.start()
        intake = app.intakes[0]
        while sum(ledger.messages for ledger in intake.ledgers().values()) < count:
            # The watch starts when the partitions are ours: 5 ms late at most, against a run of seconds.
            if intake.ledgers():
                watch.start_once()
            await asyncio.sleep(0.005)
        await intake.commit()
        watch.report(count)
        await app.stop()


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
