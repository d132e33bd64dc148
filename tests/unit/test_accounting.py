"""Counting: whatever happened to a message or an exchange, the equations hold and only a real loss is called one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from monitor.account_findings import findings
from monitor.accounting import (
    Account,
    ExchangeAccount,
    MessageAccount,
    PartitionFacts,
    Reading,
    StoredPositions,
    account,
    exchange_account,
    message_account,
    worst,
)
from monitor.ledger import Ledger


def facts(
    *,
    log_start: int = 0,
    end: int = 0,
    committed: int | None = None,
    ledger: Ledger | None = None,
    empty_handled: int | None = 0,
    empty_pending: int | None = 0,
    topic: str = "chat.logs",
    partition: int = 0,
) -> PartitionFacts:
    return PartitionFacts(topic, partition, log_start, end, committed, ledger, empty_handled, empty_pending)


def taken(
    chat_logs: Sequence[PartitionFacts],
    *,
    backfill: Sequence[PartitionFacts] = (),
    verdicts: Sequence[PartitionFacts] = (),
    stored: Mapping[int, StoredPositions] | None = None,
    backfill_stored: Mapping[int, StoredPositions] | None = None,
    chat_letters: int = 2,
) -> Account:
    return account(
        Reading("chat.logs", "m", chat_logs, stored or {}),
        Reading("chat.logs.backfill", "b", backfill, backfill_stored or {}),
        Reading("safety.verdicts", "s", verdicts),
        chat_letters=chat_letters,
        verdict_letters=0,
    )


def test_a_topic_nobody_has_read_is_all_pending() -> None:
    assert message_account(facts(end=7)) == MessageAccount(produced=7, pending=7)


def test_an_empty_topic_is_balanced() -> None:
    nothing = message_account(facts())
    assert (nothing, nothing.state) == (MessageAccount(), "balanced")


def test_what_is_handled_and_what_waits_make_what_was_produced() -> None:
    found = message_account(
        facts(end=10, committed=6, ledger=Ledger(0, messages=6, dead_messages=2, not_chat=1))
    )
    assert found == MessageAccount(produced=10, handled=6, dead=2, not_chat=1, pending=4)
    assert found.state == "on the way"


def test_transaction_markers_are_no_messages() -> None:
    found = message_account(
        facts(end=12, committed=8, ledger=Ledger(0, messages=6), empty_handled=2, empty_pending=1)
    )
    assert found == MessageAccount(produced=9, handled=6, pending=3, empty=3)


def test_a_message_that_was_read_past_is_lost() -> None:
    found = message_account(facts(end=6, committed=6, ledger=Ledger(0, messages=5)))
    assert (found.lost, found.state) == (1, "unbalanced")


def test_a_message_that_was_counted_twice_unbalances_too() -> None:
    found = message_account(facts(end=6, committed=6, ledger=Ledger(0, messages=7)))
    assert (found.lost, found.state) == (-1, "unbalanced")


def test_what_retention_took_unread_is_expired_and_loud() -> None:
    found = message_account(facts(log_start=9, end=12, committed=4, ledger=Ledger(0, messages=4)))
    assert found == MessageAccount(produced=12, handled=4, pending=3, expired=5)
    assert found.state == "unbalanced"


def test_an_offset_that_can_no_longer_be_looked_at_is_unproven_not_balanced() -> None:
    found = message_account(facts(log_start=5, end=8, committed=8, ledger=Ledger(0, messages=7)))
    assert (found.unproven, found.lost, found.state) == (1, 0, "unproven")


def test_more_gaps_than_retention_can_hide_are_lost() -> None:
    found = message_account(facts(log_start=2, end=8, committed=8, ledger=Ledger(0, messages=3)))
    assert (found.unproven, found.lost) == (2, 3)


def test_a_gap_nobody_has_looked_at_is_unproven() -> None:
    found = message_account(facts(end=8, committed=8, ledger=Ledger(0, messages=6), empty_handled=None))
    assert (found.unproven, found.lost, found.state) == (2, 0, "unproven")


def test_a_commit_of_somebody_else_counts_from_there() -> None:
    found = message_account(facts(log_start=1, end=9, committed=5, ledger=Ledger.from_metadata("", 5)))
    assert found == MessageAccount(produced=4, pending=4, before=4)


def test_a_commit_beyond_the_end_says_that_the_log_is_another() -> None:
    found = message_account(facts(end=3, committed=10, ledger=Ledger(0, messages=10)))
    assert (found.vanished, found.state) == (7, "unbalanced")


def test_exchanges_stored_repeated_sampled_out_and_dead_make_those_found() -> None:
    ledger = Ledger(0, messages=10, exchanges=12, sampled_out=3, dead_exchanges=1)
    stored = StoredPositions(positions=12, repeats=2, sampled_out=3)
    found = exchange_account(ledger, stored, verdicts_pending=0, verdicts_dead=0)
    assert found == ExchangeAccount(found=13, stored=7, repeats=2, sampled_out=3, dead=1)
    assert found.state == "balanced"


def test_an_exchange_that_is_nowhere_is_lost() -> None:
    found = exchange_account(Ledger(0, exchanges=5), StoredPositions(4), verdicts_pending=0, verdicts_dead=0)
    assert (found.lost, found.state) == (1, "unbalanced")


def test_verdicts_on_their_way_are_pending_only_as_far_as_exchanges_are_missing() -> None:
    found = exchange_account(Ledger(0, exchanges=5), StoredPositions(4), verdicts_pending=9, verdicts_dead=0)
    assert (found.pending, found.lost, found.state) == (1, 0, "on the way")


def test_more_in_the_store_than_was_found_unbalances() -> None:
    found = exchange_account(Ledger(0, exchanges=5), StoredPositions(6), verdicts_pending=3, verdicts_dead=0)
    assert (found.lost, found.state) == (-1, "unbalanced")


def test_one_partition_can_not_make_up_for_another() -> None:
    chat = [
        facts(partition=0, end=2, committed=2, ledger=Ledger(0, messages=2, exchanges=2)),
        facts(partition=1, end=2, committed=2, ledger=Ledger(0, messages=2, exchanges=2)),
    ]
    verdicts = [facts(topic="safety.verdicts", partition=n) for n in (0, 1)]
    found = taken(chat, verdicts=verdicts, stored={0: StoredPositions(3), 1: StoredPositions(1)})
    assert found.chat_logs.exchanges is not None
    assert found.chat_logs.exchanges.lost == 0
    assert found.state == "unbalanced"
    assert [finding.split(":")[0] for finding in findings(found)] == ["chat.logs/0", "chat.logs/1"]


def test_verdict_partitions_are_credited_once_where_several_chat_partitions_share_one() -> None:
    ledger = Ledger(0, messages=2, exchanges=2)
    chat = [facts(partition=n, end=2, committed=2, ledger=ledger) for n in (0, 1)]
    verdicts = [facts(topic="safety.verdicts", end=4, committed=1, ledger=Ledger(0, messages=1))]
    found = taken(chat, verdicts=verdicts, stored={0: StoredPositions(1)})
    lines = [line.exchanges for line in found.chat_logs.partitions]
    assert lines == [
        ExchangeAccount(found=2, stored=1, pending=1),
        ExchangeAccount(found=2, stored=0, pending=2),
    ]


def test_the_worst_state_counts() -> None:
    assert worst(["balanced", "on the way", "unproven"]) == "unproven"
    assert worst([]) == "balanced"


@dataclass(frozen=True)
class World:
    """A partition whose every offset is known: what it holds, and how far retention and reading have come."""

    is_message: tuple[bool, ...]
    log_start: int
    committed: int
    lost: int


@st.composite
def worlds(draw: st.DrawFn) -> World:
    is_message = tuple(draw(st.lists(st.booleans(), max_size=40)))
    committed = draw(st.integers(0, len(is_message)))
    log_start = draw(st.integers(0, len(is_message)))
    handled = sum(is_message[:committed])
    return World(is_message, log_start, committed, draw(st.integers(0, handled)))


@given(worlds())
def test_a_known_world_is_accounted_for_to_the_last_message(world: World) -> None:
    offsets = world.is_message
    handled = sum(offsets[: world.committed]) - world.lost
    readable = offsets[world.log_start : world.committed]
    waiting = offsets[max(world.log_start, world.committed) :]
    found = message_account(
        facts(
            log_start=world.log_start,
            end=len(offsets),
            committed=world.committed,
            ledger=Ledger(0, messages=handled),
            empty_handled=readable.count(False),
            empty_pending=waiting.count(False),
        )
    )
    assert found.produced == found.handled + found.pending + found.expired + found.unproven + found.lost
    assert found.pending == sum(waiting)
    assert found.expired == max(0, world.log_start - world.committed)
    # What retention took can hide a loss, but never calls one a balance; what can still be read hides none.
    hidden = offsets[: min(world.log_start, world.committed)]
    assert found.lost + found.unproven == world.lost + hidden.count(False)
    assert found.lost >= world.lost - len(hidden)
    if world.lost:
        assert found.state in ("unbalanced", "unproven")
    elif not hidden and not found.expired:
        assert found.state in ("balanced", "on the way")


@given(
    exchanges=st.integers(0, 60),
    stored_share=st.floats(0, 1),
    repeats_share=st.floats(0, 1),
    lost=st.integers(0, 5),
    dead=st.integers(0, 5),
    repeated_verdicts=st.integers(0, 5),
)
def test_the_exchange_equation_holds_and_loss_is_never_overstated(
    *, exchanges: int, stored_share: float, repeats_share: float, lost: int, dead: int, repeated_verdicts: int
) -> None:
    positions = int(exchanges * stored_share)
    repeats = int(positions * repeats_share)
    pending = exchanges - positions
    ledger = Ledger(0, exchanges=exchanges + lost + dead, dead_exchanges=3)
    found = exchange_account(
        ledger,
        StoredPositions(positions, repeats, 0),
        verdicts_pending=pending + repeated_verdicts,
        verdicts_dead=dead,
    )
    parts = found.stored + found.repeats + found.sampled_out + found.dead + found.pending + found.lost
    assert found.found == parts
    assert 0 <= found.lost <= lost
    if repeated_verdicts == 0:
        assert found.lost == lost


def test_a_balanced_stream_has_no_findings() -> None:
    ledger = Ledger(0, messages=3, exchanges=3)
    found = taken(
        [facts(end=3, committed=3, ledger=ledger)],
        verdicts=[facts(topic="safety.verdicts", end=3, committed=3, ledger=ledger)],
        stored={0: StoredPositions(3)},
    )
    assert isinstance(found, Account)
    assert (found.state, findings(found)) == ("balanced", ())


def test_a_dead_letter_that_was_never_written_unbalances() -> None:
    chat = [facts(end=3, committed=3, ledger=Ledger(0, messages=3, dead_messages=2, dead_exchanges=1))]
    found = [taken(chat, chat_letters=written) for written in (2, 3, 9)]
    assert [(one.chat_logs.letters_missing, one.state) for one in found] == [
        (1, "unbalanced"),
        (0, "balanced"),
        (0, "balanced"),
    ]
    assert findings(found[0])[0].startswith("chat.logs: 1 dead letters that m counts were never written")


def test_backfill_and_live_share_the_verdicts_on_their_way() -> None:
    ledger = Ledger(0, messages=4, exchanges=4)
    found = taken(
        [facts(end=4, committed=4, ledger=ledger)],
        backfill=[facts(topic="chat.logs.backfill", end=6, committed=4, ledger=ledger)],
        verdicts=[facts(topic="safety.verdicts", end=8, committed=5, ledger=Ledger(0, messages=5))],
        stored={0: StoredPositions(3)},
        backfill_stored={0: StoredPositions(2)},
    )
    assert found.chat_logs.exchanges == ExchangeAccount(found=4, stored=3, pending=1)
    assert found.backfill.exchanges == ExchangeAccount(found=4, stored=2, pending=2)
    assert found.messages == MessageAccount(produced=10, handled=8, pending=2)
    assert found.exchanges == ExchangeAccount(found=8, stored=5, pending=3)
    assert (found.state, findings(found)) == ("on the way", ())


def test_a_verdict_on_its_way_makes_up_for_one_exchange_of_either_topic_not_of_both() -> None:
    ledger = Ledger(0, messages=1, exchanges=1)
    found = taken(
        [facts(end=1, committed=1, ledger=ledger)],
        backfill=[facts(topic="chat.logs.backfill", end=1, committed=1, ledger=ledger)],
        verdicts=[facts(topic="safety.verdicts", end=2, committed=1, ledger=Ledger(0, messages=1))],
    )
    assert (found.exchanges.pending, found.exchanges.lost, found.state) == (1, 1, "unbalanced")
    assert [finding.split(":")[0] for finding in findings(found)] == ["chat.logs.backfill/0"]


def test_dead_letters_of_the_backfill_are_held_against_what_the_chat_logs_leave_of_the_topic() -> None:
    ledger = Ledger(0, messages=3, dead_messages=3)
    chat = [facts(end=3, committed=3, ledger=ledger)]
    backfill = [facts(topic="chat.logs.backfill", end=3, committed=3, ledger=ledger)]
    found = [taken(chat, backfill=backfill, chat_letters=written) for written in (2, 5, 6, 7)]
    assert [(one.chat_logs.letters_missing, one.backfill.letters_missing) for one in found] == [
        (1, 3),
        (0, 1),
        (0, 0),
        (0, 0),
    ]
    assert findings(found[1]) == (
        (
            "chat.logs.backfill: 1 dead letters that b counts were never written to its dead-letter topic. Was that "
            "topic made again? Then they are gone: send those chat logs again"
        ),
    )


def test_a_stream_without_a_backfill_topic_balances() -> None:
    found = taken([facts(end=1, committed=1, ledger=Ledger(0, messages=1, not_chat=1))])
    assert (found.backfill.messages, found.backfill.partitions) == (MessageAccount(), ())
    assert found.state == "balanced"
