"""The watch over the rates as it was kept last: for commands that look at it without disturbing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from monitor.adapters.clickhouse import connect
from monitor.adapters.windows import WatchTables
from monitor.errors import Misconfigured
from monitor.settings import Settings, variable


@asynccontextmanager
async def watch_tables(settings: Settings) -> AsyncIterator[WatchTables]:
    """The windows and states of this fleet. Raises what connecting raises."""
    async with await connect(settings.clickhouse) as store:
        yield WatchTables(store, settings.kafka.group_prefix, settings.kafka.chat_logs_topic)


def nothing_kept(settings: Settings, last_end: datetime | None) -> Misconfigured:
    """Why there is no state to look at."""
    enabled = variable("drift", "enabled")
    if last_end is not None:
        return Misconfigured(
            f"no state of the watch is kept yet, though windows are closed until {last_end:%Y-%m-%d %H:%M:%S} UTC",
            "wait a minute for its first checkpoint, or make it from history: `watchkeeper drift rebuild`",
        )
    if not settings.drift.enabled:
        return Misconfigured(
            f"the rates aren't watched: {enabled} is false, and no window has been closed",
            f"set {enabled}=true for the workers; `watchkeeper backtest` tries it on what is stored",
        )
    return Misconfigured(
        "no window has been closed yet",
        "start workers, and wait for traffic: `watchkeeper check` says how every part is",
    )
