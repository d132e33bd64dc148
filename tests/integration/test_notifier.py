"""From a record on the alerts topic to a message at a receiver for each type of channel: real brokers, workers, HTTP and mail servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.workers import WorkersPart
from monitor.metrics import Metric, Metrics
from monitor.notifying.message import Message
from monitor.settings import load
from schemas.alert_actions import AlertAction, Verb
from schemas.alert_deliveries import AlertDelivery
from schemas.alerts import Alert, Severity, Source, State, alert_id
from tests.fakes.mail_server import MailServer
from tests.fakes.membership import FakeMembership
from tests.fakes.receiver import TLS, Receiver, answer
from tests.integration.fleets import Fleet, freeze, thaw
from tests.unit.notifying.made import FLEET, alert, channel
from tests.waiting import until
from workers.identity import Identity
from workers.notifier import Notifier
from workers.telling import tell

SECRET = "s3cr3t-v4lue"
QUICK = {
    "WATCHKEEPER_CHANNELS__DEAD_AFTER_S": "2",
    "WATCHKEEPER_CHANNELS__RETRY_MAX_S": "1",
    "WATCHKEEPER_CHANNELS__RETRY_DEAD_S": "1",
}


@dataclass
class Team:
    """A fleet and the receivers of its channels."""

    fleet: Fleet
    file: Path
    alertmanager: Receiver
    slack: Receiver
    webhook: Receiver
    pagerduty: Receiver
    mail: MailServer

    async def start(self) -> WorkersPart:
        return await self.fleet.start("storage", WATCHKEEPER_CHANNELS__FILE=str(self.file), **QUICK)

    def alert(self, number: int, severity: Severity = "warning") -> Alert:
        """A new one, of a kind that no overseer looks after: it would find that it is over."""
        prefix, place = self.fleet.kafka.group_prefix, {"topic": f"chat.logs.{number}"}
        at = datetime.now(UTC)
        return Alert(
            id=alert_id(prefix, "tried_out", place, at),
            fleet=prefix,
            kind="tried_out",
            severity=severity,
            state="firing",
            started_at=at,
            at=at,
            ended_at=None,
            title=f"the {number}th alert",
            place=place,
            facts={"share": 0.12},
            remedy="`watchkeeper dlq list` says why",
            source=Source("host-1-ab", "0.1.0"),
        )

    async def say(self, alert: Alert, state: State = "firing") -> Alert:
        """Put it on the topic as it stands now."""
        at = datetime.now(UTC)
        said = msgspec.structs.replace(alert, state=state, at=at, ended_at=None if state == "firing" else at)
        await self.fleet.produce([said.to_bytes()], partitions=1, topic=self.fleet.kafka.alerts_topic)
        return said

    async def act(self, alert: Alert, verb: Verb) -> None:
        action = AlertAction(alert_id=alert.id, fleet=alert.fleet, verb=verb, by="ann", note="", until=None)
        topic = self.fleet.kafka.alert_actions_topic
        await self.fleet.produce([action.to_bytes()], partitions=1, topic=topic)

    def posted(self, alert: Alert) -> list[str]:
        """The news of an alert that the webhook got, each delivery once."""
        bodies = {one.json["delivery"]: one.json for one in self.webhook.requests}
        return [body["news"] for body in bodies.values() if body["alert"]["id"] == alert.id]

    def events(self, alert: Alert) -> list[str]:
        return [
            one.json["event_action"] for one in self.pagerduty.requests if one.json["dedup_key"] == alert.id
        ]

    def mails(self, alert: Alert) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mail.mails if alert.title in str(mail["Subject"])]

    def slacks(self, alert: Alert) -> list[str]:
        return [one.json["text"] for one in self.slack.requests if alert.title in one.json["text"]]

    def managed(self, alert: Alert) -> list[str]:
        """Its states, as Alertmanager was told; what is told again is told once here."""
        found = [
            posted["annotations"]["state"]
            for one in self.alertmanager.requests
            for posted in one.json
            if posted["annotations"]["alert_id"] == alert.id
        ]
        return [state for place, state in enumerate(found) if place == 0 or found[place - 1] != state]

    async def deliveries(self) -> list[AlertDelivery]:
        topic = self.fleet.kafka.alert_deliveries_topic
        async with KafkaAdmin.connect(self.fleet.kafka) as admin:
            ranges = await admin.ranges(topic)
            return [AlertDelivery.from_bytes(one.value or b"") async for one in admin.read(topic, ranges)]

    def is_ready(self, workers: int = 1) -> bool:
        return len(self.fleet.logged("this worker tells the channels")) >= workers


@pytest.fixture
async def team(tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart) -> AsyncIterator[Team]:
    async with AsyncExitStack() as stack:
        manager, slack, hook, pager = [await stack.enter_async_context(Receiver()) for _ in range(4)]
        mail = await stack.enter_async_context(MailServer(login=("wk", SECRET)))
        fleet = Fleet(tmp_path, kafka_part, clickhouse_part, "127.0.0.1:1")
        made = Team(fleet, tmp_path / "channels.toml", manager, slack, hook, pager, mail)
        (tmp_path / "key").write_text(SECRET)
        (tmp_path / "slack").write_text(f"{made.slack.address}/services/{SECRET}")
        made.file.write_text(f"""
