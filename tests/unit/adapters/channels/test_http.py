"""A channel's POST against real servers on this machine: bounded, verified, and going nowhere that it shouldn't."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from monitor.adapters.channels.addresses import addresses_of, fault
from monitor.adapters.channels.connect import alert_channel
from monitor.adapters.channels.http import MOST_OF_ANSWER, retry_after_s
from monitor.embedded.free_ports import free_port
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.notifying.references import Secrets
from tests.fakes.receiver import TLS, Answer, Receiver, answer, silence, trickle
from tests.unit.notifying.made import channel, message

SECRET = "s3cr3t-v4lue"
SECRETS = Secrets(
    {
        "HOOK_SECRET": SECRET,
        "PAGER_KEY": SECRET,
        "TOKEN": SECRET,
        "SLACK_URL": f"https://hooks.example.test/{SECRET}",
    }
)


def webhook(url: str, **more: Any) -> Any:
    """What tells a webhook on this machine."""
    given = {"url": url, "allow_private": True, "timeout_s": 5, **more}
    return alert_channel(channel("webhook", **given), SECRETS)


class Names:
    """A resolver that knows some names, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0)


async def failure(told: Answer, **more: Any) -> Exception:
    async with Receiver(then=told) as receiver:
        with pytest.raises((Retryable, Misconfigured, Rejected)) as caught:
            await webhook(receiver.address, **more).tell(message())
        assert len(receiver.requests) == 1
        return caught.value


async def test_of_an_answer_of_500_mb_only_the_first_64_kib_are_read() -> None:
    async with Receiver() as receiver:
        receiver.then = receiver.flood
        await webhook(receiver.address).tell(message())
    assert receiver.sent_bytes < 20_000_000  # what fits into the buffers on the way
    assert MOST_OF_ANSWER == 65_536


async def test_an_answer_that_trickles_is_given_up_once_the_whole_call_is_over_its_time() -> None:
    told = await failure(trickle, timeout_s=0.2)
    assert isinstance(told, Retryable)
    assert str(told) == "127.0.0.1 took more than 0.6 s"


async def test_no_answer_is_given_up_in_time() -> None:
    told = await failure(silence, timeout_s=0.2)
    assert (type(told), str(told)) == (Retryable, "127.0.0.1 didn't answer within 0.2 s")


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:{port}/"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(location: str, status: int) -> None:
    async with Receiver() as inside:
        where = location.format(port=inside.port)
        told = await failure(answer(status, b"", f"Location: {where}"))
    assert isinstance(told, Misconfigured)
    assert "no channel follows" in str(told)
    assert where not in str(told)
    assert inside.requests == []


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [("37", 37, 37), (None, 0, 0), ("soon", 0, 0), ("-5", 0, 0), ("9" * 200, 0, 0)],
)
async def test_too_many_requests_are_tried_again_when_the_receiver_says(
    header: str | None, least_s: float, most_s: float
) -> None:
    told = await failure(answer(429, b"", *([f"Retry-After: {header}"] if header else [])))
    assert isinstance(told, Retryable)
    assert least_s <= (told.retry_after_s or 0) <= most_s


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
    assert retry_after_s("120", now) == 120
    assert retry_after_s("Tue, 03 Mar 2026 12:01:00 GMT", now) == 60
    assert retry_after_s("Tue, 03 Mar 2026 11:00:00 GMT", now) == 0
    assert retry_after_s("nonsense", now) is None
    assert retry_after_s("Tue, 99 Mar 2026 99:01:00 GMT", now) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Retryable) for status in (408, 429, 500, 502, 503, 504)),
        *((status, Misconfigured) for status in (401, 403, 404, 405, 410)),
        *((status, Rejected) for status in (400, 409, 413, 422)),
    ],
)
async def test_what_an_answer_means(status: int, kind: type[Exception]) -> None:
    told = await failure(answer(status, SECRET.encode()))
    assert type(told) is kind
    assert SECRET not in str(told)


@pytest.mark.parametrize(
    "rubbish", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\x00" * 200_000]
)
async def test_an_answer_that_is_none_may_pass(rubbish: bytes) -> None:
    assert isinstance(await failure(rubbish), Retryable)


async def test_a_refused_connection_may_pass() -> None:
    with pytest.raises(Retryable, match=r"no connection to 127\.0\.0\.1"):
        await webhook(f"http://127.0.0.1:{free_port()}").tell(message())


async def test_a_certificate_of_nobody_known_is_refused() -> None:
    async with Receiver(is_tls=True) as receiver:
        with pytest.raises(Misconfigured, match="certificate"):
            await webhook(receiver.address).tell(message())
        assert receiver.requests == []


