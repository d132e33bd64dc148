"""Mail by SMTP, encrypted, as plain text and as simple HTML. Message ids are made of the alert, so that a mail that comes twice can be
told, and the mails of one alert stand together."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from html import escape
from typing import Final

import aiosmtplib

from monitor.adapters.channels.addresses import Resolve, addresses_of, resolve
from monitor.adapters.channels.tls import tls_context
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.notifying.channels import Email
from monitor.notifying.message import Message
from monitor.notifying.references import Secrets
from monitor.notifying.wording import Words, subject, words

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
WHOLE_CALL: Final = 3.0
"""A mail takes at most so many times `timeout_s`."""
SUBJECT: Final = 180


class EmailChannel:
    """Implements ports.AlertChannel."""

    def __init__(
        self,
        channel: Email,
        secrets: Secrets,
        *,
        resolver: Resolve = resolve,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._channel = channel
        self._secrets = secrets
        self._resolver = resolver
        self._now = now
        self._tls: ssl.SSLContext | None = None

    async def ready(self) -> None:
        """See ports.AlertChannel."""
        if self._channel.password is not None:
            self._secrets.look_up(self._channel.password)
        await self._addresses()

    async def tell(self, message: Message) -> None:
        """See ports.AlertChannel."""
        await self.deliver(email_of(message, self._channel, self._now()))

    async def deliver(self, mail: EmailMessage) -> None:
        """Send a mail; returns once the server has taken it. Raises Retryable, Misconfigured or Rejected."""
        channel = self._channel
        password = None if channel.password is None else self._secrets.look_up(channel.password)
        if self._tls is None:
            self._tls = await asyncio.to_thread(tls_context, channel.ca_file)
        addresses = await self._addresses()
        try:
            async with asyncio.timeout(channel.timeout_s * WHOLE_CALL):
                await self._send(mail, await self._connected(addresses), password)
        except TimeoutError as exc:
            raise Retryable(f"{channel.host} took more than {channel.timeout_s * WHOLE_CALL:g} s") from exc

    async def _addresses(self) -> list[str]:
        return await addresses_of(
            self._channel.host,
            self._port,
            self._channel.host,
            allow_private=self._channel.allow_private,
            timeout_s=self._channel.timeout_s,
            resolver=self._resolver,
        )

    @property
    def _port(self) -> int:
        return self._channel.port or PORTS[self._channel.security]

    async def _connected(self, addresses: list[str]) -> socket.socket:
        """A connection to one of the addresses that were judged: aiosmtplib would resolve the name again."""
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                async with asyncio.timeout(self._channel.timeout_s):
                    await asyncio.get_running_loop().sock_connect(connection, (address, self._port))
            except OSError:  # TimeoutError is one
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise Retryable(f"no connection to {self._channel.host}:{self._port}")

    async def _send(self, mail: EmailMessage, connection: socket.socket, password: str | None) -> None:
        channel = self._channel
        client = aiosmtplib.SMTP(
            hostname=channel.host,
            sock=connection,
            timeout=channel.timeout_s,
            use_tls=channel.security == "tls",
            start_tls=channel.security == "starttls",
            tls_context=self._tls,
            local_hostname=channel.sender.partition("@")[2],
        )
        try:
            await client.connect()
            if channel.username is not None and password is not None:
                await client.login(channel.username, password)
            await client.send_message(mail)
        except aiosmtplib.SMTPException as exc:
            raise self._translated(exc) from None
        except ssl.SSLCertVerificationError:
            raise Misconfigured(
                f"the certificate of {channel.host} can't be verified",
                "correct the host name, or set ca_file",
            ) from None
        except (OSError, ValueError) as exc:
            raise Retryable(f"the exchange with {channel.host} broke off ({type(exc).__name__})") from None
        finally:
            client.close()  # and with it the connection, which is its own from `connect` on

    def _translated(self, exc: aiosmtplib.SMTPException) -> Exception:
        """Ours for the library's, without what the server said: it may quote what it was sent."""
        host = self._channel.host
        cause = exc.__cause__ or exc.__context__
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(exc):
            return Misconfigured(
                f"the certificate of {host} can't be verified", "correct the host name, or set ca_file"
            )
        if isinstance(exc, aiosmtplib.SMTPAuthenticationError) and exc.code >= 500:
            return Misconfigured(
                f"{host} refuses the user name or password ({exc.code})", "correct the secret"
            )
        # It raises the root of its tree where the server offers neither STARTTLS nor login.
        if isinstance(exc, aiosmtplib.SMTPNotSupported) or type(exc) is aiosmtplib.SMTPException:
            return Misconfigured(f"{host} can't do what is asked of it: STARTTLS or login", "see `security`")
        if isinstance(exc, aiosmtplib.SMTPRecipientsRefused):
            codes = [refused.code for refused in exc.recipients]
            if all(code >= 500 for code in codes):
                return Misconfigured(f"{host} refuses every recipient ({codes[0]})", "correct `to`")
            return Retryable(f"{host} refuses the recipients for now")
        if isinstance(exc, aiosmtplib.SMTPSenderRefused) and exc.code >= 500:
            return Misconfigured(f"{host} refuses the sender ({exc.code})", "correct `sender`, or log in")
        if isinstance(exc, aiosmtplib.SMTPResponseException):
            if exc.code >= 500:
                return Rejected("refused_by_channel", f"{host} answered {exc.code}")
            return Retryable(f"{host} answered {exc.code}")
        return Retryable(f"the exchange with {host} broke off ({type(exc).__name__})")


