"""Mail against a real SMTP server on this machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from monitor.adapters.channels.connect import alert_channel
from monitor.embedded.free_ports import free_port
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.notifying.references import Secrets
from monitor.ports import AlertChannel
from tests.fakes.mail_server import MailServer
from tests.fakes.receiver import TLS, Receiver, silence
from tests.unit.notifying.made import alert, channel, message

PASSWORD = "s3cr3t-v4lue"
SECRETS = Secrets({"MAIL_PASSWORD": PASSWORD})


def mailer(server: MailServer | Receiver, **more: Any) -> AlertChannel:
    given = {
        "host": "localhost",
        "port": server.port,
        "allow_private": True,
        "ca_file": TLS / "authority.pem",
        "timeout_s": 5,
        **more,
    }
    return alert_channel(channel("email", **given), SECRETS)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_goes_out_encrypted_and_logged_in(security: Any) -> None:
    async with MailServer(security, login=("wk", PASSWORD)) as server:
        told = mailer(server, security=security, username="wk", password="env:MAIL_PASSWORD")
        await told.tell(message(alert(tenant="acme")))
    (mail,) = server.mails
    assert server.envelopes[0].rcpt_tos == ["team@example.com"]
    assert mail["Subject"] == "[WARNING] began: 12 % of the messages go to the dead letters"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert f"watchkeeper alerts show {alert(tenant='acme').id}" in plain.get_content()


async def test_a_mail_goes_out_plain_only_where_the_channel_says_so() -> None:
    async with MailServer("none") as server:
        with pytest.raises(Misconfigured, match="STARTTLS"):
            await mailer(server).tell(message())
        assert server.mails == []
        await mailer(server, security="none").tell(message())
        assert len(server.mails) == 1


async def test_a_wrong_password_is_a_persons_to_mend_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with MailServer(login=("wk", "another")) as server:
        told = mailer(server, username="wk", password="env:MAIL_PASSWORD")
        with pytest.raises(Misconfigured, match=r"refuses the user name or password \(535\)") as caught:
            await told.tell(message())
    said = [str(caught.value), repr(caught.value), str(caught.value.__context__)]
    logged = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("monitor", "aiosmtplib", "watch"))
    ]
    assert [one for one in said + logged if PASSWORD in one] == []


async def test_a_certificate_of_nobody_known_is_refused() -> None:
    for security in ("starttls", "tls"):
        async with MailServer(security) as server:
            with pytest.raises(Misconfigured, match="certificate"):
                await mailer(server, security=security, ca_file=None).tell(message())
            assert server.mails == []


async def test_a_mail_is_verified_by_the_name_at_the_address_that_was_judged() -> None:
    asked = []

    async def names(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with MailServer() as server:
        for host, is_good in (("mail.example.test", True), ("other.example.test", False)):
            made = channel(
                "email", host=host, port=server.port, allow_private=True, ca_file=TLS / "authority.pem"
            )
            told = alert_channel(made, SECRETS, resolver=names)
            if is_good:
                await told.tell(message())
            else:
                with pytest.raises(Misconfigured, match="certificate"):
                    await told.tell(message())
        with pytest.raises(Misconfigured, match="resolves to"):
            await alert_channel(channel("email", port=server.port), SECRETS, resolver=names).tell(message())
    assert asked == ["mail.example.test", "other.example.test", "mail.example.com"]
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"refuse": "451 later"}, Retryable),
        ({"refuse": "554 spam"}, Rejected),
        ({"refuse_recipients": "550 nobody here"}, Misconfigured),
        ({"refuse_recipients": "450 later"}, Retryable),
    ],
)
async def test_what_a_mail_servers_answer_means(more: dict[str, str], kind: type[Exception]) -> None:
    async with MailServer(**more) as server:  # type: ignore[arg-type]  # str for str
        with pytest.raises(kind):
            await mailer(server).tell(message())


async def test_a_server_that_is_away_or_says_nothing_may_pass() -> None:
    async with Receiver(then=silence) as server:
        with pytest.raises(Retryable):
            await mailer(server, timeout_s=0.2).tell(message())
        server.port = free_port()
        with pytest.raises(Retryable, match="no connection"):
            await mailer(server).tell(message())


async def test_a_server_that_never_stops_answering_is_cut_off() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while sent < 500_000_000:
                writer.write(b"220-welcome\r\n" * 5_000)
                await writer.drain()
                sent += 65_000
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = channel("email", host="127.0.0.1", port=port, allow_private=True, security="none", timeout_s=5)
    with pytest.raises(Retryable):
        await alert_channel(made, SECRETS).tell(message())
    server.close()
    assert sent < 20_000_000
