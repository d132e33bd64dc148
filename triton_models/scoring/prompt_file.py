"""Prompt files: a prompted guard or a judge's rubric as data (docs/prompt-files.md). Loading, checking and the hash.

Needs nothing but the standard library, so that clients can read the files where there is no torch.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROMPT: Final = "{prompt}"
RESPONSE: Final = "{response}"

_FILE_KEYS: Final = {
    "name", "version", "source", "licence", "architectures", "max_tokens", "bos", "chat", "specials",
    "passes", "labels", "taxonomy",
}  # fmt: skip
_PASS_KEYS: Final = {"name", "system", "template", "needs_response", "questions"}
_QUESTION_KEYS: Final = {"name", "lead", "options", "follows", "after", "needs_response"}
_LABEL_KEYS: Final = {"question", "yes", "no"}
_TAXONOMY_KEYS: Final = {"question", "slugs"}
_LABELS: Final = {"prompt_harm", "refusal", "response_harm"}


class PromptFileError(ValueError):
    """A prompt file that can't be used: says which file, what is wrong and what to write instead."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as the text that the model would have written: `lead`, then one of `options` (label → text).

    `follows` names the question of the same pass whose answer stands before; `after` keeps it to some of that one's options
    (empty: all). `needs_response`: left out where there is no response.
    """

    name: str
    lead: str
    options: Mapping[str, str]
    follows: str | None
    after: tuple[str, ...]
    needs_response: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """One prompt through the model with the questions read after it; `system` is only for chat files."""

    name: str
    system: str
    template: str
    needs_response: bool
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """Which options mean yes and no; the others mean that the question wasn't answered. Of several questions (a guard that is
    asked policy by policy) the one that is likeliest yes counts."""

    questions: tuple[str, ...]
    yes: tuple[str, ...]
    no: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Slugs of schemas.taxonomy by the options of `question` (the category listed first), or, where `question` is None, by the
    questions of the label prompt_harm."""

    question: str | None
    slugs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A whole file. `hash` is 16 hex digits of its content: comments, order of keys and layout don't count."""

    name: str
    version: str
    source: str
    licence: str
    architectures: tuple[str, ...]
    max_tokens: int
    has_bos: bool
    is_chat: bool
    specials: tuple[str, ...]
    passes: tuple[Pass, ...]
    labels: Mapping[str, Label]
    taxonomy: Taxonomy | None
    hash: str

    def question(self, name: str) -> Question:
        """The question of this name. Raises KeyError."""
        return {question.name: question for one in self.passes for question in one.questions}[name]


def load(path: Path) -> PromptFile:
    """Read and check one file. Raises PromptFileError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise PromptFileError(f"{path} can't be read ({exc.strerror}); restore it or name another") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise PromptFileError(f"{path} is no TOML: {exc}") from exc
    try:
        return parse(content)
    except PromptFileError as exc:
        raise PromptFileError(f"{path}: {exc}; see docs/prompt-files.md") from exc


def load_folder(folder: Path) -> dict[str, PromptFile]:
    """Every *.toml of a folder by the name in it, which must be the file's own. Raises PromptFileError."""
    files = {path.stem: load(path) for path in sorted(folder.glob("*.toml"))}
    for stem, file in files.items():
        if stem != file.name:
            raise PromptFileError(f"{folder / stem}.toml calls itself {file.name!r}; give both one name")
    return files


def content_hash(content: Mapping[str, Any]) -> str:
    """16 hex digits of SHA-256 over the parsed content as JSON: keys sorted, no spaces, ASCII."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def together(files: Mapping[str, PromptFile]) -> str:
    """The hash of several files: one file's own, else 16 hex digits over names and hashes."""
    hashes = {name: file.hash for name, file in files.items()}
    return next(iter(hashes.values())) if len(hashes) == 1 else content_hash(hashes)


def parse(content: Mapping[str, Any]) -> PromptFile:
    """A prompt file from its parsed content. Raises PromptFileError."""
    _only(content, _FILE_KEYS, "the file")
    passes = tuple(_pass(entry) for entry in _given(content, "passes", list, "the file"))
    file = PromptFile(
        name=_given(content, "name", str, "the file"),
        version=_given(content, "version", str, "the file"),
        source=_given(content, "source", str, "the file"),
        licence=_given(content, "licence", str, "the file"),
        architectures=_texts(content.get("architectures", []), "architectures"),
        max_tokens=_given(content, "max_tokens", int, "the file"),
        has_bos=_given(content, "bos", bool, "the file", default=True),
        is_chat=_given(content, "chat", bool, "the file", default=False),
        specials=_texts(content.get("specials", []), "specials"),
        passes=passes,
        labels={
            name: _label(name, entry)
            for name, entry in _given(content, "labels", dict, "the file", default={}).items()
        },
        taxonomy=_taxonomy(content.get("taxonomy")),
        hash=content_hash(content),
    )
    _check(file)
    return file


def _pass(entry: Any) -> Pass:
    where = f"pass {entry.get('name')!r}" if isinstance(entry, dict) else "a pass"
    _only(entry, _PASS_KEYS, where)
    return Pass(
        name=_given(entry, "name", str, where),
        system=_given(entry, "system", str, where, default=""),
        template=_given(entry, "template", str, where),
        needs_response=_given(entry, "needs_response", bool, where, default=False),
        questions=tuple(_question(question) for question in _given(entry, "questions", list, where)),
    )


