"""A model's tokenizer, used so that text stays text: only what a prompt file names becomes a special token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer

from triton_models.scoring.prompt_file import PromptFileError

_MARK_BYTES: Final = 16
_TODAY: Final = datetime(2024, 7, 26, tzinfo=UTC)
"""What a chat template that writes the date takes it to be (Llama 3's own default): else the same text would be another prompt
tomorrow."""

Encoded = tuple[list[int], list[tuple[int, int]]]
"""Token ids, and for each the half-open range of characters that it stands for."""


class Vocabulary:
    """Encodes runs of plain text as the model's tokenizer does between special tokens, and names special tokens.

    The tokenizer's added tokens are taken out of a copy of it, except those of white space (Gemma's newlines); so no text
    can spell one. A vocabulary can also hold the name of a special token as an ordinary entry, which merges could reach:
    such text is split in two. A random mark, itself an added token, stands before every run, for a run is never the
    beginning of the text: nobody can write the mark, as it is drawn anew by every process.
    """

    def __init__(self, tokenizer: Any) -> None:
        """From a transformers tokenizer with a `tokenizers` backend. Raises PromptFileError for another."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise PromptFileError(
                f"the tokenizer is a {type(tokenizer).__name__}; the model folder needs a tokenizer.json"
            )
        content = json.loads(backend.to_str())
        reserved = {
            token["content"]: token["id"] for token in content["added_tokens"] if token["content"].strip()
        }
        content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].strip()]
        content |= {"post_processor": None, "truncation": None, "padding": None}
        self._whole = tokenizer
        self._reserved = reserved
        self._reserved_ids = frozenset(reserved.values())
        self._mark = f"\x02{secrets.token_hex(_MARK_BYTES)}\x03"
        self._plain = Tokenizer.from_str(json.dumps(content))
        self._plain.add_special_tokens([AddedToken(self._mark, normalized=False)])
        self._mark_id = self._plain.token_to_id(self._mark)

    @property
    def bos(self) -> int | None:
        """The id of the token that begins a text, if the model has one."""
        found: int | None = self._whole.bos_token_id
        return found

    @property
    def reserved(self) -> frozenset[int]:
        """Ids that no text can become."""
        return self._reserved_ids

    @property
    def reserved_texts(self) -> tuple[str, ...]:
        """How the reserved tokens are written, longest first."""
        return tuple(sorted(self._reserved, key=len, reverse=True))

    def special(self, text: str) -> int:
        """The id of the special token written so. Raises PromptFileError where the vocabulary has none."""
        found = self._whole.convert_tokens_to_ids(text)
        if not isinstance(found, int) or self._whole.convert_ids_to_tokens(found) != text:
            raise PromptFileError(
                f"{text!r} is no token of this model's vocabulary; is the prompt file for another model?"
            )
        return found

    def encode(self, text: str) -> Encoded:
        """Tokens of plain text that stands after something else. None of them is reserved."""
        ids, spans = self._encode(text)
        if self._reserved_ids.isdisjoint(ids):
            return ids, spans
        return self._encode_apart(text)

    def encode_first(self, text: str) -> Encoded:
        """Tokens of plain text that nothing stands before, as the tokenizer has them. None of them is reserved."""
        found = self._plain.encode(text, add_special_tokens=False)
        if self._reserved_ids.isdisjoint(found.ids):
            return list(found.ids), list(found.offsets)
        return self._encode_apart(text)

    def chat(self, system: str, template: str) -> tuple[str, bool]:
        """The text of the model's own chat template around one user message, ready for the answer, without the
        beginning-of-text token; and whether that stood there. Raises PromptFileError where there is no chat template."""
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": template})
        try:
            text: str = self._whole.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, strftime_now=_TODAY.strftime
            )
        except Exception as exc:  # templates raise what they like
            raise PromptFileError(
                f"the model's chat template can't take this file ({type(exc).__name__}); chat = false needs none"
            ) from exc
        begins: str = self._whole.bos_token or ""
        return text.removeprefix(begins), bool(begins) and text.startswith(begins)

    def _encode(self, text: str) -> Encoded:
        found = self._plain.encode(self._mark + text, add_special_tokens=False)
        before = len(self._mark)
        return found.ids[1:], [(max(start - before, 0), end - before) for start, end in found.offsets[1:]]

    def _encode_apart(self, text: str) -> Encoded:
        """As encode, with a mark put after the first character of whatever is written like a reserved token."""
        cuts: list[int] = []
        for written in self._reserved:
            at = text.find(written)
            while at >= 0:
                cuts.append(at + 1)
                at = text.find(written, at + 1)
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for start, end in _between(sorted(set(cuts)), len(text)):
            some, ranges = self._encode(text[start:end])
            ids += some
            spans += [(first + start, last + start) for first, last in ranges]
        kept = [at for at, one in enumerate(ids) if one not in self._reserved_ids]
        return [ids[at] for at in kept], [spans[at] for at in kept]


def _between(cuts: Sequence[int], length: int) -> list[tuple[int, int]]:
    return [(start, end) for start, end in pairwise([0, *cuts, length]) if start < end]
