"""Who may act: a token, once, makes a session. Kept in memory alone, so that a restart logs everybody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Final

from pydantic import SecretStr

MOST_SESSIONS: Final = 1_000
MOST_NAME_CHARS: Final = 80
ATTEMPTS_PER_MINUTE: Final = 5
"""Wrong tokens from one address. Others' are not its fault: whoever could keep everybody out by guessing would do just that."""
MINUTE_S: Final = 60.0
MOST_ADDRESS_CHARS: Final = 64
MOST_GUESSERS: Final = 10_000
"""Addresses whose wrong tokens are remembered. Who has more of them guesses faster, and still in vain (docs/dashboard.md)."""


class TooManyAttemptsError(Exception):
    """So many wrong tokens from one address that nobody is let in from there for a while."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who may act. `name` is what the person gave, perhaps nothing."""

    name: str
    csrf: str
    until_s: float

    @property
    def who(self) -> str:
        """As it is recorded with what is done."""
        return f"dashboard: {self.name}" if self.name else "dashboard"


@dataclass(slots=True)
class Sessions:
    """`token` empty: nobody can log in. `now_s` never goes back."""

    token: SecretStr
    last_s: float
    now_s: Callable[[], float]
    _sessions: dict[bytes, Session] = field(default_factory=dict)
    _wrong: dict[str, deque[float]] = field(default_factory=dict)
    """When wrong tokens came, by address; who guessed last stands last."""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def is_open(self) -> bool:
        """Whether there is a token to log in with."""
        return bool(self.token.get_secret_value())

    def log_in(self, token: str, name: str, address: str) -> str | None:
        """The new session's id, for its cookie; None for a wrong token. Takes the same time for every wrong one.

        Raises TooManyAttemptsError, for the right token too, where that address sent too many wrong ones within a minute.
        """
        now, address = self.now_s(), network_of(address)
        wrong = self._wrong.get(address)
        if wrong is not None and len(wrong) == ATTEMPTS_PER_MINUTE and now - wrong[0] <= MINUTE_S:
            raise TooManyAttemptsError
        wanted = self.token.get_secret_value()
        if not hmac.compare_digest(_digest(token), _digest(wanted)) or not wanted:
            self._remember(address, now)
            return None
        self._forget(now)
        session_id = secrets.token_urlsafe(32)
        self._sessions[_digest(session_id)] = Session(
            " ".join(name.split())[:MOST_NAME_CHARS], secrets.token_urlsafe(24), now + self.last_s
        )
        return session_id

    def of(self, session_id: str | None) -> Session | None:
        """Whose cookie that is; None where nobody's, or no longer."""
        session = self._sessions.get(_digest(session_id or ""))
        return session if session is not None and session.until_s > self.now_s() else None

    def log_out(self, session_id: str | None) -> None:
        """End it."""
        self._sessions.pop(_digest(session_id or ""), None)

    def csrf(self, session: Session | None) -> str:
        """What every form carries; of somebody without a session one that only this process knows."""
        return session.csrf if session else hmac.new(self._key, b"nobody", hashlib.sha256).hexdigest()

    def is_csrf(self, session: Session | None, given: str) -> bool:
        """Whether a form came from a page of ours to this session."""
        return hmac.compare_digest(self.csrf(session).encode(), given.encode("utf-8", "surrogatepass"))

    def seal(self, session: Session | None, *said: str) -> str:
        """A mark in an address by which a page knows that it was us who led this session there, with these words."""
        return hmac.new(self.csrf(session).encode(), "\0".join(said).encode(), hashlib.sha256).hexdigest()[
            :32
        ]

    def is_sealed(self, session: Session | None, given: str, *said: str) -> bool:
        """Whether a mark is that of these words, and of this session."""
        return hmac.compare_digest(self.seal(session, *said).encode(), given.encode("utf-8", "surrogatepass"))

    def _remember(self, address: str, now: float) -> None:
        wrong = self._wrong.pop(address, None) or deque(maxlen=ATTEMPTS_PER_MINUTE)
        wrong.append(now)
        self._wrong[address] = wrong
        while len(self._wrong) > MOST_GUESSERS:
            del self._wrong[next(iter(self._wrong))]

    def _forget(self, now: float) -> None:
        for key in [key for key, one in self._sessions.items() if one.until_s <= now]:
            del self._sessions[key]
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]


def network_of(address: str) -> str:
    """Whose an address is: of IPv6 the /64, since one person has all of it, unless it is how a socket writes one of IPv4."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:MOST_ADDRESS_CHARS]
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((found, 64), strict=False))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
