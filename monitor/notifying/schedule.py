"""Which channel is to be told what now: from the alerts as they stand, what people did with them, and what each channel was told.

Each change is told to each channel that wants it, in order, until the channel has taken it. What came while a channel was to be
left alone (quiet hours, a mute, before it was in the file, too long ago) isn't told one by one: only how the alert stands then.
Pure but for what it holds, so that whoever takes over, given the same logs, goes on with the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, cast

from monitor.notifying.channels import Alertmanager, Channel
from monitor.notifying.history import Acknowledgement, Change, History, Step
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import RANKS, News, is_about, is_known_as_live, is_over, level_of, news_of
from monitor.notifying.quiet_hours import is_quiet
from schemas.alert_actions import AlertAction
from schemas.alert_deliveries import AlertDelivery, DeliveryNews, Outcome
from schemas.alerts import Alert, Severity

ENDED_AGAIN_S: Final = 300.0
"""For so long Alertmanager is told again that an alert is over: as its own clients do."""
GOOD_FOR_S: Final = 1.0
"""What was due is due for so long, unless something is heard: to work it out takes some 10 µs an alert that goes on."""
FORGOTTEN_AFTER_S: Final = 30 * 86_400.0
"""An alert that nobody has said anything of for so long is gone from the log too."""
MOST_IN_A_GROUP: Final = 20
MOST_IN_A_CALL: Final = 100
"""Alerts in one call of Alertmanager."""

_ANEW: Final = (News.BEGAN, News.ESCALATED)
"""What somebody has to take note of anew."""

_Hold = Literal["", "before", "late", "muted", "quiet"]


class Schedule:
    """What is due. Times are seconds since 1970; offsets are those of the one partition of each topic."""

    def __init__(self, channels: Sequence[Channel], fleet: str, worker: str, *, late_after_s: float) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._fleet = fleet
        self._worker = worker
        self._late_after_s = late_after_s
        self._histories: dict[str, History] = {}
        self._known: dict[tuple[str, str], AlertDelivery] = {}
        self._joined: dict[str, AlertDelivery] = {}
        self._sent_s: dict[tuple[str, str], float] = {}
        """When Alertmanager was told last."""
        self._found: dict[str, tuple[int, float, list[Telling]]] = {}
        """What was due when it was last worked out, by channel: for what was heard by then, and until when it is good."""
        self._heard = 0
        self._alone: dict[str, set[str]] = {name: set() for name in self._channels}
        """Alerts that were refused in company: they go one by one."""

    def hear(self, alert: Alert, offset: int, at_s: float) -> None:
        """The next record of safety.alerts. Those of other fleets are theirs."""
        if alert.fleet == self._fleet:
            self._heard += 1
            self._histories.setdefault(alert.id, History()).hear(alert, offset, at_s)

    def act(self, action: AlertAction, offset: int, at_s: float) -> None:
        """The next record of safety.alert_actions."""
        if action.fleet == self._fleet:
            self._heard += 1
            self._histories.setdefault(action.alert_id, History()).act(action, offset, at_s)

    def recall(self, delivery: AlertDelivery) -> None:
        """The next record of safety.alert_deliveries."""
        if delivery.fleet != self._fleet:
            return
        if delivery.news in ("joined", "left"):
            self._joined[delivery.channel] = delivery
        else:
            self._known[delivery.channel, delivery.alert_id] = delivery

    def remember(self, delivery: AlertDelivery) -> bool:
        """What a channel was told, perhaps without a record of it, once all records are recalled: whether it is news, and to be kept."""
        known = self._known.get((delivery.channel, delivery.alert_id))
        is_news = known is None or _standing(known) < _standing(delivery)
        if is_news:
            self.recall(delivery)
        return is_news

    def open(self, end: int, now_s: float) -> list[AlertDelivery]:
        """To be called once all three logs are read: `end` is the offset after the last alert. Returns what is to be kept of
        channels that came or went since somebody last looked: what was before isn't told to one that came, but for what fires.
        """
        for key, known in list(self._known.items()):
            if known.offset >= end:  # the log of alerts isn't the one that this was said of
                del self._known[key]
        was_in = {
            name for name, last in self._joined.items() if last.news == "joined" and last.offset < max(end, 1)
        }
        kept = [
            self._membership(name, "joined", end - 1, now_s) for name in self._channels if name not in was_in
        ]
        kept += [
            self._membership(name, "left", end - 1, now_s) for name in was_in if name not in self._channels
        ]
        for one in kept:
            self.recall(one)
        return kept

    def due(self, name: str, now_s: float) -> Message | None:
        """What this channel is to be told now: the most urgent first. The same comes again until `told` is called."""
        channel = self._channels[name]
        heard, at_s, found = self._found.get(name, (-1, 0.0, []))
        if not found or heard != self._heard or not 0 <= now_s - at_s < GOOD_FOR_S:
            found = sorted(self._due(channel, now_s), key=_urgency)
            self._found[name] = self._heard, now_s, found
        if not found:
            return None
        alone = [telling for telling in found if telling.alert.id in self._alone[name]]
        if alone:
            return Message(name, (alone[0],))
        if isinstance(channel, Alertmanager):
            return Message(name, tuple(found[:MOST_IN_A_CALL]))
        if not channel.group_by:
            return Message(name, (found[0],))
        groups: dict[tuple[str, ...], list[Telling]] = {}
        for telling in found:
            groups.setdefault(_group(channel, telling.alert), []).append(telling)
        for group in groups.values():
            if now_s - min(telling.due_s for telling in group) >= channel.group_wait_s:
                return Message(name, tuple(group[:MOST_IN_A_GROUP]))
        return None

    def told(self, message: Message, outcome: Outcome, now_s: float) -> list[AlertDelivery]:
        """The channel has taken it, or never will. Returns what is to be kept of that."""
        if outcome == "refused" and len(message.tellings) > 1:
            self._alone[message.channel].update(telling.alert.id for telling in message.tellings)
            return []
        kept = []
        gone = {telling.alert.id for telling in message.tellings}
        heard, at_s, found = self._found.get(message.channel, (-1, 0.0, []))
        self._found[message.channel] = heard, at_s, [one for one in found if one.alert.id not in gone]
        for telling in message.tellings:
            self._sent_s[message.channel, telling.alert.id] = now_s
            self._alone[message.channel].discard(telling.alert.id)
            if telling.is_again:
                continue
            delivery = AlertDelivery(
                channel=message.channel,
                alert_id=telling.alert.id,
                fleet=self._fleet,
                news=cast("DeliveryNews", telling.news.value),
                outcome=outcome,
                state=telling.alert.state,
                severity=telling.alert.severity,
                level=level_of(telling.alert),
                is_acknowledged=telling.is_acknowledged,
                offset=telling.offset,
                action_offset=telling.action_offset,
                at=datetime.fromtimestamp(round(now_s, 3), UTC),
                worker=self._worker,
            )
            self.recall(delivery)
            kept.append(delivery)
        return kept

    def waiting(self, name: str, now_s: float) -> tuple[int, float]:
        """How many alerts have news for this channel, and since when the oldest waits, in seconds."""
        waits = [
            now_s - one.due_s
            for one in self._due(self._channels[name], now_s)
            if one.news is not News.GOES_ON
        ]
        return len(waits), max(waits, default=0.0)

    def forget(self, now_s: float) -> None:
        """Drop what nobody has to be told of any more."""
        for id_, history in list(self._histories.items()):
            silent_s = now_s - history.heard_s
            is_done = (
                history.newest is not None
                and is_over(history.newest)
                and silent_s > max(self._late_after_s, 2 * ENDED_AGAIN_S)
                and not any(is_known_as_live(self._known.get((name, id_))) for name in self._channels)
            )
            if is_done or (history.newest is not None and silent_s > FORGOTTEN_AFTER_S):
                del self._histories[id_]
                for name in self._channels:
                    self._sent_s.pop((name, id_), None)
        for key in [key for key in self._known if key[1] not in self._histories]:
            del self._known[key]

    def firing(self, kind: str) -> Iterator[Alert]:
        """The newest records of alerts of this kind that go on."""
        for history in self._histories.values():
            if history.newest is not None and history.newest.kind == kind and not is_over(history.newest):
                yield history.newest

    def _due(self, channel: Channel, now_s: float) -> Iterable[Telling]:
        for history in self._histories.values():
            telling = self._telling(channel, history, now_s)
            if telling is not None:
                yield telling

    def _telling(self, channel: Channel, history: History, now_s: float) -> Telling | None:
        newest = history.newest
        if newest is None or is_about(newest, channel.name):
            return None
        known = self._known.get((channel.name, newest.id))
        is_live = is_known_as_live(known)
        if history.is_muted(now_s) and not (isinstance(channel, Alertmanager) and is_live):
            return None  # Alertmanager would call over what it isn't told of again
        is_told = known is not None and history.is_covered(known.offset, known.action_offset)
        step = None if is_told else self._step(channel, history, known, now_s)
        if step is None:
            return self._again(channel, newest, known, now_s)
        alert = newest if step is _last_change(history) else step.alert
        is_note = isinstance(step, Acknowledgement)
        news = News.ACKNOWLEDGED if is_note else news_of(alert, known)
        if news is None or self._is_quiet_now(channel, alert, now_s):
            return None
        before = known.severity if known is not None and is_live else None
        return Telling(
            alert=alert,
            news=news,
            occasion=f"{'a' if is_note else 'r'}{step.offset}",
            due_s=step.at_s,
            severity_before=None if before == alert.severity else before,
            offset=_offset(known) if isinstance(step, Acknowledgement) else step.offset,
            action_offset=max(history.covered(step), -1 if known is None else known.action_offset),
            is_acknowledged=is_note or (known is not None and known.is_acknowledged and news not in _ANEW),
        )

    def _step(
        self, channel: Channel, history: History, known: AlertDelivery | None, now_s: float
    ) -> Step | None:
        """The first step that the channel is to be told of."""
        knows = is_known_as_live(known)
        steps = history.steps(_offset(known), -1 if known is None else known.action_offset)
        last = next((step for step in reversed(steps) if isinstance(step, Change)), None)
        for step in steps:
            is_note = isinstance(step, Acknowledgement)
            wanted = knows or (not is_note and not is_over(step.alert) and channel.wants(step.alert))
            if not wanted:
                continue
            hold = self._hold(channel, history, step, now_s)
            if hold and not is_note and step is not last:
                if hold == "quiet":
                    knows = not is_over(step.alert)  # what happened in the quiet is told after it
                continue
            if not is_note and known is not None and news_of(step.alert, known) is None:
                continue
            return step
        return None

    def _hold(self, channel: Channel, history: History, step: Step, now_s: float) -> _Hold:
        """Why this isn't told one by one; "": it is."""
        joined = self._joined.get(channel.name)
        if isinstance(step, Change) and joined is not None and step.offset <= joined.offset:
            return "before"
        if now_s - step.at_s > self._late_after_s:
            return "late"
        if history.was_muted(step.at_s, now_s):
            return "muted"
        severity = step.alert.severity
        quiet = _quiet(channel, severity, step.at_s) or _quiet(channel, severity, now_s)
        return "quiet" if quiet else ""

    def _is_quiet_now(self, channel: Channel, alert: Alert, now_s: float) -> bool:
        if is_over(alert) and not channel.quiet_ends:
            return False
        return _quiet(channel, alert.severity, now_s)

    def _again(
        self, channel: Channel, newest: Alert, known: AlertDelivery | None, now_s: float
    ) -> Telling | None:
        """What the channel knows, once more."""
        if known is None:
            return None
        known_s = known.at.timestamp()
        if isinstance(channel, Alertmanager):
            sent_s = self._sent_s.get((channel.name, newest.id), 0.0)
            lives = is_known_as_live(known) and not is_over(newest)
            ended = not is_known_as_live(known) and now_s - known_s <= ENDED_AGAIN_S
            if not (lives or (ended and is_over(newest))) or now_s - sent_s < channel.resend_every_s:
                return None
            news = News.GOES_ON if lives else News.RESOLVED
            return Telling(
                newest, news, f"s{int(sent_s * 1000)}", due_s=sent_s + channel.resend_every_s, is_again=True
            )
        if (
            channel.remind_every_s is None
            or known.state != "firing"
            or newest.state != "firing"
            or known.is_acknowledged
            or now_s - known_s < channel.remind_every_s
            or not channel.wants(newest)
            or _quiet(channel, newest.severity, now_s)
        ):
            return None
        return Telling(
            newest,
            News.GOES_ON,
            f"s{int(known_s * 1000)}",
            due_s=known_s + channel.remind_every_s,
            offset=known.offset,
            action_offset=known.action_offset,
        )

    def _membership(
        self, name: str, news: Literal["joined", "left"], offset: int, now_s: float
    ) -> AlertDelivery:
        return AlertDelivery(
            channel=name,
            alert_id="",
            fleet=self._fleet,
            news=news,
            outcome="told",
            state="resolved",
            severity="info",
            level=0,
            is_acknowledged=False,
            offset=offset,
            action_offset=-1,
            at=datetime.fromtimestamp(round(now_s, 3), UTC),
            worker=self._worker,
        )


def _last_change(history: History) -> Change | None:
    return history.changes[-1] if history.changes else None


def _standing(delivery: AlertDelivery) -> tuple[int, int, datetime]:
    return delivery.offset, delivery.action_offset, delivery.at


def _offset(known: AlertDelivery | None) -> int:
    return -1 if known is None else known.offset


def _quiet(channel: Channel, severity: Severity, at_s: float) -> bool:
    return bool(channel.quiet) and is_quiet(channel.quiet, severity, datetime.fromtimestamp(at_s, UTC))


def _urgency(telling: Telling) -> tuple[bool, int, float]:
    """What is new before what is said again, the most severe first, then the oldest."""
    return telling.news is News.GOES_ON, -RANKS[telling.alert.severity], telling.due_s


def _group(channel: Channel, alert: Alert) -> tuple[str, ...]:
    values = {"fleet": alert.fleet, "tenant": alert.place.get("tenant", ""), "kind": alert.kind}
    return tuple(values[key] for key in channel.group_by)
