"""Texts to MiniLM's word pieces, head and tail of what is long. Needs the package tokenizers.

The vocabulary has no special tokens here: `[SEP]` in a text is three pieces of text, whatever a user writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

PROMPT: Final = 0
RESPONSE: Final = 1
_UNKNOWN: Final = "[UNK]"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many word pieces of a prompt and of a response are read, from their beginning and from their end."""

    prompt_head: int = 128
    prompt_tail: int = 48
    response_head: int = 80
    response_tail: int = 24


class Pieces:
    """MiniLM's vocabulary. Safe to share between threads."""

    def __init__(self, vocabulary: Path) -> None:
        words = vocabulary.read_text(encoding="utf-8").splitlines()
        numbers = {word: number for number, word in enumerate(words)}
        try:
            self._start, self._end = numbers["[CLS]"], numbers["[SEP]"]
        except KeyError as exc:
            raise ValueError(f"{vocabulary} is no BERT vocabulary; restore the model folder") from exc
        self._tokenizer = Tokenizer(WordPiece(numbers, unk_token=_UNKNOWN))
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """The word pieces of each text, all of them, without start and end."""
        return [
            found.ids for found in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ]

    def read(
        self, prompt: Sequence[int], response: Sequence[int] | None, limits: Limits
    ) -> tuple[list[int], list[int], bool]:
        """Ids and segments of one exchange as the encoder reads it, and whether anything was left out.

        The layout is start, prompt, end, and where there is a response start, response, end.
        """
        asked = _ends(prompt, limits.prompt_head, limits.prompt_tail)
        ids = [self._start, *asked, self._end]
        segments = [PROMPT] * len(ids)
        left_out = len(asked) < len(prompt)
        if response is not None:
            answered = _ends(response, limits.response_head, limits.response_tail)
            ids += [self._start, *answered, self._end]
            segments += [RESPONSE] * (len(ids) - len(segments))
            left_out |= len(answered) < len(response)
        return ids, segments, left_out


def _ends(pieces: Sequence[int], head: int, tail: int) -> Sequence[int]:
    return pieces if len(pieces) <= head + tail else [*pieces[:head], *pieces[len(pieces) - tail :]]
