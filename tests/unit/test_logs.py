"""Libraries may speak, but not flood."""

from __future__ import annotations

import logging

from monitor.logs import REPEAT_AFTER_S, Sparse


def _record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "file", 1, message, arguments, None)


def test_the_same_thing_is_said_once_in_a_while_and_then_tells_how_often_it_was_not() -> None:
    now_s = [100.0]
    sparse = Sparse(lambda: now_s[0])
    said = [sparse.filter(_record("aiokafka", "Unable to connect to node %s", n)) for n in range(4)]
    now_s[0] += REPEAT_AFTER_S
    later = _record("aiokafka", "Unable to connect to node %s", 9)

    assert said == [True, False, False, False]
    assert sparse.filter(later)
    assert vars(later)["repeated"] == 3


def test_other_things_are_said_meanwhile() -> None:
    sparse = Sparse(lambda: 1.0)

    assert [sparse.filter(_record(name, text)) for name, text in (("a", "x"), ("b", "x"), ("a", "y"))] == [
        True
    ] * 3
