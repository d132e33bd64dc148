"""A text with the variants of digits, dashes, spaces and full-width letters made plain: for looking things up in it."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache


def plain(text: str) -> str:
    """The text with ASCII digits, dashes, spaces and full-width forms as ASCII, and without invisible characters.

    Linear; letters of other scripts, line ends and everything else stay.
    """
    return text if text.isascii() else text.translate(_table())


@cache
def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for code in range(128, sys.maxunicode + 1):
        kind = unicodedata.category(chr(code))
        if kind == "Nd":
            table[code] = str(unicodedata.digit(chr(code)))
        elif kind == "Pd":
            table[code] = "-"
        elif kind == "Zs":
            table[code] = " "
        elif kind == "Cf":
            table[code] = None
    return table | {0x2212: "-", 0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}