async def test_tls_goes_to_the_address_that_was_judged_and_is_verified_by_the_name() -> None:
    async with Receiver(is_tls=True) as receiver:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        url = f"https://hooks.example.test:{receiver.port}/in?a=b"
        told = alert_channel(
            channel("webhook", url=url, allow_private=True, ca_file=TLS / "authority.pem"),
            SECRETS,
            resolver=names,
        )
        await told.tell(message())
        other = channel(
            "webhook",
            url=f"https://other.example.test:{receiver.port}/",
            allow_private=True,
            ca_file=TLS / "authority.pem",
        )
        with pytest.raises(Misconfigured, match="certificate"):
            await alert_channel(other, SECRETS, resolver=Names(["127.0.0.1"])).tell(message())
    assert names.asked == ["hooks.example.test"]  # once: a second answer would have led elsewhere
    (request,) = receiver.requests
    assert (request.path, request.headers["host"]) == ("/in?a=b", f"hooks.example.test:{receiver.port}")


async def test_plain_http_where_tls_is_expected_may_pass() -> None:
    async with Receiver() as receiver:
        told = webhook(f"https://127.0.0.1:{receiver.port}", ca_file=TLS / "authority.pem", timeout_s=0.3)
        with pytest.raises(Retryable, match="no connection to"):
            await told.tell(message())
        assert receiver.requests == []


INSIDE = [
    *(
        "127.0.0.1",
        "127.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "169.254.169.254",
    ),
    *(
        "169.254.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
    ),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "fec0::1",
        "fd00:ec2::254",
        "::127.0.0.1",
    ),
]
NEVER = {
    "0.0.0.0",
    "169.254.169.254",
    "169.254.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "fe80::1",
} | {*("ff02::1", "fd00:ec2::254")}


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    for found in ([address], ["93.184.216.34", address]):
        told = alert_channel(channel("webhook"), SECRETS, resolver=Names(found))
        with pytest.raises(Misconfigured, match=r"resolves to"):
            await told.tell(message())
    allowed = fault(ip_address(address), allow_private=True) is None
    assert allowed == (address not in NEVER)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111"])
def test_an_address_outside_is_allowed(address: str) -> None:
    assert fault(ip_address(address), allow_private=False) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433", "127.1"])
async def test_this_machine_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(Misconfigured, match=r"resolves to|can't be resolved"):
        await alert_channel(channel("webhook", url=f"https://{host}/"), SECRETS).tell(message())


async def test_a_name_that_nobody_knows_is_a_persons_to_mend_and_a_resolver_that_is_away_may_pass() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def away(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "away")

    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(Misconfigured, match="can't be resolved"):
        await addresses_of("x", 1, "x", allow_private=False, timeout_s=1, resolver=unknown)
    with pytest.raises(Retryable, match="just now"):
        await addresses_of("x", 1, "x", allow_private=False, timeout_s=1, resolver=away)
    with pytest.raises(Retryable, match="more than"):
        await addresses_of("x", 1, "x", allow_private=False, timeout_s=0.05, resolver=slow)
    with pytest.raises(Misconfigured, match="no address"):
        await addresses_of("x", 1, "x", allow_private=False, timeout_s=1, resolver=Names([]))


async def test_the_environments_proxy_is_not_used_and_one_that_is_set_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Receiver() as proxy, Receiver() as receiver:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        monkeypatch.setenv("ALL_PROXY", proxy.address)
        await webhook(receiver.address).tell(message())
        assert proxy.requests == []
        await webhook("http://hooks.example.test/in", proxy=proxy.address).tell(message())
        assert proxy.requests[0].path == "http://hooks.example.test/in"
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("kind", ["alertmanager", "slack", "webhook", "pagerduty"])
@pytest.mark.parametrize("status", [200, 302, 403, 500, 400])
async def test_no_secret_is_in_any_log_or_error(
    kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver(then=answer(status, b"no_" + SECRET.encode())) as receiver:
        secrets = Secrets(
            {
                **SECRETS.environ,
                "SLACK_URL": f"{receiver.address}/{SECRET}",
                "URL": f"{receiver.address}/{SECRET}",
            }
        )
        more: dict[str, Any] = {
            "alertmanager": {"bearer_token": "env:TOKEN"},
            "webhook": {"bearer_token": "env:TOKEN"},
        }.get(kind, {})
        url = {"slack": "env:SLACK_URL"}.get(kind, "env:URL")
        made = channel(kind, url=url, allow_private=True, **more)
        said = [repr(made), str(made), repr(secrets)]
        try:
            await alert_channel(made, secrets).tell(message())
        except (Retryable, Misconfigured, Rejected) as exc:
            said += [str(exc), repr(exc), str(exc.__cause__), str(exc.__context__)]
        assert receiver.requests
    said += [
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name != "asyncio"
    ]
    assert [one for one in said if SECRET in one] == []


@pytest.mark.parametrize("secret", ["", "  ", "two\nlines", "tab\tin it"])
async def test_a_secret_that_is_missing_or_no_secret_is_a_persons_to_mend(secret: str) -> None:
    told = alert_channel(channel("webhook"), Secrets({"HOOK_SECRET": secret}), resolver=Names(["8.8.8.8"]))
    with pytest.raises(Misconfigured, match="env:HOOK_SECRET"):
        await told.tell(message())
    with pytest.raises(Misconfigured, match="env:HOOK_SECRET"):
        await told.ready()
