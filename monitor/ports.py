"""The roles that the decisions need played, one Protocol each. Adapters implement them; tests use fakes we own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from monitor.notifying.message import Message
from schemas.events import Status
from schemas.judgements import JudgeAnswer, JudgeRequest


class GuardIdentity(msgspec.Struct, frozen=True):
    """Which guard speaks. All three are part of every verdict and of every drift stream's key."""

    name: str
    version: str
    prompt_hash: str


class Score(msgspec.Struct, frozen=True, gc=False):
    """A guard's answer on one exchange. With status "ok", refusal and response_harm are None iff no response, or the guard
    has no such question; `category` is "" where it names none."""

    status: Status
    prompt_harm: float | None
    refusal: float | None
    response_harm: float | None
    category: str
    category_probability: float | None
    truncated: bool


class Guard(Protocol):
    """Scores exchanges. Input i gives answer i."""

    @property
    def identity(self) -> GuardIdentity:
        """Known once the guard is connected."""
        ...

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """As many scores as prompts, in order. An exchange the model refuses alone gets status "error",
        an answer that can't be read gets "unknown"; Retryable is raised where the guard as a whole is away."""
        ...


class JudgeIdentity(msgspec.Struct, frozen=True):
    """Which judge speaks, with the hash of all rubrics that it uses. All three are part of every judgement."""

    name: str
    version: str
    rubric_hash: str


class Judge(Protocol):
    """Answers the rubrics on exchanges. Request i gives answer i."""

    @property
    def identity(self) -> JudgeIdentity:
        """Known once the judge is connected."""
        ...

    async def judge(self, requests: Sequence[JudgeRequest]) -> Sequence[JudgeAnswer]:
        """As many answers as requests, in order. An exchange that fails alone gets status "error", an answer that can't be
        read "unknown"; Retryable is raised where the judge as a whole is away."""
        ...


class RowStore(Protocol):
    """Keeps rows of one kind, once per event id."""

    async def insert(self, rows: Sequence[bytes], /) -> None:
        """Insert rows (JSON objects, already validated). Durable on return; idempotent.
        Raises Retryable, or Rejected where the store says that the rows themselves are bad."""
        ...


class VerdictStore(RowStore, Protocol):
    """Keeps verdicts: records of safety.verdicts are its rows."""


Headers = Sequence[tuple[str, bytes]]
"""A record's headers, in order."""


class OutRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to produce. It has the broker's time."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Outbox(Protocol):
    """Produces to Kafka, whole batches, acknowledged by all in-sync replicas."""

    async def publish(self, topic: str, partition: int, records: Sequence[OutRecord]) -> None:
        """Append in order to one partition (modulo the topic's partition count). Durable on return. Raises
        Retryable, after which any part of the batch may or may not be there."""
        ...


class LetterBox(Outbox, Protocol):
    """An outbox that can look back at what is in a topic."""

    async def last_headers(self, topic: str, partition: int, count: int) -> Sequence[Headers]:
        """The headers of up to `count` of the last records of one partition (modulo the topic's partition count), oldest
        first. Raises Retryable."""
        ...


class AlertChannel(Protocol):
    """Tells people, or their programs, of alerts."""

    async def tell(self, message: Message) -> None:
        """Taken by the other side on return. It may be told the same again: the message's key is the same then. Raises
        Retryable (with the other side's wish to be left alone, if it has one), Rejected where it will never take this
        message, or Misconfigured. No error holds a secret or anything of an answer."""
        ...

    async def ready(self) -> None:
        """Whether it has all that telling needs: secrets, an address that is allowed. Tells nothing. Raises likewise."""
        ...


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The current time, timezone-aware, UTC."""
        ...


class Probe(Protocol):
    """Tells whether a part is there: used by `watchkeeper check` and by readiness."""

    async def ping(self) -> Mapping[str, str]:
        """Facts about the part, for a person. Raises Retryable or Misconfigured with the remedy."""
        ...
