"""What is done once in the fleet, by whoever oversees it: put together, and started beside the roles."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack

import structlog
from mode import Service

from monitor.adapters.channels.connect import alert_channel
from monitor.adapters.channels.reports import ReportChannel
from monitor.adapters.kafka import KafkaOutbox
from monitor.drift.policy import policy_of
from monitor.metrics import Metrics
from monitor.notifying.channels import Channel
from monitor.notifying.channels_file import read_channels
from monitor.notifying.references import Secrets
from monitor.ports import AlertChannel, Outbox
from monitor.settings import Settings
from workers.audits import Auditor
from workers.engines import Watches
from workers.gate import Gate
from workers.heartbeat import Heartbeat
from workers.identity import Identity
from workers.leadership import Leadership
from workers.notifier import Notifier
from workers.overseer import Overseer, nothing_lost
from workers.policies import Policies
from workers.recalibration import Recalibrator, told_policies
from workers.reports import Reporter, report_channels
from workers.reports import opening as opening_reports
from workers.rollups import RollupKeeper
from workers.rollups import opening as opening_rollups
from workers.spells import Duty
from workers.trouble import where
from workers.vitals import Vitals
from workers.watch import Watcher
from workers.watch import opening as opening_watch

log = structlog.get_logger("watchkeeper.workers")


def told_channels(settings: Settings) -> list[tuple[Channel, AlertChannel]]:
    """Those of the file, each with what speaks to it. Raises Misconfigured."""
    if settings.channels.file is None:
        return []
    secrets = Secrets(os.environ)
    return [(one, alert_channel(one, secrets)) for one in read_channels(settings.channels.file)]


def told_reports(settings: Settings) -> Mapping[str, ReportChannel]:
    """Who takes the weekly report, by name; nobody where it is off. Raises Misconfigured, also where it is on and nobody does."""
    if not settings.report.enabled:
        return {}
    return report_channels(settings, [one for one, _ in told_channels(settings)], Secrets(os.environ))


async def start_watchers(
    settings: Settings,
    vitals: Vitals,
    outbox: KafkaOutbox,
    metrics: Metrics,
    stack: AsyncExitStack,
    *,
    audit_gate: Gate,
) -> Policies | None:
    """On as soon as Kafka is there, before anything else is waited for, until after the drain: a worker that waits for
    Triton, and a fleet of such, is told of too. Returns the judging policy in force; None where nobody judges."""
    who = Identity.new()
    policies = None if settings.judging.judge == "off" else Policies(settings, who.started_at)
    heartbeat = Heartbeat(who, vitals, outbox, settings, metrics=metrics)
    leadership = Leadership(settings.health.leader_session_timeout_s / 2)
    watcher = _watcher(who, outbox, settings, leadership, metrics=metrics)
    lost_watch = nothing_lost if watcher is None else watcher.lost
    overseer = Overseer(
        who, outbox, settings, leadership, metrics=metrics, policies=policies, lost_watch=lost_watch
    )
    duties = _duties(who, outbox, settings, leadership, metrics=metrics, audit_gate=audit_gate)
    more: list[Service] = [one for one in (watcher, *duties, policies) if one is not None]
    stack.push_async_callback(heartbeat.stop)
    stack.push_async_callback(overseer.stop)
    stack.push_async_callback(stop_together, more)
    for service in (heartbeat, overseer, *more):
        await service.start()
    return policies


def _watcher(
    who: Identity, outbox: Outbox, settings: Settings, leadership: Leadership, *, metrics: Metrics
) -> Watcher | None:
    if not settings.drift.enabled:
        return None
    engines = Watches(policy_of(settings.drift), settings.kafka.group_prefix)
    return Watcher(
        settings, leadership, opening_watch(who, outbox, settings, engines, metrics), metrics=metrics
    )


def _duties(
    who: Identity,
    outbox: Outbox,
    settings: Settings,
    leadership: Leadership,
    *,
    metrics: Metrics,
    audit_gate: Gate,
) -> Iterator[Duty]:
    """All others that are wanted."""
    if channels := told_channels(settings):
        yield Notifier(who, outbox, settings, leadership, channels, metrics=metrics)
    if settings.audit.enabled:
        yield Auditor(who, outbox, settings, leadership, audit_gate, metrics=metrics)
    if wanted := told_policies(settings):
        yield Recalibrator(who, outbox, settings, leadership, wanted, metrics=metrics)
    if settings.rollups.enabled:
        yield RollupKeeper(settings, leadership, opening_rollups(settings, metrics), metrics=metrics)
    if takers := told_reports(settings):
        open_store = opening_reports(settings, metrics)
        yield Reporter(who, outbox, settings, leadership, takers, open_store=open_store)


async def stop_together(services: Sequence[Service]) -> None:
    """Each may let what it does come to its end: one after the other they would outlast what a supervisor waits before it kills."""
    for service, outcome in zip(
        services, await asyncio.gather(*(one.stop() for one in services), return_exceptions=True), strict=True
    ):
        if isinstance(outcome, BaseException):
            log.warning("stopping failed", service=type(service).__name__, error=where(outcome))
