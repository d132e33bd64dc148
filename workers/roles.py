"""The roles a worker can play: each agent put together from its settings and the clients it is given. No I/O."""

from __future__ import annotations

from monitor.clock import SystemClock
from monitor.ingest.decoder import Decoder
from monitor.metrics import Metrics
from monitor.ports import Guard, LetterBox, VerdictStore
from monitor.redaction import Redactor
from monitor.settings import Settings
from monitor.verdicts import VerdictMaker
from monitor.version import watchkeeper_version
from workers.app import Role
from workers.dead_letters import DeadLetters
from workers.gate import Gate
from workers.moderation import Moderation
from workers.partition import BatchLimits
from workers.storage import Storage


def moderation_role(
    settings: Settings, outbox: LetterBox, guard: Guard, *, metrics: Metrics | None = None
) -> Role:
    """Chat logs to verdicts, as they come."""
    moderation = settings.moderation
    limits = BatchLimits(
        moderation.batch_max_events,
        moderation.batch_max_bytes,
        moderation.flush_after_s,
        moderation.in_flight_batches,
    )
    agent = _moderation(settings, outbox, guard, role="moderation", metrics=metrics)
    return Role("moderation", settings.kafka.chat_logs_topic, limits, agent.consume)


def backfill_role(
    settings: Settings, outbox: LetterBox, guard: Guard, *, gate: Gate, metrics: Metrics | None = None
) -> Role:
    """Chat logs of the backfill to verdicts: small batches, one at a time, when the gate lets them go."""
    backfill = settings.backfill
    limits = BatchLimits(
        backfill.batch_max_events, backfill.batch_max_bytes, backfill.flush_after_s, in_flight=1
    )
    agent = _moderation(settings, outbox, guard, role="backfill", metrics=metrics)
    return Role("backfill", settings.kafka.chat_logs_backfill_topic, limits, agent.consume, gate=gate)


def storage_role(
    settings: Settings, outbox: LetterBox, store: VerdictStore, *, metrics: Metrics | None = None
) -> Role:
    """Verdicts to rows."""
    dead_letters = _dead_letters(settings, outbox, settings.kafka.verdicts_dlq_topic)
    agent = Storage(store, dead_letters, metrics or Metrics())
    storage = settings.storage
    limits = BatchLimits(
        storage.batch_max_events, storage.batch_max_bytes, storage.flush_after_s, storage.in_flight_batches
    )
    return Role("storage", settings.kafka.verdicts_topic, limits, agent.consume)


def _moderation(
    settings: Settings, outbox: LetterBox, guard: Guard, *, role: str, metrics: Metrics | None
) -> Moderation:
    """An agent of its own for each role, so that each has its own limit of bad messages."""
    moderation = settings.moderation
    return Moderation(
        decoder=Decoder(
            default_tenant=moderation.default_tenant, max_context_turns=moderation.max_context_turns
        ),
        guard=guard,
        outbox=outbox,
        dead_letters=_dead_letters(settings, outbox, settings.kafka.chat_logs_dlq_topic),
        maker=VerdictMaker(moderation, Redactor(settings.privacy), settings.privacy.excerpt_policy),
        clock=SystemClock(),
        verdicts_topic=settings.kafka.verdicts_topic,
        role=role,
        metrics=metrics or Metrics(),
    )


def _dead_letters(settings: Settings, outbox: LetterBox, topic: str) -> DeadLetters:
    return DeadLetters(outbox, topic, settings.dead_letters, watchkeeper_version(), SystemClock())