def _question(entry: Any) -> Question:
    where = f"question {entry.get('name')!r}" if isinstance(entry, dict) else "a question"
    _only(entry, _QUESTION_KEYS, where)
    options = _given(entry, "options", dict, where)
    if not all(isinstance(text, str) and text for text in options.values()):
        raise PromptFileError(f"{where}: an option is the text the model writes, and not empty")
    return Question(
        name=_given(entry, "name", str, where),
        lead=_given(entry, "lead", str, where, default=""),
        options=options,
        follows=entry.get("follows"),
        after=_texts(entry.get("after", []), f"{where}: after"),
        needs_response=_given(entry, "needs_response", bool, where, default=False),
    )


def _label(name: str, entry: Any) -> Label:
    where = f"label {name!r}"
    _only(entry, _LABEL_KEYS, where)
    return Label(
        questions=_texts(
            [entry["question"]] if isinstance(entry.get("question"), str) else entry.get("question"), where
        ),
        yes=_texts(_given(entry, "yes", list, where), where),
        no=_texts(_given(entry, "no", list, where), where),
    )


def _taxonomy(entry: Any) -> Taxonomy | None:
    if entry is None:
        return None
    _only(entry, _TAXONOMY_KEYS, "taxonomy")
    return Taxonomy(
        question=_given(entry, "question", str, "taxonomy") if "question" in entry else None,
        slugs=_given(entry, "slugs", dict, "taxonomy"),
    )


def _check(file: PromptFile) -> None:
    """What one entry alone can't show: names, order and references."""
    if not file.passes or not all(one.questions for one in file.passes):
        raise PromptFileError("there is no pass, or one without questions: nothing would be asked")
    names = [question.name for one in file.passes for question in one.questions]
    if len(set(names)) != len(names):
        raise PromptFileError(f"question names repeat: {', '.join(sorted(names))}")
    for one in file.passes:
        _check_pass(one, file)
    if unused := [text for text in file.specials if not any(text in one.template for one in file.passes)]:
        raise PromptFileError(f"specials that no template has: {', '.join(unused)}")
    if file.is_chat and file.specials:
        raise PromptFileError("a chat file has the markup of the model's chat template: leave specials out")
    for name, label in file.labels.items():
        if name not in _LABELS:
            raise PromptFileError(f"label {name!r} is none of {', '.join(sorted(_LABELS))}")
        if not label.questions:
            raise PromptFileError(f"label {name!r} has no question")
        for question in label.questions:
            _known(question, (*label.yes, *label.no), file, f"label {name!r}")
    if file.taxonomy is not None:
        _check_taxonomy(file.taxonomy, file)


def _check_pass(one: Pass, file: PromptFile) -> None:
    for field in (PROMPT, RESPONSE):
        if one.template.count(field) > 1:
            raise PromptFileError(f"pass {one.name!r} has {field} twice; the window is cut from one place")
    if one.system and not file.is_chat:
        raise PromptFileError(
            f"pass {one.name!r} has a system text; write it into the template, or chat = true"
        )
    if any(field in one.system for field in (PROMPT, RESPONSE)):
        raise PromptFileError(f"pass {one.name!r}: {PROMPT} and {RESPONSE} belong in the template")
    earlier: dict[str, Question] = {}
    for question in one.questions:
        before = earlier.get(question.follows or "")
        if question.follows is not None and before is None:
            raise PromptFileError(
                f"question {question.name!r} follows {question.follows!r}, which isn't before it"
            )
        if question.after and (before is None or not set(question.after) <= set(before.options)):
            raise PromptFileError(f"question {question.name!r}: `after` names options of what it follows")
        if before is not None and before.needs_response and not question.needs_response:
            raise PromptFileError(f"question {question.name!r} follows one that needs a response: so does it")
        if len(question.options) < 2 or len(set(question.options.values())) != len(question.options):
            raise PromptFileError(f"question {question.name!r} needs two options or more, all different")
        earlier[question.name] = question


def _check_taxonomy(taxonomy: Taxonomy, file: PromptFile) -> None:
    if "prompt_harm" not in file.labels:
        raise PromptFileError("taxonomy needs the label prompt_harm: the categories share its probability")
    if taxonomy.question is None:
        wanted = set(file.labels["prompt_harm"].questions)
    else:
        _known(taxonomy.question, tuple(taxonomy.slugs), file, "taxonomy")
        wanted = set(file.question(taxonomy.question).options)
    if wanted != set(taxonomy.slugs):
        raise PromptFileError(f"taxonomy has slugs for other options than {', '.join(sorted(wanted))}")


def _known(question: str, options: tuple[str, ...], file: PromptFile, where: str) -> None:
    try:
        found = file.question(question).options
    except KeyError:
        raise PromptFileError(f"{where} is of a question {question!r} that isn't asked") from None
    if unknown := set(options) - set(found):
        raise PromptFileError(f"{where} names {', '.join(sorted(unknown))}, no option of {question!r}")


def _only(entry: Any, keys: set[str], where: str) -> None:
    if not isinstance(entry, Mapping):
        raise PromptFileError(f"{where} is not a table")
    if unknown := set(entry) - keys:
        raise PromptFileError(f"{where} has unknown keys: {', '.join(sorted(unknown))}")


def _given(entry: Mapping[str, Any], key: str, kind: type, where: str, *, default: Any = None) -> Any:
    value = entry.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise PromptFileError(f"{where} needs {key!r} ({kind.__name__})")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise PromptFileError(f"{where} is a list of strings")
    return tuple(value)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(f"{load(Path(argument)).hash}  {argument}\n")
