"""The worker process: `python -m workers --roles moderation,storage`. Everything is built here, once."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from monitor import logs
from monitor.adapters.audits import AuditRows
from monitor.adapters.clickhouse import (
    ALERTS_TABLE,
    CALIBRATIONS_TABLE,
    JUDGEMENTS_TABLE,
    LETTERS_TABLE,
    ClickHouse,
    RowTable,
)
from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.triton import TritonGuard
from monitor.adapters.triton import connect as connect_triton
from monitor.backoff import Backoff
from monitor.drift.policy import policy_of
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from monitor.ports import Judge
from monitor.roles import ROLES, needed_roles
from monitor.settings import Settings, load
from monitor.version import watchkeeper_version
from workers.app import App, Role, build_app
from workers.endpoints import Endpoints
from workers.gate import LiveFirst, Queue
from workers.gauges import Gauges
from workers.judges import connect_judge, require_judge
from workers.moderation import nobody
from workers.once import start_watchers, told_channels, told_reports
from workers.pulse import pulse
from workers.recalibration import told_policies
from workers.roles import (
    ChooserInForce,
    alert_rows_role,
    audit_rows_role,
    backfill_role,
    calibration_rows_role,
    dead_letter_rows_role,
    judgements_role,
    judging_backfill_role,
    judging_role,
    moderation_role,
    storage_role,
)
from workers.tally import BreakerState
from workers.vitals import Vitals

log = structlog.get_logger("watchkeeper.workers")

PARTS: Final = {
    "moderation": ("Kafka", "Triton"),
    "backfill": ("Kafka", "Triton"),
    "storage": ("Kafka", "ClickHouse"),
    "judging": ("Kafka", "judge"),
    "judging_backfill": ("Kafka", "judge"),
    "judgements": ("Kafka", "ClickHouse"),
    "alert_rows": ("Kafka", "ClickHouse"),
    "dead_letter_rows": ("Kafka", "ClickHouse"),
    "calibration_rows": ("Kafka", "ClickHouse"),
    "audit_rows": ("Kafka", "ClickHouse"),
}
"""What a role can't begin without."""
LIVE: Final = frozenset({"moderation", "storage"})
"""What the backfill gives way to."""
EXIT_CRASHED: Final = 1
EXIT_MISCONFIGURED: Final = 2

T = TypeVar("T")


@dataclass(frozen=True)
class _Worker:
    """What all that is built here shares."""

    settings: Settings
    metrics: Metrics
    vitals: Vitals

    async def until_there(self, part: str, connect: Callable[[], Awaitable[T]]) -> T:
        """Connect, waiting with backoff for a part that is away."""
        backoff = Backoff(self.settings.retry)
        while True:
            try:
                there = await connect()
            except Retryable as exc:
                self.vitals.away(part, str(exc))
                wait_s = backoff.next_s(exc.retry_after_s)
                log.warning("waiting", part=part, error=str(exc), retry_in_s=round(wait_s, 2))
                await asyncio.sleep(wait_s)
            else:
                self.vitals.reached(part)
                return there


async def _guard(worker: _Worker, stack: AsyncExitStack) -> TritonGuard:
    settings, metrics = worker.settings.triton, worker.metrics
    guard = await worker.until_there("Triton", lambda: connect_triton(settings, metrics=metrics))
    stack.push_async_callback(guard.aclose)
    return guard


async def _judge(worker: _Worker, stack: AsyncExitStack) -> Judge:
    settings, metrics = worker.settings, worker.metrics
    connected = await worker.until_there("judge", lambda: connect_judge(settings, metrics=metrics))
    stack.push_async_callback(connected.aclose)
    return connected.judge


async def _store(worker: _Worker, stack: AsyncExitStack) -> ClickHouse:
    settings, metrics = worker.settings, worker.metrics
    store = await worker.until_there(
        "ClickHouse", lambda: connect_clickhouse(settings.clickhouse, metrics=metrics)
    )
    stack.push_async_callback(store.aclose)
    if settings.clickhouse.migrate_on_start:
        await worker.until_there("ClickHouse", store.migrate)
    return store