[channels.manager]
type = "alertmanager"
url = "{made.alertmanager.address}"
bearer_token = "file:{tmp_path}/key"
resend_every_s = 5
allow_private = true

[channels.room]
type = "slack"
url = "file:{tmp_path}/slack"
allow_private = true

[channels.hook]
type = "webhook"
url = "{made.webhook.address}/in"
secret = "file:{tmp_path}/key"
allow_private = true

[channels.oncall]
type = "pagerduty"
url = "{made.pagerduty.address}/v2/enqueue"
routing_key = "file:{tmp_path}/key"
allow_private = true

[channels.mail]
type = "email"
host = "localhost"
port = {mail.port}
username = "wk"
password = "file:{tmp_path}/key"
sender = "wk@example.com"
to = ["team@example.com"]
ca_file = "{TLS}/authority.pem"
allow_private = true
""")
        yield made
        for worker in made.fleet.workers:
            await worker.stop()


async def test_an_alert_reaches_every_channel_when_it_begins_and_when_it_is_over(team: Team) -> None:
    worker = await team.start()
    await until(team.is_ready, "a worker that tells")
    began = asyncio.get_running_loop().time()
    alert = await team.say(team.alert(1))
    everywhere = (team.managed, team.slacks, team.posted, team.events, team.mails)
    await until(lambda: all(told(alert) for told in everywhere), "the alert everywhere")
    took_s = asyncio.get_running_loop().time() - began
    await until(lambda: len(team.alertmanager.requests) >= 3, "what Alertmanager is told again")
    await team.act(alert, "acknowledge")
    await until(lambda: team.events(alert)[1:], "that somebody has taken note")
    await team.say(alert, "resolved")
    await until(lambda: all(len(told(alert)) >= 2 for told in everywhere), "its end everywhere")
    await until(lambda: len(team.mails(alert)) >= 3, "its end by mail")
    shown = team.fleet.metrics(worker)

    assert took_s < 10
    assert team.managed(alert) == ["firing", "resolved"]
    assert team.posted(alert) == ["began", "acknowledged", "resolved"]
    assert team.events(alert) == ["trigger", "acknowledge", "resolve"]
    assert team.mails(alert)[0] == "[WARNING] began: the 1th alert"
    assert team.alertmanager.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert shown['watchkeeper_channel_messages_total{channel="email",outcome="told"}'] >= 3
    assert SECRET not in worker.log.read_text()
    assert {one.channel for one in await team.deliveries()} == {"manager", "room", "hook", "oncall", "mail"}


async def test_who_takes_over_from_a_worker_that_was_killed_tells_what_is_owed_and_nothing_twice(
    team: Team,
) -> None:
    leading = await team.start()
    await until(team.is_ready, "a worker that tells")
    await team.start()
    known = await team.say(team.alert(1))
    everywhere = (team.managed, team.slacks, team.posted, team.events, team.mails)
    await until(lambda: all(told(known) for told in everywhere), "the first alert everywhere")
    team.pagerduty.gate = asyncio.Event()
    held = await team.say(team.alert(2))
    await until(
        lambda: team.events(held) and team.mails(held) and team.posted(held), "the second, not taken by one"
    )
    await until(lambda: _kept(team, held, 4), "what was told of it")
    await leading.kill()
    late = await team.say(team.alert(3))
    await team.say(known, "resolved")
    team.pagerduty.gate.set()
    await until(lambda: all(told(late) for told in everywhere), "what came meanwhile", within_s=60)
    await until(lambda: all(len(told(known)) == 2 for told in everywhere), "the end of the first")
    await until(lambda: len(team.events(held)) == 2, "what was on its way, again")

    assert team.posted(known) == ["began", "resolved"]
    assert team.posted(held) == ["began"]
    assert [len(team.mails(one)) for one in (known, held, late)] == [2, 1, 1]
    assert [len(team.slacks(one)) for one in (known, held, late)] == [2, 1, 1]
    assert (team.events(known), team.events(held), team.events(late)) == (
        ["trigger", "resolve"],
        ["trigger", "trigger"],  # with one dedup_key: one incident
        ["trigger"],
    )


async def _kept(team: Team, alert: Alert, count: int) -> bool:
    return len([one for one in await team.deliveries() if one.alert_id == alert.id]) >= count


async def test_a_channel_that_is_dead_delays_no_other_and_is_told_until_it_works(team: Team) -> None:
    team.slack.then = answer(503)
    team.pagerduty.then = answer(403, b"nobody")
    team.webhook.gate = asyncio.Event()
    await team.start()
    await until(team.is_ready, "a worker that tells")
    alert = await team.say(team.alert(1))
    await until(lambda: team.mails(alert) and team.managed(alert), "the alert where it works")

    async def dead(state: str) -> list[Alert]:
        newest = {one.id: one for one in await team.fleet.alerts() if one.kind == "channel_dead"}
        names = sorted(one.place["channel"] for one in newest.values() if one.state == state)
        return list(newest.values()) if names == ["oncall", "room"] else []

    about = await until(lambda: dead("firing"), "that two are dead")
    await until(lambda: all(_managed(team, one) for one in about), "that at Alertmanager")
    team.slack.then = answer(200, b"ok")
    team.pagerduty.then = answer(202)
    await until(lambda: dead("resolved"), "that both work again")
    await until(lambda: team.events(alert) and team.slacks(alert)[-1:], "what they missed")
    team.webhook.gate.set()
    await until(lambda: team.posted(alert), "what the slow one was told")
    log = [one for one in await team.fleet.alerts() if one.kind == "channel_dead"]

    assert {(one.severity, one.facts["type"]) for one in about} == {
        ("warning", "slack"),
        ("warning", "pagerduty"),
    }
    assert len({one.id for one in log}) == 2
    assert [one["event"] for one in team.fleet.logged("telling the channels failed, begun again")] == []
    assert SECRET not in team.fleet.workers[0].log.read_text()


def _managed(team: Team, alert: Alert) -> bool:
    return bool(team.managed(alert))


async def test_a_broker_that_falls_silent_is_noticed_and_when_it_is_back_nothing_is_lost_or_told_twice(
    new_kafka: Callable[[], KafkaPart],
) -> None:
    """Leading all the while: the broker of the alerts may be silent alone. It is frozen between a telling and the record of it."""
    async with new_kafka() as broker, AsyncExitStack() as stack:
        settings = load(
            {"WATCHKEEPER_KAFKA__BOOTSTRAP": broker.address, "WATCHKEEPER_KAFKA__GROUP_PREFIX": FLEET}
        )
        await ensure_topics(settings.kafka)
        metrics, heard = Metrics(), Heard()
        outbox = await KafkaOutbox.connect(settings.kafka)
        stack.push_async_callback(outbox.aclose)
        who = Identity("host-1-ab", "0.1.0", datetime.now(UTC))
        leads = FakeMembership(now_s=time.time())
        notifier = Notifier(
            who, outbox, settings, leads, [(channel("webhook", "hook"), heard)], metrics=metrics
        )
        stack.push_async_callback(notifier.stop)
        await notifier.start()
        await tell(outbox, settings.kafka, alert(0))
        await until(lambda: heard.ids == [alert(0).id], "the first alert")

        def shown(metric: Metric, **labels: str) -> float:
            notifier.show()
            return metrics.value(metric, **labels)

        heard.on_tell = lambda: freeze(broker)
        said = asyncio.ensure_future(
            tell(outbox, settings.kafka, alert(1))
        )  # perhaps acknowledged in the end alone
        try:
            with capture_logs() as logs:
                await until(lambda: shown(Metric.CHANNEL_LOGS_AWAY) > 0, "that the broker is away")
        finally:
            heard.on_tell = lambda: None
            thaw(broker)
        await said
        await until(lambda: shown(Metric.CHANNEL_LOGS_AWAY) == 0, "that the broker is back")
        await tell(outbox, settings.kafka, alert(2))
        await until(lambda: alert(2).id in heard.ids, "what came after")
        await until(lambda: shown(Metric.CHANNEL_WAITING, channel="webhook") == 0, "that nothing waits")

    assert heard.ids == [alert(number).id for number in range(3)]
    assert [line["error"] for line in logs if "logs of alerts" in line["event"]] == [
        f"no Kafka broker answers at {broker.address} within 4 s"
    ]


@dataclass
class Heard:
    """Implements ports.AlertChannel: it takes everything. `on_tell` is called as it does."""

    ids: list[str] = field(default_factory=list)
    on_tell: Callable[[], None] = lambda: None

    async def tell(self, message: Message) -> None:
        self.ids += [telling.alert.id for telling in message.tellings]
        self.on_tell()

    async def ready(self) -> None: ...


async def test_a_worker_doesnt_start_with_a_file_of_channels_that_cant_be_used(team: Team) -> None:
    team.file.write_text(
        '[channels.x]\ntype = "slack"\nurl = "https://hooks.slack.com/services/T/B/secret"\n'
    )
    with pytest.raises(Exception, match=r"line 3: x\.url") as caught:
        await team.start()
    assert "/T/B/secret" not in str(caught.value)
