"""What each channel says: within its limits, by its rules, and with nothing in it that it would take for more than text."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP as SMTP_POLICY
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are a package of their own
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.channels.alertmanager import alerts_body, labels_of
from monitor.adapters.channels.connect import alert_channel
from monitor.adapters.channels.email import email_of
from monitor.adapters.channels.pagerduty import pagerduty_body
from monitor.adapters.channels.slack import slack_body
from monitor.adapters.channels.webhook import webhook_body
from monitor.notifying.channels import Alertmanager, Email
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import News
from monitor.notifying.references import Secrets
from schemas.alerts import Alert
from tests.fakes.receiver import Receiver, answer
from tests.unit.notifying.made import NOON, NOON_S, alert, channel, message, moved

LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
POSTABLE_ALERTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["labels"],
        "additionalProperties": False,
        "properties": {
            "labels": {
                **LABELS,
                "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
                "minProperties": 1,
            },
            "annotations": {**LABELS, "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}},
            "startsAt": {"type": "string", "format": "date-time"},
            "endsAt": {"type": "string", "format": "date-time"},
            "generatorURL": {"type": "string", "format": "uri"},
        },
    },
}
"""Its OpenAPI's postableAlerts, with the rules for names that its server adds."""

HOSTILE = [
    "<!channel> <https://evil.example|click>",
    "<script>alert(1)</script>",
    "x\r\nBcc: victim@example.com\r\n\r\nbody",
    "x\nSubject: other",
    "\u202etxet desrever\u200b",
    "=?utf-8?q?=0d=0aBcc=3a_victim?=",
    "&lt;&amp;" * 200,
    "ü" * 5000,
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "\x00\x1b[31m",
    "",
]


def hostile(text: str) -> Alert:
    place = {"tenant": text, "model": text, "9 bad-key": text, "severity": text}
    return msgspec.structs.replace(
        alert(level=1), place=place, title=text, remedy=text, facts={text: text, "n": 1.0}
    )


def manager(**more: Any) -> Alertmanager:
    made = channel("alertmanager", **more)
    assert isinstance(made, Alertmanager)
    return made


def mailbox(**more: Any) -> Email:
    made = channel("email", **more)
    assert isinstance(made, Email)
    return made


def test_alertmanager_is_told_identity_in_labels_and_figures_in_annotations() -> None:
    shift = alert(level=1, kind="rate_shift", tenant="acme", model="m-1", measure="refusal")
    (posted,) = alerts_body(message(shift), manager(generator_url="https://grafana.example.com/d/1"), NOON)
    assert posted["labels"] == {
        "alertname": "rate_shift",
        "fleet": "wk",
        "kind": "rate_shift",
        "severity": "warning",
        "tenant": "acme",
        "model": "m-1",
        "measure": "refusal",
    }
    assert posted["startsAt"] == NOON.isoformat()
    assert posted["endsAt"] == (NOON + timedelta(seconds=240)).isoformat()
    assert posted["annotations"]["odds_ratio"] == "2.0 (1.7 to 2.4)"
    assert posted["annotations"]["rate"] == (
        "3.1 % (2.8 % to 3.4 %) before, 6.0 % (5.1 % to 7.0 %) after, change +2.9 points (+2.0 to +3.9)"
    )
    assert posted["annotations"]["command"] == f"watchkeeper alerts show {shift.id}"
    later = msgspec.structs.replace(shift, title="other", facts={"k": 3.0}, at=NOON + timedelta(hours=1))
    assert labels_of(later) == labels_of(shift)


