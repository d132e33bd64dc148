"""Makes the weekly report and sends it: done once in the fleet, beside the overseer, by whoever oversees.

A channel that has a report is remembered in the store before anything else is sent there: who takes over repeats at most the one that was
on its way, which has the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog
from mode import Service

from monitor.adapters.channels.reports import ReportChannel, ReportFolder, report_channel
from monitor.adapters.clickhouse import connect
from monitor.adapters.report_store import ReportStore
from monitor.backoff import Backoff
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.metrics import Metrics
from monitor.notifying.channels import Channel
from monitor.notifying.references import Secrets
from monitor.ports import Outbox, OutRecord
from monitor.reporting import as_pdf
from monitor.reporting.building import build
from monitor.reporting.document import Report
from monitor.reporting.facts import Facts, Reach
from monitor.reporting.parcels import parcel_of
from monitor.reporting.scheduling import Due, newest_due
from monitor.reporting.undelivered import Attempt
from monitor.reporting.weeks import Week
from monitor.settings import Settings, variable
from schemas.alerts import Alert
from workers.identity import Identity
from workers.leadership import Membership
from workers.trouble import is_cancelled, said, where

log = structlog.get_logger("watchkeeper.reports")

FOLDER: Final = "(folder)"
"""The name under which the folder is remembered: no channel can have it."""
TURN_S: Final = 5.0
COUNTED_EVERY_S: Final = 30.0
CLOSE_WITHIN_S: Final = 10.0


class Kept(Protocol):
    """The store (monitor/adapters/report_store.py)."""

    async def reach(self) -> Reach:
        """How far the counts reach."""
        ...

    async def facts(self, week: Week, now: datetime) -> Facts:
        """Of a week."""
        ...

    async def delivered(self, week: Week) -> frozenset[str]:
        """The channels that have it."""
        ...

    async def keep(self, week: Week, channel: str, outcome: str, at: datetime, worker: str) -> None:
        """Remember that a channel has it."""
        ...


OpenStore = Callable[[], AbstractAsyncContextManager[Kept]]


@dataclass
class _Round:
    """One report on its way to those who don't have it."""

    due: Due
    attempts: dict[str, Attempt]
    report: Report | None = field(default=None)

    @property
    def is_done(self) -> bool:
        return all(attempt.is_done for attempt in self.attempts.values())


