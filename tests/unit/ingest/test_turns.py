"""The multi-turn rule of docs/formats.md."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.errors import Rejected
from monitor.ingest.turns import split
from schemas.events import Turn


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


CONVERSATION = [
    said("system", "s"),
    said("user", "u1"),
    said("assistant", "a1"),
    said("user", "u2"),
    said("user", "u3"),
    said("assistant", "a2"),
    said("tool", "t1"),
]


def test_the_prompt_is_the_last_user_turn_and_the_rest_is_context_in_order() -> None:
    assert split(CONVERSATION, "messages", 20) == (
        "u2\nu3",
        (
            Turn("system", "s"),
            Turn("user", "u1"),
            Turn("assistant", "a1"),
            Turn("assistant", "a2"),
            Turn("tool", "t1"),
        ),
    )


@pytest.mark.parametrize(
    ("limit", "kept"), [(0, []), (1, ["t1"]), (3, ["a1", "a2", "t1"]), (5, ["s", "u1", "a1", "a2", "t1"])]
)
def test_the_oldest_context_is_dropped_first(limit: int, kept: list[str]) -> None:
    prompt, context = split(CONVERSATION, "messages", limit)
    assert (prompt, [turn.text for turn in context]) == ("u2\nu3", kept)


def test_context_beyond_the_limit_is_not_looked_into() -> None:
    broken = {"role": "assistant", "content": 12}
    assert split([broken, *CONVERSATION], "messages", 5) == split(CONVERSATION, "messages", 5)
    with pytest.raises(Rejected) as caught:
        split([broken, *CONVERSATION], "messages", 6)
    assert str(caught.value) == (
        "wrong_type: messages[0].content: expected a string or a list of parts, found a number"
    )


@pytest.mark.parametrize(
    ("role", "known"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("assistant", "assistant"),
        ("model", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
        ("Assistant", "assistant"),
        ("wizard", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_role_is_one_of_five_words(role: str, known: str) -> None:
    assert split([said(role, "x"), said("user", "u")], "messages", 5) == ("u", (Turn(known, "x"),))


def test_a_text_is_a_conversation_of_one_user_turn() -> None:
    assert split("Hello", "messages", 5) == ("Hello", ())
