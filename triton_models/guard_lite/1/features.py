"""Texts to hashed n-grams, in whole-batch numpy passes: no loop over words, none over characters.

A word is a run of ASCII letters, digits, apostrophes or non-ASCII bytes, lower-cased. Its hash is a polynomial over
its bytes modulo 2**64, read off a running sum, so that a batch costs a handful of array operations whatever the
number of words. Word order is kept by hashing neighbours together; the text's beginning counts as a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

HEAD_BYTES: Final = 3_072
TAIL_BYTES: Final = 1_024
"""A longer text keeps this much of its beginning and of its end: the ask and the refusal stand at the ends."""

_BASE: Final = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2**64
_INVERSE: Final = pow(_BASE, -1, 1 << 64)
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_LEFT: Final = np.uint64(0x8CB92BA72F3D8DD7)
_LEFT_2: Final = np.uint64(0xA24BAED4963EE407)
_START: Final = np.uint64(0x5851F42D4C957F2D)
_STEM_BYTES: Final = 5

_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
                               "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]")  # fmt: skip


def _letters() -> npt.NDArray[np.uint64]:
    table = np.zeros(256, np.uint64)
    for byte in range(256):
        char = chr(byte).lower()
        if byte >= 0x80:
            table[byte] = byte + 1
        elif char.isalnum() or char == "'":
            table[byte] = ord(char) + 1
    return table


_LETTERS: Final = _letters()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch of n texts, text after text.

    `word`, `pair`, `triple`, `stem` are the hashes of a word, of it with one and two before it, and of its first
    five bytes. `first` has n+1 entries: text i owns words first[i]:first[i+1].
    """

    word: U64
    pair: U64
    triple: U64
    stem: U64
    first: Ints

    @property
    def counts(self) -> Ints:
        """Words of each text, shape (n,)."""
        return np.diff(self.first)


class Powers:
    """Powers of the hash base and of its inverse, grown on demand and kept."""

    def __init__(self) -> None:
        self._up = np.ones(1, np.uint64)
        self._down = np.ones(1, np.uint64)

    def upto(self, count: int) -> tuple[U64, U64]:
        """The powers 0..count-1 of the base and of its inverse."""
        if len(self._up) < count:
            size = 1 << (count - 1).bit_length()
            self._up = _powers(_BASE, size)
            self._down = _powers(_INVERSE, size)
        return self._up[:count], self._down[:count]


def _powers(base: int, size: int) -> U64:
    steps = np.full(size, base, np.uint64)
    steps[0] = 1
    return np.cumprod(steps)


def cut(text: bytes) -> tuple[bytes, bool]:
    """Head and tail of a long text, on character boundaries, and whether anything was left out."""
    if len(text) <= HEAD_BYTES + TAIL_BYTES:
        return text, False
    head, tail = HEAD_BYTES, len(text) - TAIL_BYTES
    while head > HEAD_BYTES - 3 and text[head] & 0xC0 == 0x80:
        head -= 1
    while tail < len(text) - TAIL_BYTES + 3 and text[tail] & 0xC0 == 0x80:
        tail += 1
    return text[:head] + b" " + text[tail:], True


def fold(text: bytes) -> bytes:
    """One spelling for what reads alike: compatibility forms, case, curly quotes, invisible characters.

    Bytes that are no UTF-8 become U+FFFD; nothing raises.
    """
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text.decode("utf-8", "replace"))
    return _INVISIBLE.sub("", plain).replace("\u2019", "'").replace("\u2018", "'").lower().encode()


def words(texts: Sequence[bytes], powers: Powers) -> Words:
    """Split and hash a batch of folded texts."""
    joined = np.frombuffer(b"\n".join((*texts, b"")), np.uint8)
    letters = _LETTERS[joined]
    inside = letters != 0
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    start, end = edges[0::2], edges[1::2]
    up, down = powers.upto(len(letters) + 1)
    running = np.zeros(len(letters) + 1, np.uint64)
    np.cumsum(letters * up[:-1], out=running[1:])
    low = running[start]
    unshift = down[start]
    word = mix((running[end] - low) * unshift)
    stem = mix((running[np.minimum(end, start + _STEM_BYTES)] - low) * unshift)

    begins = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) + 1 for text in texts], out=begins[1:])
    first = np.searchsorted(start, begins).astype(np.int64)

    before = np.empty_like(word)
    before[1:] = word[:-1]
    opens = first[:-1][first[:-1] < first[1:]]
    before[opens] = _START
    before_2 = np.empty_like(word)
    before_2[1:] = before[:-1]
    before_2[opens] = _START
    pair = mix(before * _LEFT + word)
    return Words(word, pair, mix(before_2 * _LEFT_2 + pair), stem, first)


def mix(hashes: U64) -> U64:
    """Spread the bits of a hash so that its top bits can be used as a bucket."""
    mixed = hashes ^ (hashes >> np.uint64(32))
    mixed *= _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX
    return mixed


def buckets(hashes: U64, bits: int, salt: int) -> Ints:
    """Bucket numbers of hashes in a table of 2**bits rows; `salt` tells kinds of feature apart."""
    return (mix(hashes + np.uint64(salt)) >> np.uint64(64 - bits)).astype(np.int64)
