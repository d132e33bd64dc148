"""The roles a worker can play: each agent put together from its settings and the clients it is given. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from monitor.clock import SystemClock
from monitor.ingest.decoder import Decoder
from monitor.judging.policy import Chooser
from monitor.metrics import Metrics
from monitor.ports import Guard, Judge, LetterBox, RowStore, VerdictStore
from monitor.recalibration.keys import keys_of
from monitor.redaction import Redactor
from monitor.settings import Settings
from monitor.verdicts import VerdictMaker
from monitor.version import watchkeeper_version
from workers.app import Role
from workers.dead_letters import DeadLetters
from workers.gate import Gate
from workers.judging import Judging
from workers.moderation import Moderation, nobody
from workers.partition import BatchLimits
from workers.storage import ALERTS, AUDITS, DEAD_LETTERS, JUDGEMENTS, Storage, calibrations

log = structlog.get_logger("watchkeeper.workers")

REQUESTS_MAX_BYTES: Final = 4_194_304
"""Of a batch for the judge: as many of the longest questions as it takes, and no more."""


ChooserInForce = Callable[[], Chooser | None]


def moderation_role(
    settings: Settings,
    outbox: LetterBox,
    guard: Guard,
    *,
    chooser: ChooserInForce = nobody,
    metrics: Metrics | None = None,
) -> Role:
    """Chat logs to verdicts, as they come. `chooser`: gives the judging policy in force."""
    moderation = settings.moderation
    limits = BatchLimits(
        moderation.batch_max_events,
        moderation.batch_max_bytes,
        moderation.flush_after_s,
        moderation.in_flight_batches,
    )
    topic = settings.kafka.judge_requests_topic
    agent = _moderation(settings, outbox, guard, asks=(topic, chooser), role="moderation", metrics=metrics)
    return Role("moderation", settings.kafka.chat_logs_topic, limits, agent.consume)


def backfill_role(
    settings: Settings,
    outbox: LetterBox,
    guard: Guard,
    *,
    gate: Gate,
    chooser: ChooserInForce = nobody,
    metrics: Metrics | None = None,
) -> Role:
    """Chat logs of the backfill to verdicts: small batches, one at a time, when the gate lets them go."""
    backfill = settings.backfill
    limits = BatchLimits(
        backfill.batch_max_events, backfill.batch_max_bytes, backfill.flush_after_s, in_flight=1
    )
    topic = settings.kafka.judge_requests_backfill_topic
    agent = _moderation(settings, outbox, guard, asks=(topic, chooser), role="backfill", metrics=metrics)
    return Role("backfill", settings.kafka.chat_logs_backfill_topic, limits, agent.consume, gate=gate)


def storage_role(
    settings: Settings, outbox: LetterBox, store: VerdictStore, *, metrics: Metrics | None = None
) -> Role:
    """Verdicts to rows."""
    dead_letters = _dead_letters(settings, outbox, settings.kafka.verdicts_dlq_topic)
    agent = Storage(store, dead_letters, metrics or Metrics())
    return Role("storage", settings.kafka.verdicts_topic, _storage_limits(settings), agent.consume)


def judgements_role(
    settings: Settings, outbox: LetterBox, store: RowStore, *, metrics: Metrics | None = None
) -> Role:
    """Judgements to rows."""
    dead_letters = _dead_letters(settings, outbox, settings.kafka.judgements_dlq_topic)
    agent = Storage(store, dead_letters, metrics or Metrics(), JUDGEMENTS)
    return Role("judgements", settings.kafka.judgements_topic, _storage_limits(settings), agent.consume)


def alert_rows_role(settings: Settings, store: RowStore, *, metrics: Metrics | None = None) -> Role:
    """What stands on the alerts topic to rows."""
    agent = Storage(store, None, metrics or Metrics(), ALERTS)
    return Role("alert_rows", settings.kafka.alerts_topic, _storage_limits(settings), agent.consume)


def audit_rows_role(settings: Settings, store: RowStore, *, metrics: Metrics | None = None) -> Role:
    """What stands on the audits topic to rows."""
    agent = Storage(store, None, metrics or Metrics(), AUDITS)
    return Role("audit_rows", settings.kafka.audits_topic, _storage_limits(settings), agent.consume)


def dead_letter_rows_role(settings: Settings, store: RowStore, *, metrics: Metrics | None = None) -> Role:
    """Where messages were that could not be read, to rows."""
    agent = Storage(store, None, metrics or Metrics(), DEAD_LETTERS)
    topic = settings.kafka.chat_logs_dlq_topic
    return Role("dead_letter_rows", topic, _storage_limits(settings), agent.consume)


def calibration_rows_role(settings: Settings, store: RowStore, *, metrics: Metrics | None = None) -> Role:
    """Verified calibrations to rows; none where no secret is set, which is said. Raises Misconfigured for secrets that can't be used."""
    keys = keys_of(settings.recalibration)
    if keys is None:
        log.warning("no calibration becomes a row: set WATCHKEEPER_RECALIBRATION__SECRET")
    agent = Storage(store, None, metrics or Metrics(), calibrations({} if keys is None else keys.secrets))
    topic = settings.kafka.calibrations_topic
    return Role("calibration_rows", topic, _storage_limits(settings), agent.consume)


def judging_role(
    settings: Settings, outbox: LetterBox, judge: Judge, *, metrics: Metrics | None = None
) -> Role:
    """Questions about live traffic to judgements, as they come."""
    judging = settings.judging
    limits = BatchLimits(
        judging.batch_max_requests, REQUESTS_MAX_BYTES, judging.flush_after_s, judging.in_flight_batches
    )
    agent = _judging(settings, outbox, judge, role="judging", metrics=metrics)
    return Role("judging", settings.kafka.judge_requests_topic, limits, agent.consume)


def judging_backfill_role(
    settings: Settings, outbox: LetterBox, judge: Judge, *, gate: Gate, metrics: Metrics | None = None
) -> Role:
    """Questions about what is replayed to judgements: one batch at a time, when the gate lets it go."""
    judging = settings.judging
    limits = BatchLimits(judging.batch_max_requests, REQUESTS_MAX_BYTES, judging.flush_after_s, in_flight=1)
    agent = _judging(settings, outbox, judge, role="judging_backfill", metrics=metrics)
    topic = settings.kafka.judge_requests_backfill_topic
    return Role("judging_backfill", topic, limits, agent.consume, gate=gate)


def _judging(
    settings: Settings, outbox: LetterBox, judge: Judge, *, role: str, metrics: Metrics | None
) -> Judging:
    return Judging(
        judge=judge,
        outbox=outbox,
        dead_letters=_dead_letters(settings, outbox, settings.kafka.judge_requests_dlq_topic),
        clock=SystemClock(),
        judgements_topic=settings.kafka.judgements_topic,
        role=role,
        metrics=metrics or Metrics(),
    )


def _storage_limits(settings: Settings) -> BatchLimits:
    storage = settings.storage
    return BatchLimits(
        storage.batch_max_events, storage.batch_max_bytes, storage.flush_after_s, storage.in_flight_batches
    )


def _moderation(
    settings: Settings,
    outbox: LetterBox,
    guard: Guard,
    *,
    asks: tuple[str, ChooserInForce],
    role: str,
    metrics: Metrics | None,
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
        requests_topic=asks[0],
        chooser=asks[1],
        role=role,
        metrics=metrics or Metrics(),
    )


def _dead_letters(settings: Settings, outbox: LetterBox, topic: str) -> DeadLetters:
    return DeadLetters(outbox, topic, settings.dead_letters, watchkeeper_version(), SystemClock())
