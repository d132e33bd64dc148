"""Dead letters read back: what a letter says, how letters count up, and the message that goes back. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from monitor.errors import Misconfigured
from monitor.ingest.reasons import Reason
from monitor.origin import origin_in, place
from monitor.ports import OutRecord
from schemas import topics

_OWN: Final = "watchkeeper-"
_SLUG: Final = re.compile(r"[a-z0-9_.-]{1,64}", re.ASCII)
_ID: Final = re.compile(r"([A-Za-z0-9._-]{1,249})/(\d{1,10})/(\d{1,18})", re.ASCII)
REASONS: Final = (
    *Reason,
    *("internal_error", "not_a_verdict", "not_a_request", "not_a_judgement", "refused_by_store", "unknown"),
)
"""Those that a letter of this version can have; one of another version may have another."""
REMEMBERED: Final = 100_000
"""Letters among which a repeated one is looked for; it comes within the batches that one worker had under way."""


@dataclass(frozen=True, slots=True, order=True)
class LetterId:
    """Where a dead letter lies. Written `<dead-letter topic>/<partition>/<offset>`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> LetterId:
        """Raises Misconfigured where the text is no id."""
        found = _ID.fullmatch(text.strip())
        if found is None:
            raise Misconfigured(
                f"{text!r} is no id of a dead letter",
                "copy one from `watchkeeper dlq list`, e.g. chat.logs.dlq/0/17",
            )
        return cls(found[1], int(found[2]), int(found[3]))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. The `watchkeeper-` headers are read as monitor/dead_lettering.py writes them; a letter that lacks
    them (somebody else wrote it) has reason "unknown", an empty topic, and -1 for numbers."""

    id: LetterId
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    index: int
    attempts: int
    version: str
    arrived_at: datetime | None
    origin: str
    """Where the message stood when it was read first, if that was before it was sent back; else ""."""
    written_at: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    """The message's own headers, without ours."""
    size_bytes: int
    """Size of the message."""

    @property
    def without_message(self) -> DeadLetter:
        """The same without what a user typed, for keeping many."""
        return replace(self, key=None, value=None, headers=())

    @property
    def source(self) -> str:
        """The message that was bad, by its first place: several letters can come of one, and of its replays."""
        return self.origin or place(self.topic, self.partition, self.offset)


def read_letter(
    id_: LetterId,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]],
    timestamp_ms: int,
) -> DeadLetter:
    """The dead letter in a record. Never raises, whatever the headers hold."""
    ours = {name: content.decode("ascii", "replace") for name, content in headers if name.startswith(_OWN)}
    reason = ours.get(topics.HEADER_REASON, "")
    return DeadLetter(
        id=id_,
        reason=reason if _SLUG.fullmatch(reason) else "unknown",
        detail=ours.get(topics.HEADER_DETAIL, ""),
        topic=ours.get(topics.HEADER_TOPIC, ""),
        partition=_number(ours.get(topics.HEADER_PARTITION)),
        offset=_number(ours.get(topics.HEADER_OFFSET)),
        index=_number(ours.get(topics.HEADER_INDEX)),
        attempts=_number(ours.get(topics.HEADER_ATTEMPTS)),
        version=ours.get(topics.HEADER_VERSION, ""),
        arrived_at=_time(ours.get(topics.HEADER_ARRIVED_AT)),
        origin=origin_in(headers),
        written_at=datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC),
        key=key,
        value=value,
        headers=tuple((name, content) for name, content in headers if not name.startswith(_OWN)),
        size_bytes=len(value or b""),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant. Empty: all."""

    ids: frozenset[LetterId] = frozenset()
    reasons: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant; times are those at which letters were written, `until` not included."""
        return (
            (not self.ids or letter.id in self.ids)
            and (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.written_at >= self.since)
            and (self.until is None or letter.written_at < self.until)
        )


@dataclass(frozen=True, slots=True)
class Count:
    """Letters of one reason from one topic."""

    topic: str
    reason: str
    count: int
    newest_at: datetime


