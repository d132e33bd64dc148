"""The notifier against fakes: of what it was told to do, what it keeps, and that nothing ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from structlog.testing import capture_logs

from monitor.adapters.alert_feed import Content, Entry
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.kafka_settings import KafkaSettings
from monitor.metrics import Metric, Metrics
from monitor.notifying.message import Message
from monitor.settings import Settings, load
from schemas.alert_deliveries import AlertDelivery
from schemas.alerts import Alert
from tests.fakes.membership import FakeMembership
from tests.fakes.outbox import FakeOutbox
from tests.unit.notifying.made import NOON, NOON_S, alert, channel, moved
from tests.waiting import until
from workers.identity import Identity
from workers.notifier import Notifier
from workers.spells import Spell

DELIVERIES = ("safety.alert_deliveries", 0)
ALERTS = ("safety.alerts", 0)
WHO = Identity("host-1-ab", "0.1.0", NOON)


@dataclass
class FakeChannel:
    """Implements ports.AlertChannel. `failures` are raised one a message, first to last, then `always`; `gate`: nothing is
    taken before it is set."""

    failures: list[Exception] = field(default_factory=list)
    always: Exception | None = None
    gate: asyncio.Event | None = None
    heard: list[Message] = field(default_factory=list)
    took: list[Message] = field(default_factory=list)
    given_up: int = 0

    async def tell(self, message: Message) -> None:
        self.heard.append(message)
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        if self.failures:
            raise self.failures.pop(0)
        if self.always is not None:
            raise self.always
        self.took.append(message)

    async def ready(self) -> None: ...

    @property
    def news(self) -> list[str]:
        return [message.tellings[0].news.value for message in self.took]


@dataclass
class FakeFeed:
    """Implements workers.notifier_ports.Feed over what was published and said."""

    outbox: FakeOutbox
    alerts: list[Alert] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    opened: int = 0

    @asynccontextmanager
    async def open(self, settings: KafkaSettings, since: datetime) -> AsyncIterator[Opened]:
        self.opened += 1
        if self.failures:
            raise self.failures.pop(0)
        yield Opened(self)

    def entries(self) -> list[Entry]:
        """The log of alerts: ours first, then what the notifier said."""
        said = [Alert.from_bytes(record.value or b"") for record in self.outbox.published[ALERTS]]
        return [Entry(one, offset, NOON_S) for offset, one in enumerate([*self.alerts, *said])]


class Opened:
    def __init__(self, feed: FakeFeed) -> None:
        self._feed = feed
        deliveries = [AlertDelivery.from_bytes(one.value or b"") for one in feed.outbox.published[DELIVERIES]]
        before: list[Content] = [*deliveries]
        alerts = feed.entries()
        self.past = [Entry(one, offset, NOON_S) for offset, one in enumerate(before)] + alerts
        self.alerts_end = len(alerts)
        self._read = len(alerts)

    async def next(self, within_s: float) -> list[Entry]:
        await asyncio.sleep(0.01)
        if self._feed.failures:
            raise self._feed.failures.pop(0)
        new = self._feed.entries()[self._read :]
        self._read += len(new)
        return new


@dataclass
class Rig:
    channels: dict[str, FakeChannel]
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    leads: FakeMembership = field(default_factory=lambda: FakeMembership(now_s=NOON_S))
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.feed = FakeFeed(self.outbox)
        self.settings: Settings = load(
            {
                "WATCHKEEPER_KAFKA__GROUP_PREFIX": "wk",
                "WATCHKEEPER_CHANNELS__RETRY_DEAD_S": "5",
                "WATCHKEEPER_RETRY__MAX_S": "0.3",
                "WATCHKEEPER_RETRY__HALTED_S": "0.3",
            }
        )

    def notifier(self) -> Notifier:
        return Notifier(
            WHO,
            self.outbox,
            self.settings,
            self.leads,
            [(channel("webhook", name), fake) for name, fake in self.channels.items()],
            metrics=self.metrics,
            open_feed=self.feed.open,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Notifier]:
        notifier = self.notifier()
        await notifier.start()
        try:
            yield notifier
        finally:
            await notifier.stop()

    def deliveries(self) -> list[tuple[str, str]]:
        kept = [AlertDelivery.from_bytes(one.value or b"") for one in self.outbox.published[DELIVERIES]]
        return [(one.channel, one.news) for one in kept if one.alert_id]

    def said(self) -> list[tuple[str, str, str]]:
        """What the notifier said on the alerts topic."""
        alerts = [Alert.from_bytes(one.value or b"") for one in self.outbox.published[ALERTS]]
        return [(one.kind, one.place["channel"], one.state) for one in alerts]


async def test_an_alert_is_told_and_kept_and_told_no_more_by_who_comes_after() -> None:
    rig = Rig({"one": FakeChannel()})
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(rig.deliveries, "what was told")
    async with rig.running():
        rig.feed.alerts.append(moved(alert(), "resolved"))
        await until(lambda: len(rig.deliveries()) == 2, "its end")
    assert rig.channels["one"].news == ["began", "resolved"]
    assert rig.metrics.value(Metric.CHANNEL_MESSAGES, channel="webhook", outcome="told") == 2


async def test_nobody_is_told_anything_while_another_oversees() -> None:
    rig = Rig({"one": FakeChannel()}, leads=FakeMembership(is_owner=False, now_s=NOON_S))
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(rig.metrics.exposition, "a turn")
        assert rig.feed.opened == 0
        rig.leads.is_owner = True
        await until(rig.deliveries, "what was told")
    assert rig.channels["one"].news == ["began"]


async def test_in_a_new_term_the_logs_are_read_anew() -> None:
    rig = Rig({"one": FakeChannel()})
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(rig.deliveries, "what was told")
        rig.leads.term = 2
        await until(lambda: rig.feed.opened == 2, "the logs read anew")
        rig.feed.alerts.append(alert(1))
        await until(lambda: len(rig.deliveries()) == 2, "what came after")
    assert rig.channels["one"].news == ["began", "began"]


async def test_a_slow_channel_delays_no_other() -> None:
    slow = FakeChannel(gate=asyncio.Event())
    rig = Rig({"slow": slow, "other": FakeChannel()})
    rig.feed.alerts += [alert(number) for number in range(3)]
    async with rig.running():
        await until(lambda: len(rig.channels["other"].took) == 3, "all of them at the other")
        assert len(slow.heard) == 1
        assert slow.gate is not None
        slow.gate.set()
        await until(lambda: len(slow.took) == 3, "all of them at the slow one")


async def test_what_was_told_is_kept_before_anything_else_is_told() -> None:
    rig = Rig({"one": FakeChannel()})
    async with rig.running():
        await until(lambda: rig.outbox.published[DELIVERIES], "that it joined")
        rig.outbox.failures = [Retryable("away")] * 3
        rig.feed.alerts += [alert(0), alert(1)]
        await until(lambda: not rig.outbox.failures, "a broker that is back")
        await until(lambda: len(rig.deliveries()) == 2, "all of it")
    assert len(rig.channels["one"].heard) == 2


async def test_a_channel_that_is_dead_is_told_to_the_others_and_what_it_missed_is_told_once_it_works() -> (
    None
):
    dead = FakeChannel(always=Misconfigured("it answered 403", "correct the key"))
    rig = Rig({"dead": dead, "other": FakeChannel()})
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(lambda: len(rig.channels["other"].took) == 2, "the alert and that about the channel")
        assert rig.said() == [("channel_dead", "dead", "firing")]
        tries = len(dead.heard)
        dead.always = None
        rig.leads.now_s += 6
        await until(lambda: rig.channels["other"].news[2:], "that it works again")
    assert tries == 1
    assert dead.news == ["began"]
    assert rig.said() == [("channel_dead", "dead", "firing"), ("channel_dead", "dead", "resolved")]
    assert rig.channels["other"].news == ["began", "began", "resolved"]


def heard_by_all(rig: Rig, count: int) -> bool:
    return all(len(one.heard) >= count for one in rig.channels.values())


async def test_two_dead_channels_make_two_alerts_and_no_more_and_are_tried_when_nothing_is_due() -> None:
    refuse = Misconfigured("it answered 403", "correct the key")
    rig = Rig({"a": FakeChannel(always=refuse), "b": FakeChannel(always=refuse)})
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(lambda: len(rig.said()) == 2, "two alerts")
        for tries in range(2, 7):
            rig.leads.now_s += 6
            await until(partial(heard_by_all, rig, tries), "one more try of each")
        assert len(rig.said()) == 2
    # who takes over finds them dead, with nothing to tell them: the alert is over, and theirs was told
    rig.feed.alerts.append(moved(alert(), "resolved"))
    for one in rig.channels.values():
        one.always = None
    rig.leads.now_s += 200_000
    async with rig.running():
        await until(lambda: len([one for one in rig.said() if one[2] == "resolved"]) == 2, "that both work")


async def test_a_channel_that_is_dead_and_no_channel_any_more_is_over() -> None:
    rig = Rig({"gone": FakeChannel(always=Misconfigured("403"))})
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(rig.said, "that it is dead")
    rig.channels = {"other": FakeChannel()}
    async with rig.running():
        await until(lambda: len(rig.said()) == 2, "that it is over")
    assert rig.said()[-1] == ("channel_dead", "gone", "resolved")


async def test_a_defect_in_one_channel_and_a_refused_alert_keep_nobody_from_their_alerts() -> None:
    secret = "s3cr3t-v4lue"
    rig = Rig(
        {
            "defect": FakeChannel(failures=[ValueError(secret)]),
            "refuses": FakeChannel(failures=[Rejected("refused_by_channel", "it answered 400")]),
        }
    )
    rig.feed.alerts += [alert(0), alert(1)]
    with capture_logs() as logs:
        async with rig.running():
            await until(lambda: len(rig.deliveries()) >= 2, "all that can be told")
            rig.leads.now_s += 2
            await until(lambda: len(rig.channels["defect"].took) == 2, "what the defect kept back")
    assert len(rig.channels["refuses"].took) == 1
    assert rig.metrics.value(Metric.CHANNEL_MESSAGES, channel="webhook", outcome="defect") == 1
    assert rig.metrics.value(Metric.CHANNEL_MESSAGES, channel="webhook", outcome="refused") == 1
    assert [line for line in logs if secret in str(line)] == []


async def test_logs_that_cant_be_read_are_read_later() -> None:
    rig = Rig({"one": FakeChannel()})
    rig.feed.failures = [Retryable("away"), RuntimeError("defect"), Misconfigured("no topic")]
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(rig.deliveries, "what was told")
        rig.feed.failures = [Retryable("away")]
        await until(lambda: rig.feed.opened >= 5, "the logs read anew")
        rig.feed.alerts.append(alert(1))
        await until(lambda: len(rig.deliveries()) == 2, "what came after")
    assert rig.channels["one"].news == ["began", "began"]


async def test_logs_that_cant_be_read_are_said_once_and_shown_until_they_can() -> None:
    rig = Rig({"one": FakeChannel()})
    with capture_logs() as logs:
        async with rig.running() as notifier:
            await until(lambda: rig.feed.opened, "the logs read")
            rig.feed.failures = [Retryable("no broker answers")] * 1_000

            def away_s() -> float:
                notifier.show()
                return rig.metrics.value(Metric.CHANNEL_LOGS_AWAY)

            await until(lambda: away_s() > 0 and len(rig.feed.failures) < 998, "that it is away")
            rig.feed.failures.clear()
            await until(lambda: away_s() == 0, "that it is back")
    said = [(line["log_level"], line["event"]) for line in logs if "logs of alerts" in line["event"]]
    assert said == [
        ("warning", "the logs of alerts can't be read, so no channel is told what is new"),
        ("warning", "the logs of alerts are read again"),
    ]


async def test_what_was_told_while_the_broker_was_away_is_kept_in_the_next_spell_and_told_no_more() -> None:
    rig = Rig({"one": FakeChannel()})
    async with rig.running():
        await until(lambda: rig.outbox.published[DELIVERIES], "that it joined")
        rig.outbox.failures = [Retryable("away")] * 1_000
        rig.feed.alerts.append(alert(0))
        await until(lambda: len(rig.outbox.failures) < 1_000, "what was told, and can't be kept")
        rig.feed.failures = [Retryable("no broker answers")]
        rig.feed.alerts.append(alert(1))
        await until(lambda: rig.feed.opened >= 2, "the logs read anew")
        rig.outbox.failures.clear()
        await until(lambda: len(rig.deliveries()) == 2, "all of it")
    assert [message.tellings[0].alert.id for message in rig.channels["one"].heard] == [
        alert(0).id,
        alert(1).id,
    ]
    assert rig.deliveries() == [("one", "began")] * 2


async def test_a_stop_lets_arrive_what_is_on_its_way() -> None:
    slow = FakeChannel(gate=asyncio.Event())
    rig = Rig({"slow": slow})
    rig.feed.alerts.append(alert())
    async with rig.running() as notifier:
        await until(lambda: slow.heard, "a message on its way")
        stopping = asyncio.ensure_future(notifier.stop())
        await until(lambda: notifier.should_stop, "a stop")
        assert slow.gate is not None
        slow.gate.set()
        await stopping
    assert rig.deliveries() == [("slow", "began")]


async def test_what_a_channel_has_when_another_has_taken_over_is_kept_and_the_other_tells_how_the_channel_is() -> (
    None
):
    takes, refuses = FakeChannel(gate=asyncio.Event()), FakeChannel(gate=asyncio.Event())
    refuses.always = Misconfigured("it answered 403", "correct the key")
    rig = Rig({"takes": takes, "refuses": refuses})
    rig.feed.alerts.append(alert())
    async with rig.running():
        await until(lambda: takes.heard and refuses.heard, "messages on their way")
        rig.leads.is_owner = rig.leads.is_live = False
        rig.leads.now_s = 0.0
        for one in (takes, refuses):
            assert one.gate is not None
            one.gate.set()
        await until(rig.deliveries, "what was told")
    assert rig.deliveries() == [("takes", "began")]
    assert rig.said() == []


async def test_a_stop_that_waits_no_longer_leaves_no_message_on_its_way() -> None:
    slow = FakeChannel(gate=asyncio.Event())
    rig = Rig({"slow": slow})
    rig.feed.alerts.append(alert())
    async with AsyncExitStack() as stack:
        notifier = rig.notifier()
        acting = asyncio.create_task(notifier.act(Spell(notifier, rig.leads), stack))
        await until(lambda: slow.heard, "a message on its way")
        acting.cancel()
        await asyncio.sleep(0)  # the spell ends, and waits for the message to arrive
        acting.cancel()
        await asyncio.wait((acting,))
    assert slow.given_up == 1
