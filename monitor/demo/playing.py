"""Plays the synthetic day through a running stack: streams, looks, and waits until all of it is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.adapters.clickhouse import connect
from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.demo.alarms import Alarms, Judged, judge
from monitor.demo.figures import Figures
from monitor.demo.looking import look, look_at_drift
from monitor.demo.messages import messages
from monitor.demo.streaming import Sent, Streamer
from monitor.demo.traffic import DAY, Day
from monitor.demo.view import Drift, Moment
from monitor.errors import Retryable
from monitor.settings import Settings
from schemas.topics import CHAT_LOGS

LOOK_EVERY_S: Final = 1.0
SETTLE_WITHIN_S: Final = 120.0
WATCHED_WITHIN_S: Final = 30.0
"""The watch has so long to see what was stored last."""
WATCHED_EVERY_S: Final = 0.5
_CLOCK_SLACK: Final = timedelta(seconds=5)
"""The broker's clock and ours are one machine's, but its stamps are whole milliseconds."""


@dataclass(frozen=True, slots=True)
class Played:
    """How it ended. `first_after_s`: from the start of the stream to the first figures. `is_watched`: whether the watch has seen
    all of it."""

    figures: Figures
    drift: Drift
    judged: Judged
    is_watched: bool
    sent: Sent
    first_after_s: float | None
    elapsed_s: float


async def play(settings: Settings, day: Day, *, stream_s: float, show: Callable[[Moment], None]) -> Played:
    """Stream `day` in about `stream_s` seconds, calling `show` about once a second; return when all is stored.

    Then the watch has WATCHED_WITHIN_S to see it too. Raises Retryable if the stack stays behind for SETTLE_WITHIN_S after the
    last message.
    """
    async with AsyncExitStack() as stack:
        outbox = await KafkaOutbox.connect(settings.kafka)
        stack.push_async_callback(outbox.aclose)
        store = await stack.enter_async_context(await connect(settings.clickhouse))
        admin = await stack.enter_async_context(KafkaAdmin.connect(settings.kafka))
        alarms = Alarms(admin, settings.kafka.alerts_topic, settings.kafka.group_prefix)
        since = datetime.now(UTC) - _CLOCK_SLACK
        began_s = time.monotonic()
        sent = Sent()
        speed = DAY.total_seconds() / stream_s
        streamer = Streamer(outbox, settings.kafka.chat_logs_topic, CHAT_LOGS.partitions, speed, sent)
        streaming = asyncio.ensure_future(streamer.run(messages(day), day.begins_at))
        stack.callback(streaming.cancel)
        pace = _Pace(began_s)
        first_after_s: float | None = None
        deadline_s: float | None = None
        while True:
            figures = await look(store, day, since)
            now_s = time.monotonic()
            if figures.exchanges and first_after_s is None:
                first_after_s = now_s - began_s
            phase = "streaming" if not streaming.done() else "the last verdicts are on their way"
            told = await alarms.look()
            show(Moment(phase, now_s - began_s, sent, figures, pace.per_s(now_s, figures.stored), told))
            if streaming.done():
                await streaming  # raises what ended it
                if figures.stored >= sent.exchanges:
                    break
                deadline_s = deadline_s or now_s + SETTLE_WITHIN_S
                if now_s > deadline_s:
                    raise Retryable(
                        f"{sent.exchanges - figures.stored:,} of {sent.exchanges:,} exchanges are not stored "
                        f"{SETTLE_WITHIN_S:.0f} s after the last was sent"
                    )
            await _whichever(streaming, asyncio.sleep(LOOK_EVERY_S))
        elapsed_s = time.monotonic() - began_s
        end = Moment("the watch looks at the last of it", elapsed_s, sent, figures, pace.value, ())
        is_watched = not settings.drift.enabled or await _watched(
            WatchTables(store, settings.kafka.group_prefix, settings.kafka.chat_logs_topic),
            alarms,
            end,
            show,
            window=timedelta(seconds=settings.drift.window_s),
        )
        return Played(
            figures=figures,
            drift=await look_at_drift(store, day),
            judged=await judge(
                store,
                day,
                tuple(alarms.first.values()),
                learn_events=settings.drift.learn_events,
                speed=speed,
                is_watching=settings.drift.enabled,
            ),
            is_watched=is_watched,
            sent=sent,
            first_after_s=first_after_s,
            elapsed_s=elapsed_s,
        )


async def _watched(
    tables: WatchTables, alarms: Alarms, end: Moment, show: Callable[[Moment], None], *, window: timedelta
) -> bool:
    """Wait until the windows are closed until now, showing what is told; False where they aren't within WATCHED_WITHIN_S."""
    # One window more: alerts come after the window that makes them is closed, and before the next one is.
    until = datetime.now(UTC) + window
    deadline_s = time.monotonic() + WATCHED_WITHIN_S
    while True:
        last_end = await tables.last_end()
        is_done = last_end is not None and last_end >= until
        show(replace(end, alerts=await alarms.look()))
        if is_done or time.monotonic() > deadline_s:
            return is_done
        await asyncio.sleep(WATCHED_EVERY_S)


@dataclass(slots=True)
class _Pace:
    """Exchanges stored a second, over the last few looks."""

    since_s: float
    stored: int = 0
    value: float = 0.0

    def per_s(self, now_s: float, stored: int) -> float:
        """The pace now, smoothed so that one slow look doesn't make it jump."""
        lately = (stored - self.stored) / max(now_s - self.since_s, 0.05)
        self.value = lately if not self.value else 0.6 * self.value + 0.4 * lately
        self.since_s, self.stored = now_s, stored
        return self.value


async def _whichever(running: asyncio.Future[None], pause: Awaitable[None]) -> None:
    """Pause, but not on after a stream that has just failed."""
    pausing = asyncio.ensure_future(pause)
    await asyncio.wait(
        {pausing} if running.done() else {pausing, running}, return_when=asyncio.FIRST_COMPLETED
    )
    if running.done() and not running.cancelled() and running.exception() is not None:
        pausing.cancel()
        return
    await pausing
