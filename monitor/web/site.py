"""All that the pages share: the parts they ask, who is logged in, and what follows the news for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import structlog

from monitor.adapters.clickhouse import connect
from monitor.adapters.windows import WatchTables
from monitor.drift.policy import policy_of
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.reporting.document import Report
from monitor.reporting.making import make
from monitor.reporting.weeks import Week
from monitor.settings import Settings
from monitor.web.alert_book import AlertBook
from monitor.web.baselines import BaselineReader, Baselines
from monitor.web.hub import Hub
from monitor.web.report_desk import ReportDesk, Tell
from monitor.web.sessions import Sessions
from monitor.web.store import Store
from monitor.wording.visible import visible
from schemas.alerts import Alert

log = structlog.get_logger("watchkeeper.dashboard")

BASELINES_EVERY_S: Final = 10.0
MOST_TITLE_CHARS: Final = 300
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a part said; or why it said nothing, in words for the page."""

    value: T | None
    trouble: str = ""


async def answered(asking: Awaitable[T]) -> Answer[T]:
    """The answer, whatever is wrong with the part that gives it."""
    try:
        return Answer(await asking)
    except (Retryable, Misconfigured, Rejected) as exc:
        return Answer(None, exc.line)


@dataclass(slots=True)
class Site:
    """One a process. `open` it before it is asked anything."""

    settings: Settings
    store: Store
    hub: Hub
    sessions: Sessions
    baselines: BaselineReader
    book: AlertBook
    reports: ReportDesk
    store_trouble: str = ""
    _now_s: Callable[[], float] = field(default=time.monotonic)

    @classmethod
    def of(cls, settings: Settings) -> Site:
        """A site of these settings; asks nothing yet."""
        web = settings.web
        hub = Hub(web.max_streams)

        def on_alert(alert: Alert) -> None:
            hub.publish(
                "alert",
                id=alert.id,
                state=alert.state,
                severity=alert.severity,
                title=visible(alert.title)[:MOST_TITLE_CHARS],
            )

        def on_change() -> None:
            hub.publish("changed", what="alerts")

        def on_step() -> None:
            hub.publish("changed", what="report")

        async def make_report(week: Week, tell: Tell) -> Report:
            async with await connect(settings.clickhouse) as store:
                fleet = settings.kafka.group_prefix
                return await make(store, week, fleet=fleet, now=datetime.now(UTC), tell=tell)

        return cls(
            settings=settings,
            store=Store(settings.clickhouse, web.query_within_s, web.refresh_s),
            hub=hub,
            sessions=Sessions(web.token, web.session_s, time.monotonic),
            baselines=BaselineReader(
                policy_of(settings.drift),
                settings.kafka.group_prefix,
                min(BASELINES_EVERY_S, settings.drift.checkpoint_every_s),
            ),
            book=AlertBook(settings.kafka, on_alert, on_change),
            reports=ReportDesk(make_report, on_step, time.monotonic),
        )

    @property
    def fleet(self) -> str:
        """Whose traffic it shows."""
        return self.settings.kafka.group_prefix

    def now(self) -> datetime:
        """The moment that pages are as of."""
        return datetime.now(UTC)

    async def tables(self) -> WatchTables:
        """The windows and states of the watch. Raises what the store raises."""
        return WatchTables(await self.store.client(), self.fleet, self.settings.kafka.chat_logs_topic)

    async def expected(self) -> Baselines:
        """The baselines; none where the store doesn't answer in time."""
        try:
            async with asyncio.timeout(self.settings.web.query_within_s):
                return await self.baselines.read(await self.tables(), self._now_s())
        except TimeoutError:
            return Baselines(trouble="ClickHouse was too slow with the state of the watch")
        except (Retryable, Misconfigured, Rejected) as exc:
            return Baselines(trouble=str(exc))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Follow the news until the end of the block."""
        tasks = [
            asyncio.create_task(self.book.keep(), name="dashboard alerts"),
            asyncio.create_task(self._look(), name="dashboard store"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self.reports.aclose()
            await self.store.aclose()

    async def _look(self) -> None:
        """Tell pages when the store has something new, while any is open."""
        last: object = None
        while True:
            await asyncio.sleep(self.settings.web.refresh_s)
            if not self.hub.streams:
                continue
            found = await answered(self.store.query("dashboard_news", fleet=self.fleet))
            if found.trouble != self.store_trouble:
                self.store_trouble, last = found.trouble, None  # who came meanwhile has seen nothing
                self.hub.publish("changed", what="store")
                if found.trouble:
                    log.warning("store not asked", error=found.trouble)
            if found.value is not None and found.value != last:
                last = found.value
                self.hub.publish("changed", what="rates")