def test_alertmanager_is_told_that_an_alert_is_over_under_the_labels_that_it_knows() -> None:
    over = moved(alert(), "resolved", after_s=60)
    (posted,) = alerts_body(message(over, News.RESOLVED), manager(), NOON + timedelta(seconds=90))
    assert posted["endsAt"] == (NOON + timedelta(seconds=60)).isoformat()
    worse = Telling(alert(severity="critical"), News.ESCALATED, "r2", due_s=NOON_S, severity_before="warning")
    now = NOON + timedelta(seconds=5)
    live, gone = alerts_body(Message("am", (worse,)), manager(), now)
    assert (live["labels"]["severity"], gone["labels"]["severity"]) == ("critical", "warning")
    assert live["endsAt"] > now.isoformat() == gone["endsAt"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("news", list(News))
def test_what_alertmanager_is_told_is_what_its_openapi_takes(text: str, news: News) -> None:
    for one in (hostile(text), moved(hostile(text), "resolved", after_s=9)):
        body = alerts_body(message(one, news), manager(), NOON)
        jsonschema.validate(body, POSTABLE_ALERTS, format_checker=jsonschema.FormatChecker())
        for posted in body:
            assert all(posted["labels"].values())
            assert datetime.fromisoformat(posted["startsAt"]) <= datetime.fromisoformat(posted["endsAt"])


def texts(node: Any) -> list[tuple[str, str]]:
    """Every text object of a Slack payload, with its type."""
    if isinstance(node, dict):
        own = [(node["type"], node["text"])] if isinstance(node.get("text"), str) and "type" in node else []
        return own + [found for value in node.values() for found in texts(value)]
    return [found for value in node for found in texts(value)] if isinstance(node, list) else []


def require_slack_takes(body: dict[str, Any]) -> None:
    """Block Kit's limits, and no markup but ours."""
    assert 1 <= len(body["blocks"]) <= 50
    assert len(body["text"]) <= 4000
    for block in body["blocks"]:
        match block["type"]:
            case "header":
                assert block["text"]["type"] == "plain_text"
                assert 1 <= len(block["text"]["text"]) <= 150
            case "section":
                assert 1 <= len(block.get("fields", [1])) <= 10
                assert all(len(field["text"]) <= 2000 for field in block.get("fields", ()))
                assert len(block.get("text", {"text": ""})["text"]) <= 3000
            case "context":
                assert len(block["elements"]) <= 10
            case other:
                raise AssertionError(other)
    for kind, text in [*texts(body["blocks"]), ("mrkdwn", body["text"])]:
        if kind == "mrkdwn":
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_slack_is_told_text_and_no_markup_within_its_limits(text: str) -> None:
    require_slack_takes(slack_body(message(hostile(text))))
    many = tuple(Telling(hostile(text), News.BEGAN, f"r{n}", due_s=NOON_S) for n in range(20))
    require_slack_takes(slack_body(Message("team", many)))


@given(st.text(max_size=400))
def test_slack_takes_any_text(text: str) -> None:
    require_slack_takes(slack_body(message(hostile(text))))


def test_slack_says_in_words_what_others_say_in_colour() -> None:
    body = slack_body(message(alert(severity="critical", tenant="acme")))
    assert body["blocks"][0]["text"]["text"] == (
        "[CRITICAL] began: 12 % of the messages go to the dead letters"
    )
    shown = "\n".join(text for _, text in texts(body["blocks"]))
    for part in (
        "tenant acme",
        "2026-03-03 12:00:00 UTC",
        "0.12",
        "5,000",
        "dlq list",
        "watchkeeper alerts show",
    ):
        assert part in shown


async def test_slack_names_its_own_word_for_what_is_wrong() -> None:
    async with Receiver(then=answer(404, b"channel_not_found")) as receiver:
        told = alert_channel(
            channel("slack", allow_private=True), Secrets({"SLACK_URL": f"{receiver.address}/T0/B0/secret"})
        )
        with pytest.raises(Exception, match=r"^the URL in env:SLACK_URL answered 404 \(channel_not_found\)"):
            await told.tell(message())


async def test_a_webhook_is_signed_over_time_and_body_and_keeps_its_key_over_tries() -> None:
    """The receiver of docs/channels.md."""
    secret = "s3cr3t"
    async with Receiver(answers=[answer(500)]) as receiver:
        url = f"{receiver.address}/in"
        told = alert_channel(channel(url=url, allow_private=True), Secrets({"HOOK_SECRET": secret}))
        with pytest.raises(Exception, match="answered 500"):
            await told.tell(message())
        await told.tell(message())
    first, second = receiver.requests
    for request in (first, second):
        stamp = request.headers["watchkeeper-timestamp"]
        signed = hmac.new(secret.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256).hexdigest()
        assert request.headers["watchkeeper-signature"] == f"v1={signed}"
        assert abs(datetime.now(UTC).timestamp() - int(stamp)) < 30
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == message().key
    assert first.headers["watchkeeper-delivery"] == first.json["delivery"] == message().key
    assert first.json["alert"]["id"] == alert().id
    assert (first.json["news"], first.json["is_test"]) == ("began", False)


def test_a_webhooks_alert_is_the_record() -> None:
    shift = alert(level=2)
    body = msgspec.json.encode(webhook_body(message(shift)))
    assert Alert.from_bytes(msgspec.json.encode(msgspec.json.decode(body)["alert"])) == shift


@pytest.mark.parametrize(
    ("one", "news", "action"),
    [
        (alert(), News.BEGAN, "trigger"),
        (alert(severity="critical"), News.ESCALATED, "trigger"),
        (moved(alert(), "stale"), News.STALE, "trigger"),
        (alert(), News.ACKNOWLEDGED, "acknowledge"),
        (moved(alert(), "acknowledged"), News.ACKNOWLEDGED, "resolve"),
        (moved(alert(), "resolved"), News.RESOLVED, "resolve"),
    ],
)
def test_pagerduty_has_one_incident_an_alert(one: Alert, news: News, action: str) -> None:
    body = pagerduty_body(message(one, news))
    assert (body["event_action"], body["dedup_key"]) == (action, alert().id)
    assert body["payload"]["severity"] == one.severity


@pytest.mark.parametrize("text", HOSTILE)
def test_pagerduty_is_told_within_its_limits(text: str) -> None:
    body = pagerduty_body(message(hostile(text)))
    assert len(body["dedup_key"]) <= 255
    assert 1 <= len(body["payload"]["summary"]) <= 1024
    assert len(msgspec.json.encode(body)) < 512_000
    assert all(len(value) <= 600 for value in body["payload"]["custom_details"].values())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_mail_has_the_headers_that_it_should_and_no_others(text: str) -> None:
    raw = email_of(message(hostile(text)), mailbox(), NOON).as_bytes()
    mail = message_from_bytes(raw, policy=SMTP_POLICY)
    assert {name.lower() for name, _ in mail.items()} <= {
        *("from", "to", "subject", "date", "message-id", "references", "auto-submitted", "mime-version"),
        "content-type",
    }
    assert mail["To"] == "team@example.com"
    html = mail.get_body(("html",))
    assert html is not None
    shown = html.get_content()
    assert "<script" not in shown
    assert not re.search(r"<(?!/?(html|body|h2|table|tr|th|td|p|code|hr)\b|!doctype)", shown)


@given(st.text(max_size=300))
def test_a_mail_can_be_made_of_any_text(text: str) -> None:
    mail = email_of(message(hostile(text)), mailbox(), NOON)
    assert "\n" not in mail["Subject"]
    assert mail.as_bytes()


def test_the_mails_of_an_alert_stand_together_and_one_that_comes_twice_can_be_told() -> None:
    box = mailbox()
    first, again = (email_of(message(), box, NOON) for _ in range(2))
    over = Message("team", (Telling(moved(alert(), "resolved"), News.RESOLVED, "r9", due_s=NOON_S),))
    last = email_of(over, box, NOON)
    assert first["Message-ID"] == again["Message-ID"] != last["Message-ID"]
    assert first["References"] == last["References"]


@pytest.mark.parametrize("kind", ["alertmanager", "slack", "webhook", "pagerduty", "email"])
def test_a_test_is_clearly_one(kind: str) -> None:
    tried = message(is_test=True)
    bodies: dict[str, Callable[[], object]] = {
        "alertmanager": lambda: alerts_body(tried, manager(), NOON),
        "slack": lambda: slack_body(tried),
        "webhook": lambda: webhook_body(tried),
        "pagerduty": lambda: pagerduty_body(tried),
        "email": lambda: str(email_of(tried, mailbox(), NOON)["Subject"]),
    }
    assert "TEST, nothing is wrong" in msgspec.json.encode(bodies[kind]()).decode()
