"""Chat logs as lines of bytes: plain or gzip files and standard input, read in a thread, never held whole.

Lines are handed on as they are: what is wrong with one is for the stream to say, and to dead-letter.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from monitor.errors import Misconfigured, WatchkeeperError

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_AHEAD_BYTES: Final = 8_388_608
_AHEAD_LINES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end, and how far its file has been read, in bytes of the file."""

    text: bytes
    number: int
    position: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or standard input. `size_bytes` is None where it can't be known."""

    name: str
    size_bytes: int | None


def find_sources(names: Sequence[str]) -> list[Source]:
    """All sources, checked before the first line is sent. Raises Misconfigured naming every one that can't be read."""
    faults: list[str] = []
    sources: list[Source] = []
    for name in names:
        if name == STDIN:
            sources.append(Source(STDIN, None))
            continue
        path = Path(name)
        try:
            with path.open("rb"):
                sources.append(Source(name, path.stat().st_size if path.is_file() else None))
        except OSError as exc:
            faults.append(f"{name}: {exc.strerror}")
    if names.count(STDIN) > 1:
        faults.append("-: standard input can be read only once")
    if faults:
        raise Misconfigured(
            "these files can't be read:\n" + "\n".join(f"  - {fault}" for fault in faults),
            "name JSONL files, plain or .gz, or - for standard input; nothing was done",
        )
    return sources


def read_lines(source: Source, max_line_bytes: int) -> Iterator[Line]:
    """The lines of a source. Raises Misconfigured for a line that is too long or a broken gzip file."""
    with _opened(source) as (raw, stream):
        number = 0
        while True:
            try:
                text = stream.readline(max_line_bytes + 2)
            except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
                raise Misconfigured(
                    f"{source.name}: the gzip file is damaged or cut short after line {number}",
                    "the lines before were sent; sending the whole file again later changes no count",
                ) from exc
            except OSError as exc:
                raise Misconfigured(
                    f"{source.name}: reading failed after line {number}: {exc.strerror}"
                ) from exc
            if not text:
                return
            number += 1
            text = text.rstrip(b"\r\n") if text.endswith(b"\n") else text
            if len(text) > max_line_bytes:
                raise Misconfigured(
                    f"{source.name}, line {number}: longer than {max_line_bytes:,} bytes, the largest record that the "
                    "stream takes",
                    "shorten that line, or raise WATCHKEEPER_KAFKA__MAX_MESSAGE_BYTES and the topic's "
                    "max.message.bytes; the lines before it were sent",
                )
            yield Line(text, number, raw.tell() if source.size_bytes is not None else 0)


@contextmanager
def _opened(source: Source) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file as it lies, and its lines: unpacked where it is gzip, by content rather than name."""
    with ExitStack() as stack:
        raw = sys.stdin.buffer if source.name == STDIN else stack.enter_context(Path(source.name).open("rb"))
        if not isinstance(raw, io.BufferedReader) or raw.peek(2)[:2] != _GZIP:
            yield raw, raw
        else:
            yield raw, cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw)))


class LinesAhead:
    """Reads a source in a thread, some lines ahead; iterates over all that is there, so that a slow pipe isn't held up.

    The thread is a daemon: one that waits on standard input must not keep the program alive.
    """

    def __init__(self, source: Source, max_line_bytes: int) -> None:
        self._source = source
        self._max_line_bytes = max_line_bytes
        self._lines: list[Line] = []
        self._bytes = 0
        self._ended = False
        self._trouble: BaseException | None = None
        self._changed = threading.Condition()
        self._arrived = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[list[Line]]:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                with self._changed:
                    lines, self._lines, self._bytes = self._lines, [], 0
                    ended = self._ended
                    self._changed.notify()
                if lines:
                    yield lines
                if ended:
                    if self._trouble is not None:
                        raise self._trouble
                    return
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for line in read_lines(self._source, self._max_line_bytes):
                with self._changed:
                    while not self._ended and (self._bytes > _AHEAD_BYTES or len(self._lines) > _AHEAD_LINES):
                        self._changed.wait()
                    if self._ended:
                        return
                    is_first = not self._lines
                    self._lines.append(line)
                    self._bytes += len(line.text)
                if is_first:
                    loop.call_soon_threadsafe(self._arrived.set)
        except WatchkeeperError as exc:
            self._trouble = exc
        finally:
            with self._changed:
                self._ended = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._arrived.set)
