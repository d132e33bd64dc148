"""The worker process: `python -m workers --roles moderation,backfill,storage`. Everything is built here, once."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import structlog

from monitor import logs
from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.triton import TritonGuard
from monitor.adapters.triton import connect as connect_triton
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Retryable
from monitor.settings import Settings, load
from monitor.version import watchkeeper_version
from workers.app import App, Role, build_app
from workers.gate import LiveFirst, Queue
from workers.roles import backfill_role, moderation_role, storage_role

log = structlog.get_logger("watchkeeper.workers")

ROLES: Final = ("moderation", "backfill", "storage")
EXIT_MISCONFIGURED: Final = 2

T = TypeVar("T")


async def _guard(settings: Settings, stack: AsyncExitStack) -> TritonGuard:
    guard = await _until_there(settings, "Triton", lambda: connect_triton(settings.triton))
    stack.push_async_callback(guard.aclose)
    return guard


async def _storage(settings: Settings, outbox: KafkaOutbox, stack: AsyncExitStack) -> Role:
    store = await _until_there(settings, "ClickHouse", lambda: connect_clickhouse(settings.clickhouse))
    stack.push_async_callback(store.aclose)
    if settings.clickhouse.migrate_on_start:
        await _until_there(settings, "ClickHouse", store.migrate)
    return storage_role(settings, outbox, store)


async def _until_there(settings: Settings, part: str, connect: Callable[[], Awaitable[T]]) -> T:
    """Connect, waiting with backoff for a part that is away."""
    backoff = Backoff(settings.retry)
    while True:
        try:
            return await connect()
        except Retryable as exc:
            wait_s = backoff.next_s(exc.retry_after_s)
            log.warning("waiting", part=part, error=str(exc), retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)


async def run(settings: Settings, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Run `roles` until `stop` is set; returns once everything in flight is durable or given back.

    A stop that comes while a part is still waited for ends at once: nothing is in flight then.
    """
    async with AsyncExitStack() as stack:
        building = asyncio.ensure_future(_build(settings, roles, stack))
        stopping = asyncio.ensure_future(stop.wait())
        stack.callback(stopping.cancel)
        await asyncio.wait((building, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not building.done():
            building.cancel()
            return
        app = await building
        await app.start()
        try:
            log.info("workers ready", roles=list(roles), version=watchkeeper_version())
            await stop.wait()
            log.info("stopping: draining what is in flight")
        finally:
            await app.stop()
    log.info("stopped")


async def _build(settings: Settings, roles: Sequence[str], stack: AsyncExitStack) -> App:
    if settings.kafka.create_topics:
        for topic in await _until_there(settings, "Kafka", lambda: ensure_topics(settings.kafka)):
            log.info("topic created", topic=topic)
    outbox = await _until_there(settings, "Kafka", lambda: KafkaOutbox.connect(settings.kafka))
    stack.push_async_callback(outbox.aclose)
    made: list[Role] = []
    gate = LiveFirst(settings.backfill.max_per_s, settings.backfill.live_wait_max_s)
    if "moderation" in roles or "backfill" in roles:
        guard = await _guard(settings, stack)  # one for both: its limits and its breaker are the worker's
        if "moderation" in roles:
            made.append(moderation_role(settings, outbox, guard))
        if "backfill" in roles:
            made.append(backfill_role(settings, outbox, guard, gate=gate))
    if "storage" in roles:
        made.append(await _storage(settings, outbox, stack))
    app = build_app(settings, made)
    gate.give_way_to = [Queue(intake) for intake in app.intakes if intake.role != "backfill"]
    return app


async def _main(settings: Settings, roles: Sequence[str]) -> None:
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
    await running


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run until a signal. Exit status 0 after a clean stop, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m workers", description="Run Watchkeeper's workers.")
    parser.add_argument(
        "--roles",
        default=",".join(ROLES),
        help=f"which agents to run, separated by commas: {', '.join(ROLES)}",
    )
    arguments = parser.parse_args(argv)
    roles = [role.strip() for role in arguments.roles.split(",") if role.strip()]
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        parser.error(f"--roles {arguments.roles}: choose among {', '.join(ROLES)}")
    try:
        settings = load()
        logs.configure(settings.worker)
        asyncio.run(_main(settings, roles))
    except Misconfigured as exc:
        sys.stderr.write(f"watchkeeper workers: {exc}\n")
        return EXIT_MISCONFIGURED
    except asyncio.CancelledError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
