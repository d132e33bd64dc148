"""Dead letters keep the message whole and say why; the limit stops a drain."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.dead_lettering import DeadLetterLimit, Origin, dead_letter
from monitor.errors import Misconfigured
from monitor.ports import OutRecord
from monitor.settings import DeadLetterSettings

ORIGIN = Origin(
    topic="chat.logs",
    partition=3,
    offset=42,
    key=b"k",
    value=b"\xff",
    headers=(("trace", b"\x01"), ("watchkeeper-attempts", b"2"), ("watchkeeper-reason", b"old")),
    arrived_at=datetime(2025, 3, 3, tzinfo=UTC),
)


def test_a_dead_letter_is_the_message_whole_with_the_reason_beside_it() -> None:
    letter = dead_letter(ORIGIN, reason="not_utf8", detail="at byte 0", version="1.2", index=5)

    assert letter == OutRecord(
        b"k",
        b"\xff",
        (
            ("trace", b"\x01"),
            ("watchkeeper-topic", b"chat.logs"),
            ("watchkeeper-partition", b"3"),
            ("watchkeeper-offset", b"42"),
            ("watchkeeper-index", b"5"),
            ("watchkeeper-attempts", b"3"),
            ("watchkeeper-reason", b"not_utf8"),
            ("watchkeeper-detail", b"at byte 0"),
            ("watchkeeper-version", b"1.2"),
            ("watchkeeper-arrived-at", b"2025-03-03T00:00:00+00:00"),
        ),
    )


def test_headers_are_ascii_and_bounded_whatever_the_detail_says() -> None:
    letter = dead_letter(ORIGIN, reason="x", detail="\u202e💥" * 1000, version="1")

    assert all(value.isascii() and len(value) < 4_000 for name, value in letter.headers if name != "trace")


def _limit(**settings: float) -> DeadLetterLimit:
    return DeadLetterLimit(DeadLetterSettings(**settings))


def test_a_run_of_bad_messages_over_several_batches_stops() -> None:
    limit = _limit(max_run=4)
    limit.check([False, True, True], place="chat.logs/0", reasons="r: 2")
    limit.record([False, True, True])

    with pytest.raises(Misconfigured, match=r"4 messages in a row of chat\.logs/0"):
        limit.check([True, True], place="chat.logs/0", reasons="r: 2")


def test_a_run_inside_one_batch_stops_though_good_ones_follow() -> None:
    with pytest.raises(Misconfigured, match="in a row"):
        _limit(max_run=4).check([True] * 4 + [False] * 4, place="chat.logs/0", reasons="")


def test_a_share_of_bad_messages_counts_only_once_the_window_is_full() -> None:
    limit = _limit(window_messages=4, max_share=0.5, max_run=100)
    limit.check([True, False, True], place="p", reasons="")
    limit.record([True, False, True])

    limit.check([False], place="p", reasons="")
    with pytest.raises(Misconfigured, match="75% of the last 4 messages"):
        limit.check([True], place="p", reasons="")


def test_with_both_limits_raised_any_number_of_bad_messages_is_let_pass() -> None:
    limit = _limit(window_messages=4, max_share=1.0, max_run=10_000)
    for _ in range(10):
        limit.check([True] * 100, place="p", reasons="")
        limit.record([True] * 100)


def test_a_batch_that_is_tried_again_counts_once() -> None:
    limit = _limit(max_run=4)
    for _ in range(5):
        limit.check([True, True], place="p", reasons="")
    limit.record([True, True])
    limit.check([True], place="p", reasons="")
