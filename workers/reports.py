"""Makes the weekly report and sends it: done once in the fleet, beside the overseer, by whoever oversees.

A channel that has a report is remembered in the store before anything else is sent there: who takes over repeats at most the one that was
on its way, which has the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from monitor.adapters.channels.reports import ReportChannel, ReportFolder, report_channel
from monitor.adapters.report_store import ReportStore
from monitor.errors import Misconfigured, Rejected, Retryable, WatchkeeperError
from monitor.metrics import Metrics
from monitor.notifying.channels import Channel
from monitor.notifying.references import Secrets
from monitor.ports import Outbox
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
from workers.opening import opened_store
from workers.spells import Duty, Spell
from workers.telling import tell
from workers.trouble import where

log = structlog.get_logger("watchkeeper.reports")

FOLDER: Final = "(folder)"
"""The name under which the folder is remembered: no channel can have it."""
TURN_S: Final = 5.0
COUNTED_EVERY_S: Final = 30.0


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
    spell: Spell
    store: Kept
    attempts: dict[str, Attempt]
    report: Report | None = field(default=None)
    untold: list[Alert] = field(default_factory=list)
    """Alerts that Kafka hasn't acknowledged yet."""

    @property
    def is_done(self) -> bool:
        return not self.untold and all(attempt.is_done for attempt in self.attempts.values())


class Reporter(Duty):
    """Sends reports while this worker oversees: one that can't be made now is made later."""

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Membership,
        channels: Mapping[str, ReportChannel],
        *,
        open_store: OpenStore,
        turn_s: float = TURN_S,
    ) -> None:
        super().__init__(leadership, settings.retry, doing="reporting", log=log)
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._channels = dict(channels)
        self._open_store = open_store
        self._turn_s = turn_s
        self._done: Due | None = None

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """A report whenever one is due, until the end of our term. The store is open for as long as it takes."""
        while spell.is_ours():
            due = self._due(spell)
            if due is not None:
                async with self._open_store() as store:
                    await self._send_round(due, spell, store)
            spell.went_well()
            await spell.sleep(self._turn_s)

    def _due(self, spell: Spell) -> Due | None:
        """What is to be sent; None: nothing, or all have it."""
        settings, now = self._settings.report, spell.now
        due = newest_due(settings.schedule, settings.time_zone, now)
        is_late = now - due.at > timedelta(seconds=settings.late_after_s)
        return None if is_late or due == self._done else due

    async def _send_round(self, due: Due, spell: Spell, store: Kept) -> None:
        """Until all have it, it is too late, another report is due, or another may oversee."""
        has_it = await store.delivered(due.week)
        source = self._who.source
        wanted = [name for name in self._channels if name not in has_it]
        round_ = _Round(
            due, spell, store, {name: Attempt(name, due, self._settings, source) for name in wanted}
        )
        while not round_.is_done and spell.is_ours() and self._due(spell) == due:
            if round_.report is None and not await self._is_counted(round_):
                await spell.sleep(min(COUNTED_EVERY_S, self._turn_s))
                continue
            if round_.report is None:
                facts = await store.facts(due.week, spell.now)
                round_.report = await asyncio.to_thread(build, facts)
            for attempt in round_.attempts.values():
                if not attempt.is_done and attempt.next_try_s <= spell.now_s and spell.is_ours():
                    await self._send(round_, round_.report, attempt)
            await self._tell(round_)
            if not round_.is_done:
                await spell.sleep(self._turn_s)
        if round_.is_done and spell.is_ours():
            self._done = due

    async def _is_counted(self, round_: _Round) -> bool:
        """Whether the week is counted to its end, or has been waited for long enough."""
        due = round_.due
        if round_.spell.now_s - due.at.timestamp() >= self._settings.report.counted_within_s:
            return True
        reach = await round_.store.reach()
        return reach.counted_until is not None and reach.counted_until >= due.week.until

    async def _send(self, round_: _Round, report: Report, attempt: Attempt) -> None:
        settings, spell, week, name = self._settings, round_.spell, attempt.due.week, attempt.channel
        alert: Alert | None
        try:
            parcel = await asyncio.to_thread(
                parcel_of, report, settings.report.form, fleet=settings.kafka.group_prefix, channel=name
            )
            await self._channels[name].send(parcel)
        except Rejected as exc:
            await self._keep(round_, attempt, "refused")
            alert = attempt.failed(str(exc), spell.now_s, is_for_good=True)
            log.error("a channel refuses the report for good", channel=name, week=week.name, error=str(exc))
        except (Retryable, Misconfigured) as exc:
            wait_s = exc.retry_after_s if isinstance(exc, Retryable) else None
            alert = attempt.failed(str(exc), spell.now_s, retry_after_s=wait_s)
            log.warning(
                "sending the report failed, tried again", channel=name, week=week.name, error=str(exc)
            )
        except Exception as exc:  # noqa: BLE001  # a defect of ours in one channel keeps no other from its report
            alert = attempt.failed(f"a defect: {where(exc)}", spell.now_s)
            log.warning(
                "sending the report failed, tried again", channel=name, week=week.name, error=where(exc)
            )
        else:
            await self._keep(round_, attempt, "delivered")
            alert = attempt.delivered(spell.now_s)
            log.info("report sent", channel=name, week=week.name)
        if alert is not None:
            round_.untold.append(alert)

    async def _keep(self, round_: _Round, attempt: Attempt, outcome: str) -> None:
        """Before anything else is sent there. Raises what the store raises: the round then begins anew, and sends it once more."""
        await round_.store.keep(round_.due.week, attempt.channel, outcome, round_.spell.now, self._who.worker)

    async def _tell(self, round_: _Round) -> None:
        """The alerts, in order; what Kafka doesn't take now it takes in the next turn."""
        while round_.untold:
            alert = round_.untold[0]
            try:
                await tell(self._outbox, self._settings.kafka, alert)
            except WatchkeeperError as exc:
                log.warning("an alert about a report isn't told yet, tried again", error=str(exc))
                return
            del round_.untold[0]


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
        async with opened_store(settings.clickhouse, metrics) as store:
            yield ReportStore(store, settings.kafka.group_prefix)

    return opened
