"""Text from strangers, made harmless and visible on a terminal.

Escape sequences could recolour, move or retitle the terminal; bidirectional controls reorder what is read; zero-width
and tag characters hide text. Each is shown as what it is instead of being obeyed.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_NAMED: Final = {
    "\n": "⏎",
    "\r": "⏎",
    "\t": " ",
    "\v": "⏎",
    "\f": "⏎",
    "\x7f": "␡",
    "\x85": "⏎",
    "\u2028": "⏎",
    "\u2029": "⏎",
}
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing."""
_MAX_MARKS: Final = 2
"""Combining marks in a row that are kept: Vietnamese and Hebrew need two, the rest is there to flood a line."""


def visible(text: str) -> str:
    """`text` on one line, with every character that controls, hides or reorders shown as a visible one.

    The result holds no character of the Unicode categories Cc, Cf, Cs, Co, Cn, Zl, Zp, and no run of more than two
    combining marks.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MAX_MARKS:
            continue
        out.append(_shown(char, category))
    return "".join(out)


def _shown(char: str, category: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn") or char in _BLANK_LETTERS or 0xE0100 <= code <= 0xE01EF:
        return f"‹{code:04X}›"
    if category == "Zs":
        return " "
    return char


def shortened(text: str, width: int) -> str:
    """At most `width` characters, an ellipsis for the rest."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