class Tally:
    """Counts letters by topic and reason, and keeps the newest `keep` of them. Bounded, however many there are.

    A worker that is frozen between writing a letter and committing its message's offset may leave it to be written again:
    such a letter counts as one, and `repeated` once more. The second is looked for among the last REMEMBERED.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._seen: dict[tuple[str, int, int, int, int], None] = {}
        self.repeated = 0
        self._counts: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._newest: list[DeadLetter] = []
        self.total = 0

    def add(self, letter: DeadLetter) -> None:
        """Count one letter."""
        written = (letter.topic, letter.partition, letter.offset, letter.index, letter.attempts)
        if letter.offset >= 0 and written in self._seen:
            self.repeated += 1
            return
        self._seen[written] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self.total += 1
        place = (letter.topic, letter.reason)
        count, newest = self._counts.get(place, (0, letter.written_at))
        self._counts[place] = (count + 1, max(newest, letter.written_at))
        self._newest.append(letter.without_message)
        if len(self._newest) > 2 * self._keep + 100:
            self._newest = self.newest()

    def counts(self) -> list[Count]:
        """The counts, most first."""
        counts = [Count(topic, reason, n, at) for (topic, reason), (n, at) in self._counts.items()]
        return sorted(counts, key=lambda c: (-c.count, c.topic, c.reason))

    def newest(self) -> list[DeadLetter]:
        """The newest letters, newest first."""
        return sorted(self._newest, key=lambda d: (d.written_at, d.id), reverse=True)[: self._keep]


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What goes back, and what doesn't and why. Ids in the order of their topic, partition and offset."""

    letters: tuple[DeadLetter, ...]
    exhausted: tuple[DeadLetter, ...]
    same_message: tuple[DeadLetter, ...]
    unreturnable: tuple[DeadLetter, ...]


def plan_replay(
    letters: Iterable[DeadLetter], *, topics_read: frozenset[str], max_attempts: int
) -> ReplayPlan:
    """Which letters go back.

    A message that was tried `max_attempts` times stays (a loop would end here); a message with several bad exchanges, or
    with letters of several tries, goes back once; a letter that names a topic we don't read stays, so that a header can't
    send text anywhere else.
    """
    chosen: list[DeadLetter] = []
    exhausted: list[DeadLetter] = []
    same: list[DeadLetter] = []
    unreturnable: list[DeadLetter] = []
    by_source: dict[str, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        if letter.topic not in topics_read or letter.partition < 0:
            unreturnable.append(letter)
        else:
            by_source[letter.source].append(letter)
    for group in by_source.values():
        last = min(group, key=lambda d: (-d.attempts, d.id))
        if last.attempts >= max_attempts:
            exhausted += group
        else:
            chosen.append(last)
            same += (letter for letter in group if letter is not last)
    return ReplayPlan(_by_id(chosen), _by_id(exhausted), _by_id(same), _by_id(unreturnable))


def returned_message(letter: DeadLetter) -> OutRecord:
    """The message that goes back: key, value and own headers as they were, and what says that it is a replay.

    The attempts so far go with it; should it be refused again, its next letter counts one more. So does the place where
    it stood first: exchanges without an id of their own are given the same id again, and so count once.
    """
    ours = (
        (topics.HEADER_REPLAY_OF, str(letter.id).encode("ascii")),
        (topics.HEADER_ATTEMPTS, str(max(letter.attempts, 1)).encode("ascii")),
        (topics.HEADER_ORIGIN, letter.source.encode("ascii")),
    )
    return OutRecord(letter.key, letter.value, letter.headers + ours)


def _by_id(letters: Iterable[DeadLetter]) -> tuple[DeadLetter, ...]:
    return tuple(sorted(letters, key=lambda d: d.id))


def _number(text: str | None) -> int:
    if text is None or not text.removeprefix("-").isdecimal() or len(text) > 19:
        return -1
    return int(text)


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
