"""The judge's rubrics as data, for clients that ask the questions themselves: docs/prompt-files.md has the format.

Triton's judge reads the same files with a loader of its own (nothing here may import triton_models); a test holds the two hashes
together.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

import monitor
from monitor.errors import Misconfigured
from monitor.judging.psychosafe import LIKERT
from schemas.judgements import CareDomain, RefusalClass
from schemas.taxonomy import CATEGORIES

REQUEST: Final = "request"
RESPONSE: Final = "response"
CARE: Final = "care"

_YES_NO: Final = frozenset({"yes", "no"})

CARE_DOMAINS: Final[tuple[str, ...]] = get_args(CareDomain)
NO_DOMAIN: Final = "none"
NO_STRATEGY: Final = "none"

OPTIONS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    REQUEST: {
        "category": frozenset(CATEGORIES),
        "should_refuse": _YES_NO,
        "care_domain": frozenset({*CARE_DOMAINS, NO_DOMAIN}),
    },
    RESPONSE: {
        "refusal_class": frozenset(get_args(RefusalClass)),
        "harm_provided": _YES_NO,
        "over_intervention": _YES_NO,
    },
    CARE: {
        "refusal": _YES_NO,
        "strategy": frozenset(),
        "grounding": frozenset(LIKERT),
        "resource": _YES_NO,
        "relevance": frozenset(LIKERT),
    },
}
"""What monitor/judging/answers.py reads: rubric → question → its options; the strategies are the rubric's own."""


class Question(msgspec.Struct, frozen=True):
    """What is asked; `options` gives for each label the text that the model would write."""

    name: str
    options: dict[str, str]
    lead: str = ""

    @property
    def codes(self) -> dict[str, str]:
        """Label by what the model writes, without the space before it."""
        return {text.strip(): label for label, text in self.options.items()}


class Pass(msgspec.Struct, frozen=True):
    """One message to the model and the questions about it."""

    name: str
    template: str
    questions: tuple[Question, ...]
    system: str = ""
    needs_response: bool = False


class Rubric(msgspec.Struct, frozen=True):
    """One file. Its other keys (tokens, architectures) are for those who tokenise themselves."""

    name: str
    version: str
    passes: tuple[Pass, ...]
    hash: str
    chat: bool = False

    @property
    def questions(self) -> dict[str, Question]:
        """All questions by name."""
        return {question.name: question for one in self.passes for question in one.questions}


class Rubrics:
    """The three rubrics, by name, that the answers are made of."""

    def __init__(self, rubrics: Mapping[str, Rubric]) -> None:
        self.by_name: Final = dict(rubrics)
        self.hash: Final = hash_of_all({name: rubric.hash for name, rubric in rubrics.items()})


def installed() -> Path:
    """The folder with this release's rubrics."""
    return Path(monitor.__file__).resolve().parents[1] / "triton_models" / "judge" / "prompts"


def load(folder: Path) -> Rubrics:
    """The rubrics of a folder. Raises Misconfigured where one is missing, unreadable, or asks something else."""
    return Rubrics({name: _load_one(folder / f"{name}.toml", name) for name in OPTIONS})


def content_hash(content: Mapping[str, Any]) -> str:
    """16 hex digits of SHA-256 over the parsed file as JSON: keys sorted, no spaces, ASCII."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_of_all(hashes: Mapping[str, str]) -> str:
    """One hash for a set of files, by their names and hashes: what a judgement names as its rubrics' hash."""
    return content_hash(hashes)


def _load_one(path: Path, name: str) -> Rubric:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        rubric = msgspec.convert({**content, "hash": content_hash(content)}, Rubric)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as exc:
        raise Misconfigured(
            f"the rubric {path} can't be used: {exc}",
            "restore the file (triton_models/judge/prompts), or name another folder; docs/prompt-files.md has the format",
        ) from exc
    faults = _faults(rubric, name)
    if faults:
        raise Misconfigured(
            f"the rubric {path} asks something else than the answers are made of: {'; '.join(faults)}",
            "reword it as you like, but keep its questions and their labels (docs/judges.md)",
        )
    return rubric


def _faults(rubric: Rubric, name: str) -> list[str]:
    faults = [] if rubric.name == name else [f"it calls itself {rubric.name!r}"]
    asked = rubric.questions
    for question, labels in OPTIONS[name].items():
        if question not in asked:
            faults.append(f"{question} isn't asked")
        elif labels and labels != asked[question].options.keys():
            faults.append(f"the labels of {question} aren't {', '.join(sorted(labels))}")
        elif len(asked[question].codes) != len(asked[question].options):
            faults.append(f"two answers to {question} read alike")
    return faults
