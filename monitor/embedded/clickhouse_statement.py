"""What a ClickHouse statement is, as far as the HTTP front has to know before the engine parses it.

An INSERT that carries data has to be cut into head, format name and data, so that the data can be streamed; for
everything else the front wants the output format (a response header) and to refuse what a server refuses over HTTP.
This is a tokeniser of ClickHouse SQL, not a parser: the engine has the last word on every statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(
    rb"""(?P<space>[\s\x00]+)
    |(?P<comment>--[^\n]*|\#[\x20!][^\n]*|/\*.*?\*/)
    |(?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)

# After the word FORMAT and the name: blanks, then at most one line end, then the data (ClickHouse's own rule).
_BEFORE_DATA: Final = re.compile(rb"[ \t\f]*\r?\n?")
_AFTER_FORMAT: Final = re.compile(
    rb"(?:\s|--[^\n]*|/\*.*?\*/|;|\x00)*(?:SETTINGS\b|\Z)", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class InsertHead:
    """An INSERT with its data behind it: `query` ends before its SETTINGS and FORMAT, `data_at` is where the data starts."""

    query: bytes
    format: str
    data_at: int
    settings: bytes = b""


@dataclass(frozen=True, slots=True)
class Statement:
    """`format` is the output format that the statement itself names; `files` the clause that touches a local file."""

    is_insert: bool
    format: str | None
    files: str | None


def insert_head(text: bytes) -> InsertHead | None:
    """Find where the data of an INSERT … FORMAT x begins.

    None where `text` is no INSERT, is one without a FORMAT clause for its data (SELECT, VALUES), or is cut off before
    the end of the format's name: a caller that has more bytes then asks again with more.
    """
    words = _top_level(text)
    first = next(words, None)
    if first is None or first[0] != b"INSERT":
        return None
    settings_at: int | None = None
    before, before_at = first[:2]
    for word, start, _ in words:
        if word in (b"SELECT", b"WITH", b"VALUES", b"INFILE", b"WATCH"):
            return None
        if before == b"SETTINGS" and word != b"FORMAT":  # which would make it the name of the table
            settings_at = before_at
        before, before_at = word, start
        if word == b"FORMAT":
            named = next(words, None)
            if named is None or named[2] == len(text):
                return None
            name, data = named[1:], _BEFORE_DATA.match(text, named[2])
            cut = start if settings_at is None else settings_at
            return InsertHead(
                text[:cut],
                text[name[0] : name[1]].decode(),
                data.end() if data else named[2],
                text[cut:start],
            )
    return None


def is_insert(text: bytes) -> bool:
    """Whether the first word is INSERT."""
    return next(_top_level(text), (b"", 0, 0))[0] == b"INSERT"


def describe(text: bytes) -> Statement:
    """Read a whole statement."""
    words = list(_top_level(text))
    names = [word for word, _, _ in words]
    files = next(
        (
            f"{a.decode()} {b.decode()}"
            for a, b in pairwise(names)
            if (a, b) in ((b"INTO", b"OUTFILE"), (b"FROM", b"INFILE"))
        ),
        None,
    )
    insert = names[:1] == [b"INSERT"]
    named = None
    if not insert:
        for (word, _, word_end), (name, start, end) in pairwise(words):
            # It may be a column too: the clause is FORMAT, a name, and then nothing but SETTINGS.
            is_clause = (
                word == b"FORMAT" and name not in (b"ASC", b"DESC") and not text[word_end:start].strip()
            )
            if is_clause and _AFTER_FORMAT.match(text, end):
                named = text[start:end].decode()
    return Statement(insert, named, files)


def _top_level(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The unquoted words outside of all brackets: upper case, with start and end."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            if depth == 0:
                yield token.group().upper(), token.start(), token.end()
        elif token.lastgroup == "other":
            if token.group() in b"([{":
                depth += 1
            elif token.group() in b")]}":
                depth -= 1
