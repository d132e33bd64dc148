"""What is kept of what people wrote: masked, bounded, one-line excerpts, and a keyed hash of the whole text.

Masked is what `monitor.secret_shapes` finds. Names, addresses and anything said in plain words can't be found this
way (docs/privacy.md lists the limits).

Three rules keep a cut from leaking half a secret: text is masked before it is cut; shapes are looked for in a window
that reaches MARGIN characters beyond the last one shown; and a marker is shown whole or not at all. Work is bounded
by the window, never by the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from monitor.secret_shapes import LONG_RUN, find_shapes, has_exotic, has_long_run
from monitor.settings import PrivacySettings

MARGIN: Final = 384
"""Characters looked at beyond the last one shown; the longest bounded shape, an e-mail address, has 320."""
ELLIPSIS: Final = "…"

# Combining marks after digits (keycaps, say) would hide a number from the patterns.
_MARKED_DIGIT: Final = re.compile(r"(\d)[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f]+")
_UNSEEN: Final = re.compile(rf"[\u034f\u115f\u1160\u3164\uffa0]|{_MARKED_DIGIT.pattern}")
_DIGIT_OR_AT: Final = re.compile(r"[0-9@]")
# One pass in C tells a line in which no shape can begin and end: no "!" (a digit, an @, a control character, a byte of
# another script) and no long run of "a". It takes a third of the time of looking for each in turn.
_CLASSES: Final = bytes(
    0x20 if code in b" \n" else 0x61 if 0x21 <= code < 0x7F and code not in b"0123456789@" else 0x21
    for code in range(256)
)
_SUSPECT: Final = 0x21
_RUN: Final = b"a" * LONG_RUN
_BLANK_LETTERS: Final = frozenset({0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0})


class _Cleaned(dict[int, int | str | None]):
    """str.translate table to one harmless line: breaks and tabs become spaces, control characters their pictures,
    what can't be seen (zero-width, bidirectional, tags) goes."""

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        category = unicodedata.category(character)
        shown: int | str | None = code
        if character.isspace():
            shown = " "
        elif category == "Cc":
            shown = 0x2400 + code if code < 0x20 else 0x2421 if code == 0x7F else 0xFFFD
        elif category == "Cs":
            shown = 0xFFFD
        elif category == "Cf" or code in _BLANK_LETTERS:
            shown = None
        if code < 0x10000:  # the table can't be made to grow without end
            self[code] = shown
        return shown


_CLEANED: Final = _Cleaned()
_LINES_KEPT: Final = _Cleaned({0x09: 0x09, 0x0A: 0x0A, 0x0D: 0x0D})


class Redactor:
    """Excerpts and content hashes as the privacy settings say. Built once; safe to share."""

    def __init__(self, privacy: PrivacySettings) -> None:
        self._limit = privacy.excerpt_max_chars
        key = privacy.hash_key.get_secret_value().encode()
        # blake2b takes a key of at most 64 bytes; a longer one is hashed first, as HMAC does.
        self._hash = blake2b(digest_size=16, key=key if len(key) <= 64 else blake2b(key).digest())
        policies = {"none": self._none, "redacted": self._redacted, "full": self._full}
        self.excerpt: Final[Callable[[str], str]] = (
            policies[privacy.excerpt_policy] if self._limit else self._none
        )
        """What to keep of one text: at most `excerpt_max_chars` characters, one line, by policy."""

    def content_hash(self, prompt: str, response: str | None) -> str:
        """32 hex digits: blake2b of the pair, keyed. No two pairs share their input bytes; None differs from ""."""
        digest = self._hash.copy()
        data = prompt.encode("utf-8", "surrogatepass")
        length = len(data).to_bytes(8, "big")
        if response is None:
            digest.update(length + data)
        else:
            digest.update(b"%b%b\x01%b" % (length, data, response.encode("utf-8", "surrogatepass")))
        return digest.hexdigest()

    def _none(self, text: str) -> str:
        return ""

    def _full(self, text: str) -> str:
        clean, is_whole = _window(text, self._limit)
        return clean if is_whole and len(clean) <= self._limit else clean[: self._limit - 1] + ELLIPSIS

    def _redacted(self, text: str) -> str:
        limit = self._limit
        head = text[:limit]
        classes = head.encode("utf-8", "surrogatepass").translate(_CLASSES)
        is_plain = _SUSPECT not in classes and _RUN not in classes and "-----" not in head
        if "\n" in head:
            head = head.replace("\n", " ")
        if not is_plain and (head.isascii() or not _is_plain(head)):
            return _masked_excerpt(text, limit)
        if len(text) <= limit:
            return head
        # A shape without @, digit or long run before the cut can only be the one that straddles it: it goes whole.
        return head.rpartition(" ")[0].rstrip(" ") + ELLIPSIS


def redact(text: str) -> str:
    """The whole text with every shape masked; line breaks and tabs are kept, other invisible characters are not."""
    clean = _cleaned(text, _LINES_KEPT)
    pieces: list[str] = []
    position = 0
    for start, end, marker in find_shapes(clean):
        pieces += (clean[position:start], marker)
        position = end
    return "".join(pieces) + clean[position:]


def _is_plain(line: str) -> bool:
    """As the classes of bytes say for ASCII, for a line in other scripts too."""
    return (
        line.isprintable()
        and _DIGIT_OR_AT.search(line) is None
        and "-----" not in line
        and not has_long_run(line)
        and not has_exotic(line)
    )


def _window(text: str, limit: int) -> tuple[str, bool]:
    """The cleaned start of a text, `limit` + MARGIN characters of it, and whether that is all of it.

    Text padded with invisible characters gets one longer look, eight times as far, and no more.
    """
    wanted = limit + MARGIN
    raw = text[:wanted]
    clean = _cleaned(raw, _CLEANED)
    if len(clean) < len(raw) and len(text) > wanted:
        raw = text[: 8 * wanted]
        clean = _cleaned(raw, _CLEANED)
    return clean[:wanted], len(raw) == len(text) and len(clean) <= wanted


def _cleaned(text: str, table: _Cleaned) -> str:
    if table is _CLEANED and "\n" in text:
        text = text.replace("\n", " ")
    if text.isprintable() and (text.isascii() or not _UNSEEN.search(text)):
        return text
    return _MARKED_DIGIT.sub(r"\1", text.translate(table))


def _masked_excerpt(text: str, limit: int) -> str:
    clean, is_whole = _window(text, limit)
    # Where the window was cut, its last MARGIN characters are only for looking.
    shown = len(clean) if is_whole else max(0, len(clean) - MARGIN)
    spans = find_shapes(clean)
    pieces: list[str] = []
    length = position = 0
    for start, end, marker in spans:
        if start >= shown or length + start - position + len(marker) > limit:
            shown = min(shown, start)
            break
        pieces += (clean[position:start], marker)
        length += start - position + len(marker)
        position = end
    tail = clean[position : max(position, shown)]
    is_all = is_whole and position + len(tail) == len(clean)
    if is_all and length + len(tail) <= limit:
        return "".join(pieces) + tail
    room = limit - 1 - length
    if room < 0:  # the last marker fills the excerpt: it needs no ellipsis
        return "".join(pieces)
    return "".join(pieces) + tail[:room].rstrip(" ") + ELLIPSIS
