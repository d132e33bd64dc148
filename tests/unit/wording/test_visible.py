"""Hostile text is shown as what it is, and obeyed by no terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.wording.visible import visible

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("Grüße, 你好, مرحبا", "Grüße, 你好, مرحبا"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("one\r\ntwo\tthree", "one⏎⏎two three"),
        ("c1 \x9b31m", "c1 ‹009B›31m"),
        ("\u202eevil\u202c", "‹202E›evil‹202C›"),
        ("pass\u200bword", "pass‹200B›word"),
        ("tag\U000e0041", "tag‹E0041›"),
        ("half \ud800", "half ‹D800›"),
        ("blank\u3164", "blank‹3164›"),
        ("Z" + "\u0335" * 50 + "a", "Z\u0335\u0335a"),
        ("no\u00a0break", "no break"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
    ],
)
def test_each_kind_of_hostile_text_has_one_harmless_look(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_that_controls_hides_or_reorders_is_left(text: str) -> None:
    assert {unicodedata.category(char) for char in visible(text)}.isdisjoint(FORBIDDEN)


@given(st.text())
def test_making_visible_twice_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)
