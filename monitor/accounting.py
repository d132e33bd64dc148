"""The proof by counting: produced = stored + dead-lettered + sampled-out + pending. Pure: facts in, account out.

Two equations, for each partition and in total.

Messages of a topic, counted by offset since the ledger of its consumer group began:

    produced = handled + pending + expired + unproven + lost

`produced` comes from the broker's offsets, `handled` from the ledger that travels with the committed offset
(monitor/ledger.py), so neither can hide a mistake of the other. Offsets that hold no message (transaction markers,
what compaction took away) are measured by reading the log, never inferred.

Exchanges found in the chat logs (those that come live and those of the backfill), below the committed offset:

    found = stored + repeats + sampled_out + dead + pending + lost

`found` and part of `dead` are the ledger's; `stored`, `repeats` and `sampled_out` are counted in the store;
`pending` and the rest of `dead` are what the storage group hasn't read, or has refused, in the verdicts topic.
Only `lost` is ever a remainder. While verdicts are on their way it is a lower bound; once none is pending it is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from monitor.ledger import Ledger

State = Literal["balanced", "on the way", "unproven", "unbalanced"]


_WORST_FIRST: Final[tuple[State, ...]] = ("unbalanced", "unproven", "on the way", "balanced")


def worst(states: Iterable[State]) -> State:
    """The worst of these; "balanced" of none."""
    return min(states, key=_WORST_FIRST.index, default="balanced")


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """What the broker and the group say of one partition.

    `log_start` is the first offset that is still there, `end` the one after the last. `committed` and `ledger` are
    None where the group never committed. `empty_handled` and `empty_pending` count the offsets that hold no message
    in [max(ledger.from_offset, log_start), committed) and in [max(committed, log_start), end); None: not measured.
    """

    topic: str
    partition: int
    log_start: int
    end: int
    committed: int | None
    ledger: Ledger | None
    empty_handled: int | None = None
    empty_pending: int | None = None

    @property
    def base(self) -> int:
        """The offset from which messages are counted."""
        if self.ledger is not None:
            return self.ledger.from_offset
        return self.log_start if self.committed is None else self.committed

    @property
    def position(self) -> int:
        """The next offset the group reads, were there no retention."""
        return self.base if self.committed is None else self.committed

    @property
    def unhandled_offsets(self) -> int:
        """Offsets below the committed one that no ledger counts as a message: empty, or else lost."""
        return self.position - self.base - (self.ledger.messages if self.ledger is not None else 0)

    @property
    def pending_offsets(self) -> int:
        """Offsets that the group has not read yet and still can."""
        return max(0, self.end - max(self.position, self.log_start))


@dataclass(frozen=True, slots=True)
class MessageAccount:
    """Where the messages of a partition, or of a topic, are. `dead` of the `handled` went whole to dead letters.

    `before`: offsets below the ledger's beginning, nobody's to count. `expired`: removed by retention before they
    were read. `unproven`: offsets the ledger doesn't know and the log no longer shows. `vanished`: offsets committed
    beyond the end of the log, so the log is not the one that was read.
    """

    produced: int = 0
    handled: int = 0
    dead: int = 0
    not_chat: int = 0
    pending: int = 0
    expired: int = 0
    unproven: int = 0
    lost: int = 0
    vanished: int = 0
    empty: int = 0
    before: int = 0

    def plus(self, other: MessageAccount) -> MessageAccount:
        """The sum."""
        return MessageAccount(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def state(self) -> State:
        """The verdict on these figures."""
        if self.lost or self.expired or self.vanished:
            return "unbalanced"
        if self.unproven:
            return "unproven"
        return "on the way" if self.pending else "balanced"


@dataclass(frozen=True, slots=True)
class StoredPositions:
    """What the store holds of the exchanges of one chat-log partition, in [ledger.from_offset, committed).

    `positions` are distinct (offset, index); of them `repeats` brought an event id that another position had brought
    before, and `sampled_out` are first arrivals that the sample left out.
    """

    positions: int = 0
    repeats: int = 0
    sampled_out: int = 0


@dataclass(frozen=True, slots=True)
class ExchangeAccount:
    """Where the exchanges of a partition, or of the topic, are. `lost` < 0: the store holds more than was found."""

    found: int = 0
    stored: int = 0
    repeats: int = 0
    sampled_out: int = 0
    dead: int = 0
    pending: int = 0
    lost: int = 0

    def plus(self, other: ExchangeAccount) -> ExchangeAccount:
        """The sum."""
        return ExchangeAccount(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def state(self) -> State:
        """The verdict on these figures."""
        if self.lost:
            return "unbalanced"
        return "on the way" if self.pending else "balanced"


def message_account(facts: PartitionFacts) -> MessageAccount:
    """The messages of one partition.

    More handled than there are offsets, or more empty ones than unhandled, gives a negative `lost`: counted twice.
    """
    ledger = facts.ledger
    expired = max(0, facts.log_start - facts.position)
    unreadable = max(0, min(facts.log_start, facts.position) - facts.base)
    unhandled = facts.unhandled_offsets
    unexplained = unhandled - (facts.empty_handled or 0)
    if facts.empty_handled is None:
        unproven = max(0, unhandled)
    else:
        unproven = max(0, min(unexplained, unreadable))
    empty = (facts.empty_handled or 0) + (facts.empty_pending or 0)
    produced = max(facts.end, facts.position) - facts.base - empty
    handled = ledger.messages if ledger is not None else 0
    pending = facts.pending_offsets - (facts.empty_pending or 0)
    return MessageAccount(
        produced=produced,
        handled=handled,
        dead=ledger.dead_messages if ledger is not None else 0,
        not_chat=ledger.not_chat if ledger is not None else 0,
        pending=pending,
        expired=expired,
        unproven=unproven,
        lost=produced - handled - pending - expired - unproven,
        vanished=max(0, facts.position - facts.end),
        empty=empty,
        before=max(0, facts.base - facts.log_start),
    )


def exchange_account(
    ledger: Ledger | None, stored: StoredPositions, *, verdicts_pending: int, verdicts_dead: int
) -> ExchangeAccount:
    """The exchanges of one chat-log partition, or of several with their figures added up.

    `verdicts_pending` and `verdicts_dead` are the verdicts of these exchanges that storage has not read, or has
    refused. They may repeat what the store already has (a batch is written again after a crash), so they count only
    as far as exchanges are missing from the store.
    """
    if ledger is None:
        return ExchangeAccount()
    missing = ledger.exchanges - stored.positions
    dead = min(max(missing, 0), verdicts_dead)
    pending = min(max(missing - dead, 0), verdicts_pending)
    return ExchangeAccount(
        found=ledger.exchanges + ledger.dead_exchanges,
        stored=stored.positions - stored.repeats - stored.sampled_out,
        repeats=stored.repeats,
        sampled_out=stored.sampled_out,
        dead=ledger.dead_exchanges + dead,
        pending=pending,
        lost=missing - dead - pending,
    )


@dataclass(frozen=True, slots=True)
class PartitionLine:
    """The account of one partition; `exchanges` is None for a topic that isn't the chat logs. `letters`: dead letters
    that its ledger says were written, of whole messages and of exchanges."""

    partition: int
    messages: MessageAccount
    exchanges: ExchangeAccount | None
    letters: int

    @property
    def state(self) -> State:
        """The worse of both."""
        return worst((self.messages.state, self.exchanges.state if self.exchanges else "balanced"))


@dataclass(frozen=True, slots=True)
class TopicAccount:
    """The account of one topic, by partition and in total."""

    topic: str
    group: str
    partitions: tuple[PartitionLine, ...]
    messages: MessageAccount
    exchanges: ExchangeAccount | None
    letters: int
    """Offsets ever written in its dead-letter topic, whatever retention has removed since; without those that another
    topic claims of it."""

    @property
    def letters_missing(self) -> int:
        """Dead letters that the ledgers say were written and the dead-letter topic never held. (It may hold more: a
        letter is written again after a crash.)"""
        claimed = sum(line.letters for line in self.partitions)
        return max(0, claimed - self.letters)

    @property
    def state(self) -> State:
        """The worst of its partitions: what one has too many can't make up for what another lacks."""
        return "unbalanced" if self.letters_missing else worst(line.state for line in self.partitions)


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the stream: chat logs as they come, chat logs as backfill, then verdicts."""

    chat_logs: TopicAccount
    backfill: TopicAccount
    verdicts: TopicAccount

    @property
    def topics(self) -> tuple[TopicAccount, ...]:
        """All three."""
        return self.chat_logs, self.backfill, self.verdicts

    @property
    def state(self) -> State:
        """The worst of all its parts."""
        return worst(topic.state for topic in self.topics)

    @property
    def messages(self) -> MessageAccount:
        """All chat logs, by whichever topic they came."""
        return self.chat_logs.messages.plus(self.backfill.messages)

    @property
    def exchanges(self) -> ExchangeAccount:
        """The exchanges in them."""
        return _sum_exchanges(topic.exchanges for topic in (self.chat_logs, self.backfill) if topic.exchanges)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a consumer group has read of a topic, and of chat logs also what is stored of each partition."""

    topic: str
    group: str
    partitions: Sequence[PartitionFacts]
    stored: Mapping[int, StoredPositions] = field(default_factory=dict)


