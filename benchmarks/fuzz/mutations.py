"""Damage to raw bytes, as a broken producer, a cut connection or an attacker does it."""

# ruff: noqa: ARG001  # every kind of damage takes the same arguments

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

_TOKENS: Final = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-1", b"1e400", b"NaN", b"18446744073709551616",
    b'""', b"{}", b"[]", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\\ud83d", b"\\u0000",
    b"\\ude00", b'"role":', b'"user"', b'"content":', b'"choices":', b'"specversion":', b'"data":', b"\n", b"\x0a\x80\x01",
)  # fmt: skip
_VALUES: Final = (
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1.5",
    b'""',
    b"{}",
    b"[]",
    b'["a"]',
    b'{"a":1}',
    b'"\\ud83d"',
    b"1e99",
)
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789 .-_"
_LONGEST_PIECE: Final = 64


def _flip(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    if place < len(damaged):
        damaged[place] ^= 1 << rng.randrange(8)


def _cut(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    del damaged[place : place + rng.randrange(_LONGEST_PIECE)]


def _cut_off(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    if rng.randrange(4) == 0:  # seldom: what is left after it rarely says anything new
        del damaged[place:]


def _insert(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    damaged[place:place] = rng.choice(_TOKENS)


def _insert_noise(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    damaged[place:place] = rng.randbytes(rng.randrange(8))


def _overwrite(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    token = rng.choice(_TOKENS)
    damaged[place : place + len(token)] = token


def _duplicate(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    damaged[place:place] = damaged[place : place + rng.randrange(_LONGEST_PIECE)]


def _splice(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    start = rng.randrange(len(other) + 1)
    damaged[place:place] = other[start : start + rng.randrange(_LONGEST_PIECE)]


def _misspell(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    if place < len(damaged) and damaged[place] in _LETTERS:
        damaged[place] = rng.choice(_LETTERS)


def _replace_string(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    """Bytes from quote to quote by those of another message, or by a value of another type: often still JSON."""
    start, end = _quoted(damaged, place)
    if end:
        there, then = _quoted(other, rng.randrange(len(other) + 1))
        damaged[start:end] = other[there:then] if then and rng.randrange(2) else rng.choice(_VALUES)


def _drop_member(damaged: bytearray, place: int, other: bytes, rng: Random) -> None:
    """Bytes from comma to comma: a member or an element, where nothing nested lies between."""
    start = damaged.find(b",", place)
    end = damaged.find(b",", start + 1)
    if start >= 0 and end - start <= _LONGEST_PIECE * 8:
        del damaged[start : max(start, end)]


_KINDS: Final[tuple[Callable[[bytearray, int, bytes, Random], None], ...]] = (
    _flip, _cut, _cut_off, _insert, _insert_noise, _overwrite, _duplicate, _splice,
    _misspell, _misspell, _replace_string, _replace_string, _replace_string, _drop_member,
)  # fmt: skip


def mutate(value: bytes, other: bytes, rng: Random) -> bytes:
    """Once, or with falling odds more often: flip, cut, insert, overwrite, duplicate, splice, misspell, replace."""
    damaged = bytearray(value)
    while True:
        rng.choice(_KINDS)(damaged, rng.randrange(len(damaged) + 1), other, rng)
        if rng.random() < 0.4:
            return bytes(damaged)


def _quoted(text: bytes | bytearray, place: int) -> tuple[int, int]:
    start = text.find(b'"', place)
    end = text.find(b'"', start + 1)
    return (start, end + 1) if 0 <= start < end else (0, 0)
