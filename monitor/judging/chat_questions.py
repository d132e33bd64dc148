"""A rubric as a chat message, and the reply as a reading: pure. For endpoints that take messages and give text.

The reply is one JSON object: question → what the model would have written, so "yes" or "C", as the rubric's options have it.
Where the endpoint gives token probabilities, those of an answer are read at the token where the answer begins: the chances of
all the options that begin there, renormalised. The rest of the mass (other words, other spellings) is missing mass.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from monitor.judging.answers import Chances
from monitor.judging.reasons import NotJudged
from monitor.judging.rubrics import Pass, Question

LEAST_MASS: Final = 0.1
"""Of the options at an answer's first token. With less the ratio would be between things that the model all but ruled out."""

# What chat templates and tokenizers take for markup. Whether a server does so with what a message holds is not for us to know.
_MARKUP: Final = re.compile(
    r"<(?=\||/?s>|/?(?:start|end)_of_|｜|/?think>|/?tool)|\[(?=/?[A-Z_]{2,20}\])", re.IGNORECASE
)
_FIELDS: Final = re.compile(r"\{prompt\}|\{response\}")
_ORDER: Final = "Answer all the questions with one JSON object and nothing else. Its keys and their possible values are:\n"


class TopToken(msgspec.Struct, frozen=True):
    """A token that could have stood there, and its log-probability."""

    token: str
    logprob: float


class Token(msgspec.Struct, frozen=True):
    """A token of the reply, with those that could have stood there."""

    token: str
    logprob: float
    top_logprobs: tuple[TopToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What was read from a reply. `missing` holds for each question with probabilities the mass of no option."""

    questions: Mapping[str, Chances | NotJudged]
    missing: Mapping[str, float]


def messages(one: Pass, prompt: str, response: str | None) -> list[dict[str, str]]:
    """The chat messages that ask all questions of a pass. Template markup in the texts is broken by a space."""
    texts = {"{prompt}": _defused(prompt), "{response}": _defused(response or "")}
    asked = _FIELDS.sub(lambda match: texts[match[0]], one.template)
    keys = "\n".join(
        f'"{question.name}" ({question.lead.strip().rstrip(":")}): '
        + ", ".join(json.dumps(code) for code in question.codes)
        for question in one.questions
    )
    system = [{"role": "system", "content": one.system}] if one.system else []
    return [*system, {"role": "user", "content": f"{asked}\n\n{_ORDER}{keys}"}]


def json_schema(one: Pass) -> dict[str, Any]:
    """The JSON Schema of a reply, as strict structured output takes it."""
    return {
        "type": "object",
        "properties": {
            question.name: {"type": "string", "enum": list(question.codes)} for question in one.questions
        },
        "required": [question.name for question in one.questions],
        "additionalProperties": False,
    }


def read_reply(one: Pass, content: str, tokens: Sequence[Token] | None) -> Reply:
    """The reading of a reply. `tokens` None: only which option is known, and its chance is 1.

    What isn't one JSON object is unread as a whole; an answer that isn't an option, or whose tokens can't be found or
    hold too little mass, alone.
    """
    values = _object_in(content)
    questions: dict[str, Chances | NotJudged] = {}
    missing: dict[str, float] = {}
    for question in one.questions:
        code = _code(question, values.get(question.name))
        if code is None:
            questions[question.name] = NotJudged.UNREAD
        elif tokens is None:
            questions[question.name] = {
                label: float(written == code) for written, label in question.codes.items()
            }
        else:
            masses = _masses(question, content, tokens)
            missing[question.name] = 1 - min(math.fsum(masses.values()), 1.0)
            questions[question.name] = _normal(masses, question)
    return Reply(questions, missing)


def _defused(text: str) -> str:
    """Also without lone surrogates, which JSON can't carry."""
    return _MARKUP.sub(lambda match: match[0] + " ", text).encode("utf-8", "replace").decode()


def _object_in(content: str) -> Mapping[str, Any]:
    """The one object that the reply is, a code fence around it aside."""
    text = re.sub(r"^\s*```(?:json)?\s*|\s*```\s*$", "", content)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _code(question: Question, value: object) -> str | None:
    """The option that a value is; a rating may come as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    written = str(value).strip().casefold()
    return next((code for code in question.codes if code.casefold() == written), None)


def _masses(question: Question, content: str, tokens: Sequence[Token]) -> dict[str, float]:
    """Probability by option at the token where the answer begins; empty where that can't be found."""
    found = _token_at(question, content, tokens)
    if found is None:
        return {}
    token, skipped = found
    choices = {token.token: token.logprob} | {one.token: one.logprob for one in token.top_logprobs}
    masses = dict.fromkeys(question.codes, 0.0)
    for text, logprob in choices.items():
        begun = text[skipped:] if text[:skipped] == token.token[:skipped] else text
        code = _begun(question, begun.lstrip(' "\n\t'))
        if code is not None and not math.isnan(logprob):
            masses[code] += math.exp(min(logprob, 0.0))
    return masses


def _token_at(question: Question, content: str, tokens: Sequence[Token]) -> tuple[Token, int] | None:
    """The token in which the answer begins, and how many of its characters stand before the answer."""
    match = re.search(rf'"{re.escape(question.name)}"\s*:\s*"?\s*', content)
    if match is None or "".join(token.token for token in tokens) != content:
        return None
    start = 0
    for token in tokens:
        if start <= match.end() < start + len(token.token):
            return token, match.end() - start
        start += len(token.token)
    return None


def _begun(question: Question, text: str) -> str | None:
    """The one option that a token begins with, or that begins with it."""
    if not text:
        return None
    word = re.match(r"\w+", text)
    begun = (word[0] if word else text).casefold()
    fitting = [code for code in question.codes if code.casefold().startswith(begun)]
    return fitting[0] if len(fitting) == 1 else None


def _normal(masses: Mapping[str, float], question: Question) -> Chances | NotJudged:
    total = math.fsum(masses.values())
    if total < LEAST_MASS:
        return NotJudged.UNREAD
    return {label: masses[code] / total for code, label in question.codes.items()}


def passes_of(passes: Sequence[Pass], *, has_response: bool) -> Iterator[Pass]:
    """Those that can be asked."""
    return (one for one in passes if has_response or not one.needs_response)
