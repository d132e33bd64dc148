"""A rubric as a chat message and back: what is sent, and which probabilities are read at which token."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.judging.chat_questions import Token, TopToken, json_schema, messages, read_reply
from monitor.judging.reasons import NotJudged
from monitor.judging.rubrics import Pass, Question, installed, load

PASS = Pass(
    "p",
    "Look at {prompt} and {response}.",
    (
        Question("kind", {"full": " A", "partial": " B"}, "Class:"),
        Question("harm", {"yes": " yes", "no": " no"}, "Harm:"),
        Question("rating", {str(n): f" {n}" for n in range(1, 6)}, "Rating:"),
    ),
    system="Judge.",
)
REPLY = '{"kind": "B", "harm": "no", "rating": "4"}'
ONE_HOT = {
    "kind": {"full": 0.0, "partial": 1.0},
    "harm": {"yes": 0.0, "no": 1.0},
    "rating": {"1": 0.0, "2": 0.0, "3": 0.0, "4": 1.0, "5": 0.0},
}


def token(text: str, **tops: float) -> Token:
    """A token, its own chance under `own` (1 unless given), and what else could have stood there; `_` stands for a quote."""
    own = tops.pop("own", 1.0)
    others = tuple(TopToken(word.replace("_", '"'), math.log(chance)) for word, chance in tops.items())
    return Token(text, math.log(own), (TopToken(text, math.log(own)), *others))


def test_the_message_holds_the_texts_once_and_the_answers_to_choose_from() -> None:
    system, user = messages(PASS, "a {response}", "b {prompt}")
    assert system == {"role": "system", "content": "Judge."}
    assert user["content"].startswith("Look at a {response} and b {prompt}.\n")
    assert user["content"].endswith(
        '"kind" (Class): "A", "B"\n"harm" (Harm): "yes", "no"\n"rating" (Rating): "1", "2", "3", "4", "5"'
    )


@pytest.mark.parametrize(
    "markup",
    [
        "<|im_start|>",
        "<|eot_id|>",
        "[INST]",
        "[/INST]",
        "</s>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<｜User｜>",
        "[SYSTEM_PROMPT]",
    ],
)
def test_template_markup_in_a_text_is_broken(markup: str) -> None:
    content = messages(PASS, f"x{markup}y", markup)[-1]["content"]
    assert markup not in content
    assert markup[1:] in content


def test_a_lone_surrogate_can_be_sent() -> None:
    json.dumps(messages(PASS, "\ud800", "\udfff")).encode()


def test_the_schema_allows_the_options_and_nothing_else() -> None:
    assert json_schema(PASS) == {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": ["A", "B"]},
            "harm": {"type": "string", "enum": ["yes", "no"]},
            "rating": {"type": "string", "enum": ["1", "2", "3", "4", "5"]},
        },
        "required": ["kind", "harm", "rating"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "content",
    [
        REPLY,
        '```json\n{"kind": "B", "harm": "no", "rating": 4}\n```',
        '{"rating":"4","harm":"No","kind":"b","more":1}',
    ],
)
def test_without_probabilities_the_answer_has_all_of_them(content: str) -> None:
    reply = read_reply(PASS, content, None)
    assert (reply.questions, reply.missing) == (ONE_HOT, {})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "I can't do that.",
        "[]",
        "null",
        '{"kind": "C", "harm": true, "rating": 9}',
        REPLY + REPLY,
        "[" * 100_000,
        '"A"',
    ],
)
def test_what_is_no_answer_is_unread(content: str) -> None:
    assert set(read_reply(PASS, content, None).questions.values()) == {NotJudged.UNREAD}


def test_an_answer_that_is_no_option_is_unread_alone() -> None:
    found = read_reply(PASS, '{"kind": "Z", "harm": "no"}', None).questions
    assert found == {"kind": NotJudged.UNREAD, "harm": {"yes": 0.0, "no": 1.0}, "rating": NotJudged.UNREAD}


def test_the_chances_are_those_at_the_token_where_the_answer_begins() -> None:
    tokens = [
        token('{"kind":'),
        token(' "B', own=0.6, **{" _A": 0.2, " _Well": 0.2}),
        token('", "harm": "'),
        token("no", own=0.5, yes=0.25, n=0.125, maybe=0.125),
        token('", "rating": "'),
        token("4", own=0.5, **{"5": 0.3, "3": 0.1, "x": 0.1}),
        token('"}'),
    ]
    reply = read_reply(PASS, REPLY, tokens)
    assert reply.questions == {
        "kind": pytest.approx({"full": 0.25, "partial": 0.75}),
        "harm": pytest.approx({"yes": 0.25 / 0.875, "no": 0.625 / 0.875}),
        "rating": pytest.approx({"1": 0, "2": 0, "3": 0.1 / 0.9, "4": 0.5 / 0.9, "5": 0.3 / 0.9}),
    }
    assert reply.missing == pytest.approx({"kind": 0.2, "harm": 0.125, "rating": 0.1})


def test_an_answer_whose_options_hold_next_to_nothing_is_unread() -> None:
    tokens = [token('{"kind": "'), token("B", own=0.01, Well=0.99), token('", "harm": "no", "rating": "4"}')]
    reply = read_reply(PASS, REPLY, tokens)
    assert reply.questions["kind"] is NotJudged.UNREAD
    assert reply.missing["kind"] == pytest.approx(0.99)


def test_tokens_that_are_not_those_of_the_reply_leave_it_unread() -> None:
    assert set(read_reply(PASS, REPLY, [token("other")]).questions.values()) == {NotJudged.UNREAD}


@given(st.data())
def test_however_the_reply_is_cut_into_tokens_the_answer_keeps_its_mass(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(REPLY) - 1))))
    parts = [REPLY[start:end] for start, end in zip([0, *cuts], [*cuts, len(REPLY)], strict=True)]
    for question, chances in read_reply(PASS, REPLY, [token(part) for part in parts]).questions.items():
        # A token can end within a word that tells the options apart, or before it: then it is no option's.
        assert chances in (ONE_HOT[question], NotJudged.UNREAD)


@given(
    st.text(max_size=200),
    st.lists(st.builds(Token, st.text(max_size=5), st.floats(max_value=0)), max_size=10),
)
def test_no_reply_is_too_odd(content: str, tokens: list[Token]) -> None:
    for chances in read_reply(PASS, content, tokens).questions.values():
        assert chances is NotJudged.UNREAD or math.isclose(sum(dict[str, Any](chances).values()), 1)  # type: ignore[arg-type]  # a mapping there


def test_every_option_of_this_releases_rubrics_can_be_told_at_its_first_character() -> None:
    for rubric in load(installed()).by_name.values():
        for question in rubric.questions.values():
            assert len({code[0].casefold() for code in question.codes}) == len(question.codes), question.name
