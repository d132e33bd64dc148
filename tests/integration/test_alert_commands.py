"""`watchkeeper alerts` and its commands against a real broker: what is listed, explained, refused and written."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.cli.alerts_shapes import ActionDocument, AlertDocument, AlertsDocument
from monitor.embedded.kafka import KafkaPart
from monitor.ports import OutRecord
from monitor.settings import load
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert
from tests.integration.commands import Done, watchkeeper
from tests.unit.cli.alerts_fixture import shift, stalled

NOWHERE = "127.0.0.1:9"
SHIFT = shift()
STALLED = stalled()
OVER = shift(id="ee" * 16, state="resolved", ended_at=datetime.now(UTC) - timedelta(minutes=3))


@pytest.fixture
async def environment(kafka_part: KafkaPart) -> dict[str, str]:
    """A broker whose alerts' topic holds three alerts of this fleet, one of another, and a record of a newer release."""
    mark = secrets.token_hex(4)
    environment = {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address,
        "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": f"chat.{mark}",
        "WATCHKEEPER_KAFKA__ALERTS_TOPIC": f"alerts.{mark}",
        "WATCHKEEPER_KAFKA__ALERT_ACTIONS_TOPIC": f"actions.{mark}",
    }
    kafka = load(environment).kafka
    await ensure_topics(kafka)
    elsewhere = replace(SHIFT, fleet="staging", id="dd" * 16)
    newer = SHIFT.to_bytes().replace(b'"schema_version":1', b'"schema_version":2')
    outbox = await KafkaOutbox.connect(kafka)
    values = [one.to_bytes() for one in (SHIFT, STALLED, OVER, elsewhere, SHIFT)]
    await outbox.publish(
        kafka.alerts_topic, 0, [OutRecord(b"id", value) for value in (*values, newer, b"{", b"\xff")]
    )
    await outbox.aclose()
    return environment


async def alerts(environment: dict[str, str], *arguments: str) -> Done:
    return await watchkeeper(["alerts", *arguments], environment)


async def actions(environment: dict[str, str]) -> list[AlertAction]:
    kafka = load(environment).kafka
    async with KafkaAdmin.connect(kafka) as admin:
        topic = kafka.alert_actions_topic
        return [
            AlertAction.from_bytes(record.value or b"")
            async for record in admin.read(topic, await admin.ranges(topic))
        ]


async def test_the_list_is_of_this_fleet_and_counts_what_it_can_not_read(environment: dict[str, str]) -> None:
    done = await alerts(environment, "--json")
    document = AlertsDocument.model_validate_json(done.out)

    assert done.code == 0
    assert {line.id: line.state for line in document.alerts} == {
        SHIFT.id: "firing",
        STALLED.id: "firing",
        OVER.id: "resolved",
    }
    assert document.alerts[-1].id == OVER.id
    assert (document.firing, document.stale, document.unreadable) == (2, 0, 3)


async def test_one_is_explained_by_the_beginning_of_its_id(environment: dict[str, str]) -> None:
    done = await alerts(environment, "show", SHIFT.id[:6], "--json")
    document = AlertDocument.model_validate_json(done.out)
    shown = await alerts(environment, "show", SHIFT.id[:6])

    assert document.alert.id == SHIFT.id
    assert document.drift is not None
    assert document.drift.odds_ratio.value == 4.94
    assert (shown.code, "● observed" in shown.out) == (0, True)
    assert "\x1b" not in shown.out


async def test_what_people_do_is_written_once_and_shown(environment: dict[str, str]) -> None:
    muted = await alerts(
        environment, "mute", SHIFT.id[:8], "--for", "2h", "--note", "maintenance", "--by", "ada", "--json"
    )
    document = ActionDocument.model_validate_json(muted.out)
    listed = AlertsDocument.model_validate_json((await alerts(environment, "--json")).out)
    unmuted = await alerts(environment, "unmute", SHIFT.id)
    acknowledged = await alerts(environment, "ack", SHIFT.id, "--note", "new prompt")
    resolved = await alerts(environment, "resolve", SHIFT.id, "--json")
    shown: dict[str, Any] = json.loads((await alerts(environment, "show", SHIFT.id, "--json")).out)

    assert (muted.code, unmuted.code, acknowledged.code, resolved.code) == (0, 0, 0, 0)
    assert document.until is not None
    assert timedelta(hours=1, minutes=59) < document.until - datetime.now(UTC) <= timedelta(hours=2)
    assert {line.id: line.muted_until for line in listed.alerts if line.muted} == {SHIFT.id: document.until}
    assert "The new level (21.3 %) is normal" in acknowledged.out
    written = await actions(environment)
    assert [(one.alert_id, one.verb, one.fleet) for one in written] == [
        (SHIFT.id, verb, "watchkeeper") for verb in ("mute", "unmute", "acknowledge", "resolve")
    ]
    assert (written[0].by, written[0].note, written[0].until) == ("ada", "maintenance", document.until)
    assert [one["verb"] for one in shown["actions"]] == ["mute", "unmute", "acknowledge", "resolve"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "ffff"], "there is no alert 'ffff'"),
        (["ack", "ffff"], "there is no alert 'ffff'"),
        (["ack", ""], "there is no alert ''"),
        (["ack", OVER.id], "is over since"),
        (["mute", OVER.id], "is over since"),
        (["ack", STALLED.id], "ends when its cause is gone"),
        (["unmute", SHIFT.id], "isn't muted"),
        (["mute", SHIFT.id, "--for", "soon"], "--for 'soon' is no length"),
        (["mute", SHIFT.id, "--until", "2001-01-01"], "is over"),
        (["mute", SHIFT.id, "--for", "1h", "--until", "2099-01-01"], "both --for and --until"),
        (["ack", SHIFT.id, "--note", "x" * 2_001], "say it shorter"),
        (["--since", "1h", "show", SHIFT.id], "--since belongs after show"),
        (["shwo", SHIFT.id], "Did you mean 'show'?"),
    ],
)
async def test_what_can_not_be_done_is_refused_and_writes_nothing(
    environment: dict[str, str], arguments: list[str], told: str
) -> None:
    done = await alerts(environment, *arguments)

    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert await actions(environment) == []


async def test_a_broker_that_is_away_is_said(environment: dict[str, str]) -> None:
    for arguments in (["show", "ab"], ["ack", "ab"], []):
        done = await watchkeeper(
            ["alerts", *arguments], {**environment, "WATCHKEEPER_KAFKA__BOOTSTRAP": NOWHERE}
        )
        assert (done.code, "no Kafka broker answers" in done.err) == (3, True)


def test_the_alerts_of_this_test_are_three() -> None:
    assert len({one.id for one in (SHIFT, STALLED, OVER)}) == 3
    assert Alert.from_bytes(SHIFT.to_bytes()) == SHIFT
