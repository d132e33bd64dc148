"""A verdict on one line: fitted, labelled, harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from monitor.cli.shapes import TailLine
from monitor.cli.verdict_line import Filter, tail_line, verdict_line
from tests.fakes.verdicts import a_verdict

VERDICT = a_verdict()
HOSTILE = "\x1b[2J\u202eevil\u200b[red]x[/red]\nnew line " + "漢字" * 80


HEAD = "12:00:01 acme       gpt-4o           cyberattacks           harmful prompt · refused   "


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (
            None,
            HEAD.replace("cyberattacks", "cyberattacks" + " " * 12) + "how do I … → I can't help with that.",
        ),
        (140, HEAD + "how do I … → I can't help with that."),
        (120, HEAD.replace("acme       ", "") + "how do I … → I can't help with that."),
        (
            100,
            "12:00:01 cyberattacks           harmful prompt · refused   how do I … → I can't help with that.",
        ),
        (80, "12:00:01 cyberattacks           harmful prompt · refused   how do I… → I can't …"),
    ],
)
def test_a_line_fits_its_terminal(width: int | None, line: str) -> None:
    assert verdict_line(VERDICT, width).plain == line


@pytest.mark.parametrize("width", [20, 40, 60, 80, 99, 100, 120, 200])
def test_hostile_text_stays_one_harmless_line_of_at_most_the_width(width: int) -> None:
    verdict = replace(
        VERDICT, prompt_excerpt=HOSTILE, response_excerpt=HOSTILE, tenant=HOSTILE, model=HOSTILE
    )
    plain = verdict_line(verdict, width).plain
    assert cell_len(plain) <= width
    assert not set(plain) & set("\x1b\n\u202e\u200b")


@given(st.text(), st.text(), st.integers(30, 160))
def test_any_text_fits(prompt: str, response: str, width: int) -> None:
    verdict = replace(VERDICT, prompt_excerpt=prompt, response_excerpt=response)
    assert cell_len(verdict_line(verdict, width).plain) <= width


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "harmful prompt · refused"),
        ({"refused": False}, "harmful prompt · complied"),
        ({"response_harmful": True, "refused": False}, "harmful answer · complied"),
        ({"prompt_harmful": False}, "refused"),
        ({"prompt_harmful": False, "refused": False}, "ok"),
        ({"refused": None, "response_harmful": None}, "harmful prompt"),
        ({"status": "unknown"}, "no answer (unknown)"),
        ({"status": "error"}, "no answer (error)"),
        ({"status": "skipped", "sampling_decision": "sampled_out"}, "sampled out"),
    ],
)
def test_each_finding_has_its_words(changes: dict[str, object], label: str) -> None:
    line = verdict_line(replace(VERDICT, **changes), 140).plain
    assert line[60:86].rstrip() == label


@pytest.mark.parametrize(
    ("chosen", "takes"),
    [
        (Filter(), True),
        (Filter(is_harmful=True), True),
        (Filter(is_refused=True), True),
        (Filter(categories=frozenset(["benign"])), False),
        (Filter(models=frozenset(["gpt-4o"]), tenants=frozenset(["acme"])), True),
        (Filter(tenants=frozenset(["other"])), False),
    ],
)
def test_filters_all_have_to_match(chosen: Filter, takes: object) -> None:
    assert chosen.takes(VERDICT) is takes


def test_a_verdict_without_an_answer_is_neither_harmful_nor_refused() -> None:
    unknown = replace(VERDICT, status="unknown", prompt_harmful=None, refused=None, response_harmful=None)
    assert not Filter(is_harmful=True).takes(unknown)
    assert not Filter(is_refused=True).takes(unknown)


def test_an_unmasked_excerpt_is_masked_before_it_is_shown() -> None:
    full = replace(VERDICT, excerpt_policy="full", prompt_excerpt="write to jane.doe@example.com")
    assert "jane.doe@example.com" not in verdict_line(full, None).plain
    assert "jane.doe@example.com" not in tail_line(full).prompt_excerpt


def test_the_document_of_a_verdict_reads_back() -> None:
    document = tail_line(replace(VERDICT, source_index=2))
    assert TailLine.model_validate_json(document.model_dump_json()) == document
    assert document.source == "chat.logs/0/7#2"
