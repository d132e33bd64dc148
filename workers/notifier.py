"""Tells the channels of alerts: done once in the fleet, beside the overseer, by whoever oversees.

Each channel has a task of its own, so that a slow one delays no other. What a channel has taken is kept in safety.alert_deliveries
before it is told anything else: who takes over repeats at most the one message that was on its way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

import structlog

from monitor.adapters.alert_feed import AlertFeed, Entry
from monitor.errors import Misconfigured, Rejected, Retryable, WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.notifying.channels import TYPES, Channel
from monitor.notifying.dead_channels import Standing, ended
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import CHANNEL_DEAD, News
from monitor.notifying.schedule import Schedule
from monitor.ports import AlertChannel, Outbox, OutRecord
from monitor.settings import Settings
from schemas.alert_actions import AlertAction
from schemas.alert_deliveries import AlertDelivery
from schemas.alerts import Alert
from workers.identity import Identity
from workers.leadership import Membership
from workers.notifier_ports import Feed, OpenFeed
from workers.spells import Duty, Spell
from workers.telling import alert_record
from workers.trouble import where

log = structlog.get_logger("watchkeeper.notifier")

LOG_OF: Final = timedelta(days=30)
"""How far back the logs are read on taking over: as far as they are kept."""
TURN_S: Final = 0.5
"""So often it is looked whether something has become due by the time alone."""
TIDY_EVERY_S: Final = 60.0
ARRIVE_WITHIN_S: Final = 9.0
"""So long a message may be on its way when a spell ends: less than a stop waits (spells.CLOSE_WITHIN_S), so that it is kept then, too."""


@dataclass
class _Term:
    """What is known and to be done in one spell of telling."""

    spell: Spell
    schedule: Schedule
    standings: dict[str, Standing]
    wakes: dict[str, asyncio.Event]
    is_over: bool = False
    unkept: list[tuple[str, OutRecord]] = field(default_factory=list)
    """Records that Kafka hasn't acknowledged yet, in order. While there are any, nobody is told anything."""
    keeping: asyncio.Lock = field(default_factory=asyncio.Lock)


