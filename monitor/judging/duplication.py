"""Whether a response is a template: near-identical to another of the same model within a window. MinHash LSH by datasketch.

The window is the last `capacity` responses in the order in which they are asked about, over all keys, so memory is
bounded whatever comes. The first of a kind is not a template when it comes: the share counts what repeats, not what
is repeated. An event that comes again gets what it got before, as long as the window remembers it; a worker that
starts anew starts with an empty window.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import numpy as np
from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]  # ships no types

from monitor.judging.plain_text import plain

SHINGLE_WORDS: Final = 3
LEAST_WORDS: Final = 15
"""Below this a response is too short to tell. Of the refusals of the evaluation data with 12 to 14 words 31% are near-identical to
one before, with 15 and more 2%: there are few ways to say "I'm sorry, but I can't help with that." """
MOST_WORDS: Final = 2_000
"""Of a longer response these first words are compared; near-identical ones are near-identical there too."""
LEAST_JACCARD: Final = 0.7
"""Of the two sets of shingles. One word exchanged changes three shingles: of 60 words that gives 0.90, and three names
filled into a template 0.73."""

# 20 bands of 4 rows: a pair at the least Jaccard is compared with probability 1 - (1 - .7^4)^20 = .996, one at .3 in 15 of 100
# cases, which costs only the exact comparison. Each band costs a quarter of a kilobyte a response.
_BANDS: Final = (20, 4)
_PERMUTATIONS: Final = 80

# A CJK character is a word of its own: these scripts have no spaces.
_WORD: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)


@dataclass(frozen=True, slots=True)
class _Seen:
    key: Hashable
    is_template: bool | None
    shingles: Any  # uint32, sorted and without repeats: a fifteenth of a set's memory


@dataclass(slots=True)
class TemplateWindow:
    """The responses that others are compared with. `capacity`: responses held, 7 KB each of 120 words (measured).

    Deterministic: the same calls in the same order give the same answers. Not for use from several threads.
    """

    capacity: int = 5_000
    _seen: OrderedDict[str, _Seen] = field(default_factory=OrderedDict, init=False)
    _indexes: dict[Hashable, MinHashLSH] = field(default_factory=dict, init=False)
    _sizes: dict[Hashable, int] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._seen)

    def is_template(self, key: Hashable, event_id: str, response: str) -> bool | None:
        """Whether another response under `key` (the model, or tenant and model) is near-identical; None: too short to tell.

        Remembers the response. An event that is still remembered gets its first answer.
        """
        if (before := self._seen.get(event_id)) is not None:
            return before.is_template
        shingles = shingles_of(response)
        verdict: bool | None = None
        if shingles is not None:
            signature = _signature(shingles)
            index = self._indexes.get(key)
            if index is None:
                index = self._indexes[key] = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
            verdict = any(
                jaccard(shingles, self._seen[other].shingles) >= LEAST_JACCARD
                for other in index.query(signature)
            )
            index.insert(event_id, signature, check_duplication=False)
            self._sizes[key] = self._sizes.get(key, 0) + 1
        self._seen[event_id] = _Seen(key, verdict, shingles)
        while len(self._seen) > self.capacity:
            self._forget_oldest()
        return verdict

    def _forget_oldest(self) -> None:
        event_id, seen = self._seen.popitem(last=False)
        if seen.shingles is None:
            return
        self._indexes[seen.key].remove(event_id)
        self._sizes[seen.key] -= 1
        if not self._sizes[seen.key]:
            del self._sizes[seen.key], self._indexes[seen.key]


def shingles_of(response: str) -> Any | None:
    """Hashes of the runs of SHINGLE_WORDS words, case and punctuation aside; None where it has too few words."""
    words = [
        match[0].encode()
        for match, _ in zip(_WORD.finditer(plain(response).casefold()), range(MOST_WORDS), strict=False)
    ]
    if len(words) < LEAST_WORDS:
        return None
    runs = zip(*(words[start:] for start in range(SHINGLE_WORDS)), strict=False)
    return np.unique(np.fromiter((crc32(b" ".join(run)) for run in runs), np.uint32))


def jaccard(one: Any, other: Any) -> float:
    """Of two sorted arrays without repeats; exact but for collisions of 32-bit hashes."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def _signature(shingles: Any) -> MinHash:
    signature = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int)
    signature.update_batch(shingles)
    return signature