def _endpoints(worker: _Worker, stack: AsyncExitStack) -> Endpoints:
    """Up before anything is waited for: a worker that waits lives, and isn't ready."""
    facts: dict[str, str | int] = {"pid": os.getpid(), "version": watchkeeper_version()}
    endpoints = Endpoints(worker.vitals, worker.metrics, facts)
    settings = worker.settings.worker
    if settings.serve_http:
        endpoints.open(settings.http_host, settings.http_port)
        stack.callback(endpoints.close)
    beating = asyncio.ensure_future(pulse(worker.vitals, Gauges(worker.metrics)))
    stack.callback(beating.cancel)
    return endpoints


async def run(settings: Settings, roles: Sequence[str], stop: asyncio.Event) -> int:
    """Run `roles` until `stop` is set; returns once everything in flight is durable or given back: the exit status.

    A stop that comes while a part is still waited for ends at once: nothing is in flight then. A task that crashes ends
    the worker too, so that what supervises it starts it again.
    """
    metrics = Metrics()
    metrics.set(Metric.INFO, 1, version=watchkeeper_version())
    metrics.set(Metric.START_TIME, time.time())
    parts = dict.fromkeys(part for role in roles for part in PARTS[role])
    vitals = Vitals(list(parts), live_within_s=settings.worker.live_within_s)
    worker = _Worker(settings, metrics, vitals)
    async with AsyncExitStack() as stack:
        endpoints = _endpoints(worker, stack)
        building = asyncio.ensure_future(_build(worker, roles, stack))
        stopping = asyncio.ensure_future(stop.wait())
        stack.callback(stopping.cancel)
        await asyncio.wait((building, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not building.done():
            building.cancel()
            return 0
        app = await building
        # Joining waits for the broker, however long it is away; a stop doesn't wait for that.
        starting = asyncio.ensure_future(app.start())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await app.stop()
            return 0
        await starting
        log.info("workers ready", roles=list(roles), version=watchkeeper_version(), endpoints=endpoints.url)
        status = await work(app, stop, vitals)
    log.info("stopped")
    return status


async def work(app: App, stop: asyncio.Event, vitals: Vitals) -> int:
    """From the start of the app to the end of its drain: the exit status. A task that crashes is a stop."""
    try:
        await app.wait(stop.wait())
        vitals.stopping()
        log.info("stopping: draining what is in flight")
    finally:
        await app.stop()
    if app.crashed:
        log.error(
            "a task has crashed: the worker ends, to be started again", error=type(app.crash_reason).__name__
        )
        return EXIT_CRASHED
    return 0


async def _build(worker: _Worker, roles: Sequence[str], stack: AsyncExitStack) -> App:
    settings, metrics = worker.settings, worker.metrics
    if settings.kafka.create_topics:
        for topic in await worker.until_there("Kafka", lambda: ensure_topics(settings.kafka)):
            log.info("topic created", topic=topic)
    outbox = await worker.until_there("Kafka", lambda: KafkaOutbox.connect(settings.kafka, metrics=metrics))
    stack.push_async_callback(outbox.aclose)
    audit_gate = LiveFirst(0.0, settings.audit.live_wait_max_s, who="an audit")
    policies = await start_watchers(settings, worker.vitals, outbox, metrics, stack, audit_gate=audit_gate)
    backfill, judging = settings.backfill, settings.judging
    gate = LiveFirst(backfill.max_per_s, backfill.live_wait_max_s)
    judging_gate = LiveFirst(judging.backfill_per_hour / 3600, backfill.live_wait_max_s)
    made: list[Role] = []
    if "moderation" in roles or "backfill" in roles:
        guard = await _guard(worker, stack)  # one for both: its limits and its breaker are the worker's
        chooser: ChooserInForce = nobody if policies is None else policies.chooser

        def breaker() -> BreakerState:
            return guard.breaker_state

        if "moderation" in roles:
            role = moderation_role(settings, outbox, guard, chooser=chooser, metrics=metrics)
            made.append(replace(role, breaker=breaker))
        if "backfill" in roles:
            role = backfill_role(
                settings, outbox, guard.behind_live(), gate=gate, chooser=chooser, metrics=metrics
            )
            made.append(replace(role, breaker=breaker))
    if "judging" in roles or "judging_backfill" in roles:
        judge = await _judge(worker, stack)
        if "judging" in roles:
            made.append(judging_role(settings, outbox, judge, metrics=metrics))
        if "judging_backfill" in roles:
            made.append(judging_backfill_role(settings, outbox, judge, gate=judging_gate, metrics=metrics))
    if any("ClickHouse" in PARTS[role] for role in roles):
        store = await _store(worker, stack)
        if "storage" in roles:
            made.append(storage_role(settings, outbox, store, metrics=metrics))
        if "judgements" in roles:
            made.append(judgements_role(settings, outbox, RowTable(store, JUDGEMENTS_TABLE), metrics=metrics))
        if "alert_rows" in roles:
            made.append(alert_rows_role(settings, RowTable(store, ALERTS_TABLE), metrics=metrics))
        if "dead_letter_rows" in roles:
            made.append(dead_letter_rows_role(settings, RowTable(store, LETTERS_TABLE), metrics=metrics))
        if "calibration_rows" in roles:
            made.append(calibration_rows_role(settings, RowTable(store, CALIBRATIONS_TABLE), metrics=metrics))
        if "audit_rows" in roles:
            made.append(audit_rows_role(settings, AuditRows(store), metrics=metrics))
    app = build_app(settings, made, metrics)
    worker.vitals.watch(app.intakes)
    for giving_way in (gate, audit_gate):
        giving_way.give_way_to = [Queue(intake) for intake in app.intakes if intake.role in LIVE]
    judging_gate.give_way_to = [Queue(intake) for intake in app.intakes if intake.role == "judging"]
    for role_name, before, limit in (
        ("backfill", "moderation", backfill.max_per_s),
        ("judging_backfill", "judging", judging.backfill_per_hour / 3600),
    ):
        if role_name in roles and before not in roles:
            log.warning(
                "no live traffic here to give way to: the rate limit alone holds the backfill back",
                role=role_name,
                max_per_s=limit,
            )
    return app


async def _main(settings: Settings, roles: Sequence[str]) -> int:
    """Run until the first signal, which drains; a second one gives up at once (what isn't acknowledged is redone)."""
    stop = asyncio.Event()
    running = asyncio.ensure_future(run(settings, roles, stop))

    def ask_to_stop() -> None:
        if stop.is_set():
            running.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ask_to_stop)
    return await running


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run until a signal. Exit status 0 after a clean stop, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m workers", description="Run Watchkeeper's workers.")
    parser.add_argument(
        "--roles",
        help=f"which agents to run, separated by commas: {', '.join(ROLES)}; unless given, all that have something to do",
    )
    arguments = parser.parse_args(argv)
    roles = [role.strip() for role in (arguments.roles or "").split(",") if role.strip()]
    unknown = [role for role in roles if role not in ROLES]
    if unknown or (arguments.roles is not None and not roles):
        parser.error(f"--roles {arguments.roles}: choose among {', '.join(ROLES)}")
    try:
        settings = load()
        roles = roles or list(needed_roles(settings))
        require_judge(settings, roles)
        policy_of(settings.drift)  # before anything is started
        told_channels(settings)  # before anything is started
        told_reports(settings)  # before anything is started
        told_policies(settings)  # before anything is started
        logs.configure(settings.worker)
        return asyncio.run(_main(settings, roles))
    except Misconfigured as exc:
        sys.stderr.write(f"watchkeeper workers: {exc}\n")
        return EXIT_MISCONFIGURED
    except asyncio.CancelledError:
        return EXIT_CRASHED


if __name__ == "__main__":
    sys.exit(main())