class Notifier(Duty):
    """Tells the channels while this worker oversees: one that gives up tells nobody."""

    def __init__(
        self,
        who: Identity,
        outbox: Outbox,
        settings: Settings,
        leadership: Membership,
        channels: Sequence[tuple[Channel, AlertChannel]],
        *,
        metrics: Metrics,
        open_feed: OpenFeed = AlertFeed.open,
    ) -> None:
        super().__init__(leadership, settings.retry, doing="telling the channels", log=log)
        self._open_feed = open_feed
        self._who = who
        self._outbox = outbox
        self._settings = settings
        self._channels = {channel.name: (channel, adapter) for channel, adapter in channels}
        self._metrics = metrics
        self._term: _Term | None = None
        self._owed: list[AlertDelivery] = []
        """What channels were told in the spell before and that may not be kept: a broker that is away acknowledges nothing."""
        self._away_from_s: float | None = None
        """Since when the logs can't be read."""

    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Until somebody else may have taken over, or the end."""
        with self._reading():
            feed = await stack.enter_async_context(self._open_feed(self._settings.kafka, spell.now - LOG_OF))
        self._read_again()
        if not spell.is_ours():
            return
        term = self._term = await self._taken_over(spell, feed)
        tasks = [
            asyncio.create_task(self._serve(term, channel, adapter))
            for channel, adapter in self._channels.values()
        ]
        tidied_s = time.monotonic()
        try:
            while spell.is_ours():
                with self._reading():
                    entries = await feed.next(TURN_S)
                for entry in entries:
                    _take(term.schedule, entry)
                if entries:
                    self._wake(term)
                if not spell.is_ours():
                    break
                await self._say_again(term)
                if time.monotonic() - tidied_s > TIDY_EVERY_S:
                    tidied_s = time.monotonic()
                    term.schedule.forget(spell.now_s)
                for task in tasks:
                    if task.done():
                        task.result()
                spell.went_well()
        finally:
            await self._end(term, tasks)

    async def _end(self, term: _Term, tasks: Sequence[asyncio.Task[None]]) -> None:
        """What is on its way arrives, and is kept, if that doesn't take long; whatever comes, no task is left behind."""
        term.is_over = True
        self._wake(term)
        try:
            await asyncio.wait(tasks, timeout=ARRIVE_WITHIN_S)
            await self._flushed(term)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            topic = self._settings.kafka.alert_deliveries_topic
            kept = [AlertDelivery.from_bytes(one.value or b"") for to, one in term.unkept if to == topic]
            self._owed = [one for one in kept if one.alert_id]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What fails here is that the logs can't be read: said once, until they can."""
        try:
            yield
        except WatchkeeperError as exc:
            if self._away_from_s is None:
                self._away_from_s = time.monotonic()
                log.warning(
                    "the logs of alerts can't be read, so no channel is told what is new", error=str(exc)
                )
            raise

    def _read_again(self) -> None:
        if self._away_from_s is not None:
            log.warning(
                "the logs of alerts are read again", after_s=round(time.monotonic() - self._away_from_s, 1)
            )
        self._away_from_s = None

    async def _taken_over(self, spell: Spell, feed: Feed) -> _Term:
        """How it stands, by the logs."""
        settings, fleet = self._settings.channels, self._settings.kafka.group_prefix
        schedule = Schedule(
            [channel for channel, _ in self._channels.values()],
            fleet,
            self._who.worker,
            late_after_s=settings.late_after_s,
        )
        for entry in feed.past:
            _take(schedule, entry)
        owed = [one for one in self._owed if schedule.remember(one)]
        now_s = spell.now_s
        membership = schedule.open(feed.alerts_end, now_s)
        schedule.forget(now_s)
        repeat_after_s = self._settings.health.repeat_after_s
        standings = {
            name: Standing(name, channel.type, fleet, self._who.source, settings, repeat_after_s)
            for name, (channel, _) in self._channels.items()
        }
        term = _Term(spell, schedule, standings, {name: asyncio.Event() for name in self._channels})
        await self._keep(term, [*owed, *membership])
        for alert in list(schedule.firing(CHANNEL_DEAD)):
            name = alert.place.get("channel", "")
            if name in standings:
                standings[name].restore(alert)
            else:  # it is no channel any more
                await self._tell_of(term, ended(alert, now_s, self._who.source))
        log.info("this worker tells the channels", channels=len(self._channels), alerts_read=len(feed.past))
        return term

    async def _serve(self, term: _Term, channel: Channel, adapter: AlertChannel) -> None:
        """Tell one channel what is due, one message after the other."""
        standing, wake = term.standings[channel.name], term.wakes[channel.name]
        while not term.is_over:
            if term.spell.is_ours() and await self._flushed(term):
                now_s = term.spell.now_s
                message = None
                if now_s >= standing.next_try_s:
                    message = term.schedule.due(channel.name, now_s) or _probe(standing, now_s)
                if message is not None:
                    await self._tell(term, channel, adapter, message)
                    continue
            wake.clear()
            try:
                await asyncio.wait_for(wake.wait(), TURN_S)
            except TimeoutError:
                pass

    async def _tell(self, term: _Term, channel: Channel, adapter: AlertChannel, message: Message) -> None:
        standing = term.standings[channel.name]
        alert: Alert | None
        try:
            await adapter.tell(message)
        except Rejected as exc:
            outcome = "refused"
            log.error(
                "an alert was refused by a channel", channel=channel.name, type=channel.type, error=str(exc)
            )
            now_s = term.spell.now_s
            await self._keep(term, term.schedule.told(message, "refused", now_s))
            alert = standing.failed("refused", str(exc), now_s)
        except Misconfigured as exc:
            outcome = "misconfigured"
            alert = standing.failed("misconfigured", str(exc), term.spell.now_s)
            self._say_failed(term, channel, str(exc))
        except Retryable as exc:
            outcome = "retryable"
            alert = standing.failed("retryable", str(exc), term.spell.now_s, retry_after_s=exc.retry_after_s)
            self._say_failed(term, channel, str(exc))
        except Exception as exc:  # noqa: BLE001  # a defect of ours in one channel keeps no other from its alerts
            outcome = "defect"
            error = f"a defect: {where(exc)}"
            alert = standing.failed("retryable", error, term.spell.now_s)
            self._say_failed(term, channel, error)
        else:
            outcome = "told"
            now_s = term.spell.now_s
            await self._keep(
                term, term.schedule.told(message, "told", now_s) if not _is_probe(message, standing) else []
            )
            alert = standing.worked(now_s)
            log.info(
                "channel told",
                channel=channel.name,
                type=channel.type,
                alerts=len(message.tellings),
                news=message.tellings[0].news.value,
                id=message.tellings[0].alert.id,
            )
        self._metrics.count(Metric.CHANNEL_MESSAGES, channel=channel.type, outcome=outcome)
        if alert is not None:
            await self._tell_of(term, alert)

    def _say_failed(self, term: _Term, channel: Channel, error: str) -> None:
        wait_s = term.standings[channel.name].next_try_s - term.spell.now_s
        log.warning(
            "telling a channel failed, tried again",
            channel=channel.name,
            type=channel.type,
            error=error,
            retry_in_s=round(max(0.0, wait_s), 1),
        )

    async def _say_again(self, term: _Term) -> None:
        """What fires about channels, now and then."""
        for standing in term.standings.values():
            alert = standing.again(term.spell.now_s)
            if alert is not None:
                await self._tell_of(term, alert, is_news=False)

    async def _tell_of(self, term: _Term, alert: Alert, *, is_news: bool = True) -> None:
        """An alert about a channel goes where all alerts go; by that log the other channels hear of it."""
        term.unkept.append((self._settings.kafka.alerts_topic, alert_record(alert)))
        await self._flushed(term)
        self._metrics.count(Metric.ALERTS_SENT, kind=alert.kind, state=alert.state)
        if is_news:
            log.warning(
                "alert",
                state=alert.state,
                kind=alert.kind,
                severity=alert.severity,
                title=alert.title,
                id=alert.id,
                remedy=alert.remedy,
                error=alert.facts.get("error"),
                **alert.place,
            )

    async def _keep(self, term: _Term, deliveries: Sequence[AlertDelivery]) -> None:
        topic = self._settings.kafka.alert_deliveries_topic
        term.unkept += [(topic, OutRecord(one.key, one.to_bytes())) for one in deliveries]
        await self._flushed(term)

    async def _flushed(self, term: _Term) -> bool:
        """Whether all that is to be kept is."""
        async with term.keeping:
            while term.unkept:
                topic, records = next(
                    (topic, [record for _, record in same])
                    for topic, same in groupby(term.unkept, key=itemgetter(0))
                )
                if topic == self._settings.kafka.alerts_topic and not term.spell.is_held():
                    return False  # another may tell of it by now, under an id of its own
                try:
                    await self._outbox.publish(topic, 0, records)
                except WatchkeeperError as exc:
                    log.warning(
                        "what a channel was told isn't kept yet, tried again", topic=topic, error=str(exc)
                    )
                    return False
                del term.unkept[: len(records)]
        return True

    def _wake(self, term: _Term) -> None:
        for wake in term.wakes.values():
            wake.set()

    def show(self) -> None:
        """What waits, by type of channel, and whether the logs can be read."""
        away_s = 0.0 if self._away_from_s is None else time.monotonic() - self._away_from_s
        self._metrics.set(Metric.CHANNEL_LOGS_AWAY, round(away_s, 3))
        term = self._term
        if term is None or term.spell.term != self._leads.term:
            return  # the logs are read in a moment
        now_s = term.spell.now_s
        waiting, oldest_s, dead = (dict.fromkeys(TYPES, 0.0) for _ in range(3))
        for name, (channel, _) in self._channels.items():
            count, age_s = term.schedule.waiting(name, now_s)
            waiting[channel.type] += count
            oldest_s[channel.type] = max(oldest_s[channel.type], age_s)
            dead[channel.type] += term.standings[name].dead is not None
        for kind in TYPES:
            self._metrics.set(Metric.CHANNEL_WAITING, waiting[kind], channel=kind)
            self._metrics.set(Metric.CHANNEL_OLDEST, round(oldest_s[kind], 3), channel=kind)
            self._metrics.set(Metric.CHANNELS_DEAD, dead[kind], channel=kind)

    def show_nothing(self) -> None:
        """See Duty."""
        self._metrics.set(Metric.CHANNEL_LOGS_AWAY, 0)
        for kind in TYPES:
            for metric in (Metric.CHANNEL_WAITING, Metric.CHANNEL_OLDEST, Metric.CHANNELS_DEAD):
                self._metrics.set(metric, 0, channel=kind)


def _take(schedule: Schedule, entry: Entry) -> None:
    match entry.content:
        case Alert() as alert:
            schedule.hear(alert, entry.offset, entry.at_s)
        case AlertAction() as action:
            schedule.act(action, entry.offset, entry.at_s)
        case AlertDelivery() as delivery:
            schedule.recall(delivery)


def _probe(standing: Standing, now_s: float) -> Message | None:
    """A dead channel that has nothing else to be told is told that it was dead: once it takes that, it isn't any more."""
    if standing.dead is None:
        return None
    alert = ended(standing.dead, now_s, standing.source)
    return Message(standing.name, (Telling(alert, News.RESOLVED, "probe", due_s=now_s),))


def _is_probe(message: Message, standing: Standing) -> bool:
    return standing.dead is not None and message.tellings[0].alert.id == standing.dead.id