def account(
    chat_logs: Reading, backfill: Reading, verdicts: Reading, *, chat_letters: int, verdict_letters: int
) -> Account:
    """The account of the stream.

    Chat logs and backfill must have been read before `verdicts`, and all of these before what is stored: then what
    happens meanwhile only makes `pending` smaller, and can't look like a loss. Verdict partition n holds the verdicts
    of those partitions, of both topics, that are n modulo the number of verdict partitions. `chat_letters` and
    `verdict_letters` are the offsets ever written in the dead-letter topics, read after the commits; backfill shares
    that of the chat logs, so it is credited with what they don't claim.
    """
    verdict_lines = tuple(
        PartitionLine(f.partition, message_account(f), None, _letters(f)) for f in verdicts.partitions
    )
    # Where several partitions share a verdict partition, its verdicts are credited once.
    credit = _Credit({line.partition: [line.messages.pending, line.messages.dead] for line in verdict_lines})
    chat = _source_account(chat_logs, credit, chat_letters)
    claimed = sum(line.letters for line in chat.partitions)
    filled = _source_account(backfill, credit, max(0, chat_letters - claimed))
    verdict = TopicAccount(
        verdicts.topic,
        verdicts.group,
        verdict_lines,
        _sum_messages(line.messages for line in verdict_lines),
        None,
        verdict_letters,
    )
    return Account(chat, filled, verdict)


