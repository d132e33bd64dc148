"""From a text to the token ids that the audited model is given: in its chat template, or raw. Never more than fit, and said."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal, Protocol

from triton_models.scoring.prompt_file import PROMPT, Pass, PromptFile, PromptFileError
from triton_models.scoring.rendering import CHARS_PER_TOKEN, Rendered, Renderer, as_text, cut_to
from triton_models.scoring.vocabulary import Vocabulary

Template = Literal["chat", "raw"]

_PASS: Final = Pass("states", "", PROMPT, needs_response=False, questions=())


class Texts(Protocol):
    """Renders single texts."""

    def render(self, text: str) -> Rendered:
        """At most `max_tokens` ids. A text that is too long keeps the first and the last half of its share."""
        ...


class Chat:
    """A text as the one message of a user, in the model's chat template, ready for the answer."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int) -> None:
        """Raises PromptFileError where the model has no chat template, or one that leaves no room."""
        written, has_bos = vocabulary.chat("", PROMPT)
        if written.count(PROMPT) != 1:
            raise PromptFileError(
                f"the model's chat template writes a message {written.count(PROMPT)} times; take --template raw"
            )
        file = PromptFile(
            name="probe",
            version="",
            source="",
            licence="",
            architectures=(),
            max_tokens=max_tokens,
            has_bos=False,
            is_chat=True,
            specials=(),
            passes=(_PASS,),
            labels={},
            taxonomy=None,
            hash="",
        )
        self._renderer = Renderer(file, _PASS, vocabulary, answer_tokens=0)
        self.hash = _hash(f"{has_bos}\x00{written}")

    def render(self, text: str) -> Rendered:
        """See Texts."""
        return self._renderer.render(text, None)


class Raw:
    """A text as the tokenizer has it, with what it puts around every text ([CLS], <s> ...). What a text spells stays text."""

    def __init__(self, tokenizer: Any, vocabulary: Vocabulary, max_tokens: int) -> None:
        """Raises PromptFileError where `max_tokens` leaves no room."""
        self.hash = ""
        self._vocabulary = vocabulary
        self._before, self._after = _around(tokenizer)
        self._room = max_tokens - len(self._before) - len(self._after)
        if self._room < 2:
            raise PromptFileError(f"max_tokens is {max_tokens}; give more")

    def render(self, text: str) -> Rendered:
        """See Texts. No ids at all for an empty text of a tokenizer that puts nothing around it."""
        text = as_text(text)
        cut = cut_to(text, CHARS_PER_TOKEN * self._room)
        ids, _ = self._vocabulary.encode_first(cut)
        is_cut = cut is not text or len(ids) > self._room
        if len(ids) > self._room:
            tail = self._room // 2
            ids = ids[: self._room - tail] + ids[len(ids) - tail :]
        return Rendered((*self._before, *ids, *self._after), is_cut)


def texts_of(tokenizer: Any, vocabulary: Vocabulary, *, template: Template, max_tokens: int) -> Chat | Raw:
    """What renders texts this way. Raises PromptFileError."""
    if template == "chat":
        return Chat(vocabulary, max_tokens)
    return Raw(tokenizer, vocabulary, max_tokens)


def tokenizer_hash(tokenizer: Any) -> str:
    """16 hexadecimal digits of everything that makes ids of text."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content |= {"truncation": None, "padding": None}
    return _hash(json.dumps(content, sort_keys=True))


def _around(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts before and behind a text."""
    whole = list(tokenizer("a")["input_ids"])
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    for start in range(len(whole) - len(plain) + 1):
        if plain and whole[start : start + len(plain)] == plain:
            return tuple(whole[:start]), tuple(whole[start + len(plain) :])
    return tuple(whole), ()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