class Reporter(Service):
    """Sends reports while this worker oversees. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leads: Membership,
        channels: Mapping[str, ReportChannel],
        *,
        open_store: OpenStore,
        turn_s: float = TURN_S,
    ) -> None:
        super().__init__()
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._leads = leads
        self._channels = dict(channels)
        self._open_store = open_store
        self._turn_s = turn_s
        self._done: Due | None = None

    async def on_start(self) -> None:
        """Begin."""
        self._reporting = self.add_future(self._report_for_ever())

    async def on_stop(self) -> None:
        """Let what is on its way arrive."""
        await asyncio.wait((self._reporting,), timeout=CLOSE_WITHIN_S)

    async def _report_for_ever(self) -> None:
        backoff = Backoff(self._settings.retry)
        while not self.should_stop:
            lead = self._leads
            due = self._due() if lead.is_owner and lead.is_live else None
            if due is None:
                await self.sleep(self._turn_s)
                continue
            try:
                async with self._open_store() as store:
                    await self._round(due, store, lead.term)
                backoff = Backoff(self._settings.retry)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                await self.sleep(backoff.next_s())
            except Exception as exc:  # noqa: BLE001  # a report that can't be made now is made later
                wait_s = backoff.next_s()
                log.warning(
                    "the report can't be made yet, tried again",
                    week=due.week.name,
                    error=said(exc),
                    retry_in_s=round(wait_s, 2),
                )
                await self.sleep(wait_s)

    def _due(self) -> Due | None:
        """What is to be sent; None: nothing, or all have it."""
        settings, now = self._settings.report, datetime.fromtimestamp(self._leads.now_s, UTC)
        due = newest_due(settings.schedule, settings.time_zone, now)
        is_late = now - due.at > timedelta(seconds=settings.late_after_s)
        return None if is_late or due == self._done else due

    async def _round(self, due: Due, store: Kept, term: int) -> None:
        """Until all have it, it is too late, another report is due, or another may oversee."""
        has_it = await store.delivered(due.week)
        source = self._who.source
        wanted = [name for name in self._channels if name not in has_it]
        round_ = _Round(due, {name: Attempt(name, due, self._settings, source) for name in wanted})
        while not round_.is_done and self._is_ours(term) and self._due() == due:
            now_s = self._leads.now_s
            if round_.report is None and not await self._is_counted(due, store, now_s):
                await self.sleep(min(COUNTED_EVERY_S, self._turn_s))
                continue
            if round_.report is None:
                facts = await store.facts(due.week, datetime.fromtimestamp(now_s, UTC))
                round_.report = await asyncio.to_thread(build, facts)
            for name, attempt in round_.attempts.items():
                if not attempt.is_done and attempt.next_try_s <= self._leads.now_s and self._is_ours(term):
                    await self._send(round_.report, attempt, self._channels[name], store)
            if not round_.is_done:
                await self.sleep(self._turn_s)
        if round_.is_done and self._is_ours(term):
            self._done = due

    async def _is_counted(self, due: Due, store: Kept, now_s: float) -> bool:
        """Whether the week is counted to its end, or has been waited for long enough."""
        if now_s - due.at.timestamp() >= self._settings.report.counted_within_s:
            return True
        reach = await store.reach()
        return reach.counted_until is not None and reach.counted_until >= due.week.until

    async def _send(self, report: Report, attempt: Attempt, channel: ReportChannel, store: Kept) -> None:
        settings, week, name = self._settings, attempt.due.week, attempt.channel
        alert: Alert | None
        try:
            parcel = await asyncio.to_thread(
                parcel_of, report, settings.report.form, fleet=settings.kafka.group_prefix, channel=name
            )
            await channel.send(parcel)
        except Rejected as exc:
            await self._keep(attempt, store, "refused")
            alert = attempt.failed(str(exc), self._leads.now_s, is_for_good=True)
            log.error("a channel refuses the report for good", channel=name, week=week.name, error=str(exc))
        except (Retryable, Misconfigured) as exc:
            wait_s = exc.retry_after_s if isinstance(exc, Retryable) else None
            alert = attempt.failed(str(exc), self._leads.now_s, retry_after_s=wait_s)
            log.warning(
                "sending the report failed, tried again", channel=name, week=week.name, error=str(exc)
            )
        except Exception as exc:  # noqa: BLE001  # a defect of ours in one channel keeps no other from its report
            alert = attempt.failed(f"a defect: {where(exc)}", self._leads.now_s)
            log.warning(
                "sending the report failed, tried again", channel=name, week=week.name, error=where(exc)
            )
        else:
            await self._keep(attempt, store, "delivered")
            alert = attempt.delivered(self._leads.now_s)
            log.info("report sent", channel=name, week=week.name)
        if alert is not None:
            await self._outbox.publish(
                settings.kafka.alerts_topic, 0, [OutRecord(alert.id.encode(), alert.to_bytes())]
            )

    async def _keep(self, attempt: Attempt, store: Kept, outcome: str) -> None:
        """Before anything else is sent there. Raises what the store raises: the round then begins anew, and sends it once more."""
        at = datetime.fromtimestamp(self._leads.now_s, UTC)
        await store.keep(attempt.due.week, attempt.channel, outcome, at, self._who.worker)

    def _is_ours(self, term: int) -> bool:
        lead = self._leads
        return not self.should_stop and lead.is_owner and lead.is_live and lead.term == term


def report_channels(
    settings: Settings, channels: Sequence[Channel], secrets: Secrets
) -> dict[str, ReportChannel]:
    """Who takes the report: the folder, and the channels of the file that say so. Raises Misconfigured where it is on and nobody does."""
    report = settings.report
    if report.form == "pdf":
        as_pdf.require()
    found: dict[str, ReportChannel] = {} if report.folder is None else {FOLDER: ReportFolder(report.folder)}
    found |= {one.name: report_channel(one, secrets) for one in channels if one.reports}
    if not found:
        raise Misconfigured(
            f"{variable('report', 'enabled')} is set, and nobody takes the report",
            f"set {variable('report', 'folder')}, or write reports = true at a channel of {variable('channels', 'file')}",
        )
    return found


def opening(settings: Settings, metrics: Metrics) -> OpenStore:
    """Opens the store that the settings name, anew for each report."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Kept]:
        async with await connect(settings.clickhouse, metrics=metrics) as store:
            yield ReportStore(store, settings.kafka.group_prefix)

    return opened
