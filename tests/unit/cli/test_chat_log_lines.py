"""Files become lines as they are; what can't be read is told with its place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from monitor.cli.chat_log_lines import LinesAhead, Source, find_sources, read_lines
from monitor.errors import Misconfigured


def texts(path: Path, limit: int = 1_000) -> list[bytes]:
    return [line.text for line in read_lines(find_sources([str(path)])[0], limit)]


def test_lines_keep_every_byte_but_their_end(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b'{"a": 1}\r\n\n  \xff\x00\nlast without end')
    assert texts(path) == [b'{"a": 1}', b"", b"  \xff\x00", b"last without end"]


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert texts(path) == [b"one", b"two"]


def test_a_cut_gzip_file_is_told_after_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "logs.gz"
    path.write_bytes(gzip.compress(b"word\n" * 100_000)[:-20])
    lines = read_lines(find_sources([str(path)])[0], 1_000)
    assert next(lines).text == b"word"
    with pytest.raises(Misconfigured, match="damaged or cut short after line"):
        list(lines)


def test_a_line_that_is_too_long_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b"short\n" + b"x" * 11 + b"\n")
    with pytest.raises(Misconfigured, match=r"logs.jsonl, line 2: longer than 10 bytes"):
        texts(path, limit=10)


def test_a_line_of_exactly_the_limit_passes(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b"x" * 10 + b"\n" + b"y" * 10)
    assert texts(path, limit=10) == [b"x" * 10, b"y" * 10]


def test_every_file_that_can_not_be_read_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"")
    with pytest.raises(Misconfigured) as told:
        find_sources([str(tmp_path / n) for n in ("good", "missing", "away")] + ["-", "-"])
    message = str(told.value)
    assert "missing: No such file" in message
    assert "away: No such file" in message
    assert "standard input can be read only once" in message
    assert "good" not in message


async def test_reading_ahead_gives_every_line_once_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b"".join(b"%d\n" % n for n in range(50_000)))
    found = [line.text async for lines in LinesAhead(Source(str(path), 1), 100) for line in lines]
    assert found == [b"%d" % n for n in range(50_000)]


async def test_reading_ahead_raises_what_reading_raises(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b"ok\n" + b"x" * 500)
    found: list[bytes] = []

    async def read_all() -> None:
        async for lines in LinesAhead(Source(str(path), 1), 100):
            found.extend(line.text for line in lines)

    with pytest.raises(Misconfigured, match="line 2"):
        await read_all()
    assert found == [b"ok"]
