"""A real SMTP server (aiosmtpd) on this machine, with STARTTLS or TLS and login, that keeps what it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from types import TracebackType
from typing import Any, Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.fakes.receiver import server_tls


@dataclass
class MailServer:
    """`refuse`: what it answers to the mail itself instead of taking it."""

    security: Literal["starttls", "tls", "none"] = "starttls"
    login: tuple[str, str] | None = None
    refuse: str = ""
    refuse_recipients: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        tls = server_tls()
        self._server = await loop.create_server(
            lambda: SMTP(
                self,
                hostname="localhost",
                tls_context=tls if self.security == "starttls" else None,
                require_starttls=self.security == "starttls",
                auth_required=self.login is not None,
                auth_require_tls=self.security == "starttls",
                authenticator=self._authenticate,
                loop=loop,
            ),
            "127.0.0.1",
            0,
            ssl=tls if self.security == "tls" else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.login, handled=False)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipients:
            return self.refuse_recipients
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        self.envelopes.append(envelope)
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        self.mails.append(message_from_bytes(raw, policy=SMTP_POLICY))
        return "250 OK"