@dataclass(frozen=True, slots=True)
class _Credit:
    """Verdicts that storage has not read, and that it has refused, by partition: given out as they are claimed."""

    left: dict[int, list[int]]

    def claim(self, facts: PartitionFacts, stored: StoredPositions) -> ExchangeAccount:
        """The exchanges of one partition; what they claim is gone for the next."""
        left = self.left.get(facts.partition % len(self.left), [0, 0]) if self.left else [0, 0]
        exchanges = exchange_account(facts.ledger, stored, verdicts_pending=left[0], verdicts_dead=left[1])
        own_dead = facts.ledger.dead_exchanges if facts.ledger is not None else 0
        left[0] -= exchanges.pending
        left[1] -= exchanges.dead - own_dead
        return exchanges


def _source_account(reading: Reading, credit: _Credit, letters: int) -> TopicAccount:
    lines = tuple(
        PartitionLine(
            facts.partition,
            message_account(facts),
            credit.claim(facts, reading.stored.get(facts.partition, StoredPositions())),
            _letters(facts),
        )
        for facts in reading.partitions
    )
    return TopicAccount(
        reading.topic,
        reading.group,
        lines,
        _sum_messages(line.messages for line in lines),
        _sum_exchanges(line.exchanges for line in lines if line.exchanges is not None),
        letters,
    )


def _letters(facts: PartitionFacts) -> int:
    return 0 if facts.ledger is None else facts.ledger.dead_messages + facts.ledger.dead_exchanges


def _sum_messages(accounts: Iterable[MessageAccount]) -> MessageAccount:
    total = MessageAccount()
    for one in accounts:
        total = total.plus(one)
    return total


def _sum_exchanges(accounts: Iterable[ExchangeAccount]) -> ExchangeAccount:
    total = ExchangeAccount()
    for one in accounts:
        total = total.plus(one)
    return total