def email_of(message: Message, channel: Email, now: datetime) -> EmailMessage:
    """The mail. Raises Rejected where it can't be made, which nothing that is in an alert should be able to do."""
    domain = channel.sender.partition("@")[2].lower()
    said = [words(telling, is_test=message.is_test) for telling in message.tellings]
    mail = EmailMessage(policy=SMTP_POLICY)
    try:
        mail["From"] = Address(display_name="Watchkeeper", addr_spec=channel.sender)
        mail["To"] = tuple(Address(addr_spec=to) for to in channel.to)
        # Python decodes an encoded word (=?utf-8?q?=0d=0aBcc=3a…?=) in what it is given, and lets the line end in it through.
        mail["Subject"] = subject(message)[:SUBJECT].replace("=?", "= ?")
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{message.key}@{domain}>"
        threads = dict.fromkeys(_thread(telling.alert.id, channel.name) for telling in message.tellings)
        mail["References"] = " ".join(f"<{thread}@{domain}>" for thread in threads)
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content("\n\n".join(map(_plain, said)) + "\n")
        mail.add_alternative(_html(said), subtype="html")
    except (ValueError, MessageError) as exc:
        raise Rejected("refused_by_channel", f"the mail can't be made ({type(exc).__name__})") from None
    return mail


def _thread(id_: str, channel: str) -> str:
    """What the mails about one alert refer to. It is an id that no mail has: threads need none."""
    return "thread." + hashlib.sha256(f"{channel} {id_}".encode()).hexdigest()[:32]


def _plain(said: Words) -> str:
    lines = [said.headline, "", *(f"{name}: {value}" for name, value in said.fields)]
    return "\n".join([*lines, *([f"Next: {said.remedy}"] if said.remedy else []), "", f"  {said.command}"])


def _html(said: list[Words]) -> str:
    parts = []
    for one in said:
        rows = [*one.fields, *([("Next", one.remedy)] if one.remedy else [])]
        cells = "".join(
            f'<tr><th align="left" valign="top">{escape(name)}</th><td>{escape(value)}</td></tr>'
            for name, value in rows
        )
        parts.append(
            f"<h2>{escape(one.headline)}</h2><table cellpadding='4'>{cells}</table><p><code>{escape(one.command)}</code></p>"
        )
    return f"<!doctype html><html><body>{'<hr>'.join(parts)}</body></html>"
