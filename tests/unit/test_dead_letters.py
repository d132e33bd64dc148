"""Dead letters read back: whatever their headers hold, and what goes back from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.dead_lettering import Origin, dead_letter
from monitor.dead_letters import (
    Count,
    DeadLetter,
    LetterId,
    Selection,
    Tally,
    plan_replay,
    read_letter,
    returned_message,
)
from monitor.errors import Misconfigured
from monitor.origin import origin_in
from schemas import topics

ARRIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READ = frozenset(["chat.logs", "chat.logs.backfill"])


def letter(
    offset: int = 0,
    *,
    reason: str = "not_json",
    source_offset: int | None = None,
    attempts: int = 0,
    index: int = -1,
    topic: str = "chat.logs",
    written_s: int = 0,
) -> DeadLetter:
    origin = Origin(
        topic,
        2,
        offset if source_offset is None else source_offset,
        b"key",
        b"bad",
        [("ce_type", b"chat"), (topics.HEADER_ATTEMPTS, str(attempts).encode())],
        ARRIVED,
    )
    record = dead_letter(origin, reason=reason, detail="at byte 3", version="1.2", index=index)
    return read_letter(
        LetterId("chat.logs.dlq", 2, offset),
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_ms=written_s * 1000,
    )


def test_a_letter_says_what_was_written_into_it() -> None:
    assert letter(9, source_offset=5, attempts=1, index=3) == DeadLetter(
        id=LetterId("chat.logs.dlq", 2, 9),
        reason="not_json",
        detail="at byte 3",
        topic="chat.logs",
        partition=2,
        offset=5,
        index=3,
        attempts=2,
        version="1.2",
        arrived_at=ARRIVED,
        origin="",
        written_at=datetime(1970, 1, 1, tzinfo=UTC),
        key=b"key",
        value=b"bad",
        headers=(("ce_type", b"chat"),),
        size_bytes=3,
    )


HEADERS = st.lists(
    st.tuples(st.sampled_from([*vars(topics).values()]).filter(lambda v: isinstance(v, str)), st.binary())
)


@given(HEADERS, st.integers(-1, 2**40))
def test_any_headers_can_be_read(headers: list[tuple[str, bytes]], timestamp_ms: int) -> None:
    read = read_letter(LetterId("t", 0, 0), key=None, value=None, headers=headers, timestamp_ms=timestamp_ms)
    assert read.reason == "unknown" or read.reason.isascii()


def test_a_letter_without_our_headers_is_unknown_and_stays() -> None:
    read = read_letter(LetterId("chat.logs.dlq", 0, 0), key=None, value=b"x", headers=[], timestamp_ms=0)
    assert (read.reason, read.topic, read.partition) == ("unknown", "", -1)
    plan = plan_replay([read], topics_read=READ, max_attempts=3)
    assert (plan.letters, plan.unreturnable) == ((), (read,))


def test_what_goes_back_is_the_message_as_it_was_with_its_attempts() -> None:
    back = returned_message(letter(9, attempts=1))
    assert (back.key, back.value) == (b"key", b"bad")
    assert back.headers == (
        ("ce_type", b"chat"),
        (topics.HEADER_REPLAY_OF, b"chat.logs.dlq/2/9"),
        (topics.HEADER_ATTEMPTS, b"2"),
        (topics.HEADER_ORIGIN, b"chat.logs/2/9"),
    )


def refused_again(sent: DeadLetter, offset: int) -> DeadLetter:
    """The letter of a message that was sent back to the backfill and refused there once more."""
    back = returned_message(sent)
    origin = Origin("chat.logs.backfill", 2, offset, back.key, back.value, back.headers, ARRIVED)
    record = dead_letter(origin, reason="not_json", detail="", version="1")
    return read_letter(
        LetterId("chat.logs.dlq", 2, offset),
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_ms=0,
    )


def test_a_message_refused_again_and_again_ends_as_exhausted() -> None:
    current = letter(0)
    rounds = 0
    while plan_replay([current], topics_read=READ, max_attempts=3).letters:
        rounds += 1
        current = refused_again(current, rounds)
    assert (rounds, current.attempts, current.headers) == (2, 3, (("ce_type", b"chat"),))


def test_a_message_keeps_the_place_at_which_it_was_read_first() -> None:
    first = letter(9, source_offset=5)
    third = refused_again(refused_again(first, 10), 11)
    assert (third.topic, third.offset, third.origin) == ("chat.logs.backfill", 11, "chat.logs/2/5")
    assert first.source == third.source == "chat.logs/2/5"


def test_letters_of_several_tries_go_back_once_and_with_the_last_ones_attempts() -> None:
    first = letter(0)
    second = refused_again(first, 1)
    plan = plan_replay([first, second], topics_read=READ, max_attempts=3)
    assert (plan.letters, plan.same_message) == ((second,), (first,))
    third = refused_again(second, 2)
    plan = plan_replay([first, second, third], topics_read=READ, max_attempts=3)
    assert (plan.letters, plan.exhausted) == ((), (first, second, third))


def test_an_origin_that_is_no_place_is_none() -> None:
    headers = [(topics.HEADER_ORIGIN, b"chat.logs/2/5\n"), (topics.HEADER_ORIGIN, b"a b/0/1")]
    assert origin_in(headers) == ""
    assert origin_in([*headers, (topics.HEADER_ORIGIN, b"chat.logs/2/5")]) == "chat.logs/2/5"


def test_a_message_with_several_bad_exchanges_goes_back_once() -> None:
    first, second = letter(0, source_offset=7, index=0), letter(1, source_offset=7, index=4)
    plan = plan_replay([second, first], topics_read=READ, max_attempts=3)
    assert (plan.letters, plan.same_message) == ((first,), (second,))


def test_a_header_can_not_send_a_message_to_a_topic_that_is_not_ours() -> None:
    stray = letter(0, topic="payments")
    assert plan_replay([stray], topics_read=READ, max_attempts=3).unreturnable == (stray,)


def test_a_selection_takes_by_id_reason_and_time_together() -> None:
    one = letter(1, written_s=100)
    at = one.written_at
    assert Selection().takes(one)
    assert Selection(ids=frozenset([one.id]), reasons=frozenset(["not_json"]), since=at).takes(one)
    assert not Selection(reasons=frozenset(["other"])).takes(one)
    assert not Selection(until=at).takes(one)
    assert not Selection(since=at + timedelta(seconds=1)).takes(one)


def test_a_letter_that_was_written_twice_counts_once() -> None:
    tally = Tally(keep=2)
    for first in (letter(1), letter(2)):
        tally.add(first)
    tally.add(letter(3, source_offset=1))
    tally.add(letter(4, source_offset=1, attempts=2))

    assert (tally.total, tally.repeated) == (3, 1)


def test_a_tally_counts_all_and_keeps_the_newest_without_their_messages() -> None:
    tally = Tally(keep=2)
    for n in range(500):
        tally.add(letter(n, reason="a" if n % 5 else "b", written_s=n))
    newest = datetime(1970, 1, 1, tzinfo=UTC)
    assert tally.counts() == [
        Count("chat.logs", "a", 400, newest + timedelta(seconds=499)),
        Count("chat.logs", "b", 100, newest + timedelta(seconds=495)),
    ]
    assert [(kept.id.offset, kept.value) for kept in tally.newest()] == [(499, None), (498, None)]


def test_an_id_reads_back() -> None:
    assert LetterId.parse(str(LetterId("chat.logs.dlq", 3, 17))) == LetterId("chat.logs.dlq", 3, 17)


@pytest.mark.parametrize("text", ["", "17", "chat.logs.dlq/0", "a b/0/1", "t/-1/0", "t/0/x", "t/٣/1"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="dlq list"):
        LetterId.parse(text)
