"""From an exchange to token ids: the template of a pass filled with plain text, windowed where it is too long."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from triton_models.scoring.prompt_file import PROMPT, RESPONSE, Pass, PromptFile, PromptFileError
from triton_models.scoring.vocabulary import Vocabulary

CHARS_PER_TOKEN: Final = 16
"""A text is cut to this many characters for each token of the window before it is tokenised, half of them from its head:
far more than fit (English has 4 a token), so that a text of any length takes bounded time."""

_PROBES: Final = ("", "a", " a", "1", "\n", "(", "é", "<", "日")
"""Texts that between them show which of the tokens before the first field depend on what stands in it."""

_TEMPLATE, _PROMPT, _RESPONSE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt for the model. `is_truncated`: not all of what was given is in it."""

    ids: tuple[int, ...]
    is_truncated: bool


class Renderer:
    """Renders the exchanges of one pass.

    A prompt has at most `room` tokens. Where the texts don't fit, each may have half of what is left beside the template, and
    what one leaves the other takes; a text that is cut keeps the first and the last half of its share.
    """

    def __init__(self, file: PromptFile, one: Pass, vocabulary: Vocabulary, *, answer_tokens: int) -> None:
        """`answer_tokens`: the longest answer, for which room is left. Raises PromptFileError."""
        self._vocabulary = vocabulary
        self._room = file.max_tokens - answer_tokens
        template, specials, has_bos = one.template, file.specials, file.has_bos
        if file.is_chat:
            template, has_bos = vocabulary.chat(one.system, one.template)
            specials = vocabulary.reserved_texts
        if has_bos and vocabulary.bos is None:
            raise PromptFileError("bos = true, but the model's vocabulary has no beginning-of-text token")
        self._start = (vocabulary.bos,) if has_bos and vocabulary.bos is not None else ()
        self._runs = _runs(template, specials, vocabulary)
        if vocabulary.bos in [run for run in self._runs if isinstance(run, int)]:
            raise PromptFileError("the template has the beginning-of-text token; leave it to bos = true")
        last = self._runs[-1]
        self.tail = (
            "" if isinstance(last, int) else re.split("|".join(map(re.escape, (PROMPT, RESPONSE))), last)[-1]
        )
        fixed = len(self._fill("", "")[0])
        if self._room - fixed < 2:
            raise PromptFileError(
                f"max_tokens is {file.max_tokens}, but the template has {fixed} tokens and the answers {answer_tokens}"
            )
        self.prefix = self._prefix()

    def render(self, prompt: str, response: str | None) -> Rendered:
        """The prompt's tokens, never more than fit. Characters that are no text (lone surrogates) become question marks."""
        texts = (as_text(prompt), as_text(response or ""))
        limit = CHARS_PER_TOKEN * self._room
        cut = [cut_to(text, limit) for text in texts]
        is_cut = any(short is not text for short, text in zip(cut, texts, strict=True))
        ids, owners = self._fill(*cut)
        excess = len(ids) - self._room
        if excess <= 0:
            return Rendered(tuple(ids), is_cut)
        counts = {owner: owners.count(owner) for owner in (_PROMPT, _RESPONSE)}
        left = sum(counts.values()) - excess
        shares = _shares(counts[_PROMPT], counts[_RESPONSE], left)
        for owner, share in zip((_PROMPT, _RESPONSE), shares, strict=True):
            ids, owners = _window(ids, owners, owner, share)
        return Rendered(tuple(ids), is_truncated=True)

    def _fill(self, prompt: str, response: str) -> tuple[list[int], list[int]]:
        """All tokens, and whose text each begins in."""
        ids, owners = list(self._start), [_TEMPLATE] * len(self._start)
        for run in self._runs:
            if isinstance(run, int):
                ids.append(run)
                owners.append(_TEMPLATE)
                continue
            parts = re.split(f"({re.escape(PROMPT)}|{re.escape(RESPONSE)})", run)
            texts = [{PROMPT: prompt, RESPONSE: response}.get(part, part) for part in parts]
            whose = [{PROMPT: _PROMPT, RESPONSE: _RESPONSE}.get(part, _TEMPLATE) for part in parts]
            some, spans = self._vocabulary.encode("".join(texts))
            ids += some
            owners += _owners(spans, [len(text) for text in texts], whose)
        return ids, owners

    def _prefix(self) -> tuple[int, ...]:
        """The tokens that every prompt of this pass begins with."""
        common = self._fill(_PROBES[0], "")[0]
        for probe in _PROBES[1:]:
            other = self._fill(probe, probe)[0]
            same = next(
                (at for at, pair in enumerate(zip(common, other, strict=False)) if pair[0] != pair[1]), None
            )
            common = common[: min(len(common), len(other)) if same is None else same]
        return tuple(common)


def _runs(template: str, specials: tuple[str, ...], vocabulary: Vocabulary) -> list[str | int]:
    """The template as special tokens (ids) and the texts between them."""
    ids = {text: vocabulary.special(text) for text in specials}
    if not ids:
        return [template]
    pattern = "|".join(re.escape(text) for text in sorted(ids, key=len, reverse=True))
    return [ids.get(part, part) for part in re.split(f"({pattern})", template) if part]


def as_text(text: str) -> str:
    """Without characters that are no text: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut_to(text: str, limit: int) -> str:
    """The text, or its head and tail halves where it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    return text[: limit - limit // 2] + text[len(text) - limit // 2 :]


def _owners(spans: list[tuple[int, int]], lengths: list[int], whose: list[int]) -> list[int]:
    owners: list[int] = []
    part, end = 0, lengths[0]
    for start, _ in spans:
        while start >= end and part < len(lengths) - 1:
            part += 1
            end += lengths[part]
        owners.append(whose[part])
    return owners


def _shares(first: int, second: int, left: int) -> tuple[int, int]:
    half = left // 2
    if first <= half:
        return first, left - first
    if second <= half:
        return left - second, second
    return left - half, half


def _window(ids: list[int], owners: list[int], owner: int, share: int) -> tuple[list[int], list[int]]:
    """Without the middle of an owner's tokens, so that `share` of them are left."""
    places = [at for at, whose in enumerate(owners) if whose == owner]
    if len(places) <= share:
        return ids, owners
    head = share - share // 2
    dropped = set(places[head : len(places) - share // 2])
    kept = [at for at in range(len(ids)) if at not in dropped]
    return [ids[at] for at in kept], [owners[at] for at in kept]
