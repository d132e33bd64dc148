"""The ClickHouse engine in this process (chDB), over one data folder.

What was found out about chDB 26.9 and decides the shape: one process a folder; any number of connections in that
process, each good for one statement at a time, run side by side and see each other's committed inserts; opening one
costs 0.2 ms. So every request gets a connection of its own, its settings applied with SET, and nothing leaks from one
request into the next. An insert that `finish` returned from is a part on disk, which a SIGKILL of the process doesn't
take back (the tables ask for fsync, so that a power cut doesn't either).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from monitor.errors import Misconfigured

_CODE: Final = re.compile(r"Code: (\d+)\.")
_NOT_STREAMED: Final = "Streaming query is not supported"
# chDB gives a stream block by block, each encoded on its own: only these formats may be joined again.
STREAMED_FORMATS: Final = frozenset(
    {
        "Native",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "RowBinary",
        "JSONEachRow",
        "NDJSON",
    }
)


# Where chDB's defaults are those of a shell and a server's differ.
_AS_SERVER: Final = {"implicit_select": "0"}


class EngineError(Exception):
    """The engine said no. `code` is ClickHouse's error code, the text its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Progress:
    """What a statement read and wrote, as far as the engine says."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """A whole result."""

    body: bytes
    progress: Progress
    is_read_only: bool


class Connection:
    """One chDB connection: not for two threads at once."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def apply(self, settings: Mapping[str, str], database: str | None) -> None:
        """SET each setting, then USE the database. Raises EngineError (115: unknown setting, 81: no such database)."""
        for name, value in settings.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise EngineError(
                    115, f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)"
                )
            self.run(f"SET {name} = {quoted(value)}".encode())
        if database is not None:
            self.run(b"USE `" + database.replace("\\", "\\\\").replace("`", "\\`").encode() + b"`")

    def statements(self, text: bytes) -> tuple[int, bool]:
        """How many statements the text holds, and whether all only read. Zero where it can't be parsed."""
        try:
            facts = self._raw.classify_query(text)
        except RuntimeError:
            return 0, False
        return int(facts["statement_count"]), facts["query_class"].name == "READ_ONLY"

    def run(
        self, text: bytes, output_format: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Output:
        """Run one statement (data of an INSERT inline) and wait for the whole result. Raises EngineError."""
        with _translated():
            result = self._raw.query(text, output_format, params=dict(params or {}))
            if result.has_error():
                raise RuntimeError(result.error_message())
            return Output(
                result.bytes(),
                Progress(result.storage_rows_read(), result.storage_bytes_read(), result.rows_written(), 0),
                False,
            )

    def stream(self, text: bytes, output_format: str, params: Mapping[str, str]) -> Blocks | None:
        """Begin a query whose result comes block by block; None where the engine can't stream this statement.
        Raises EngineError, now or while the blocks are taken."""
        with _translated():
            try:
                handle = self._raw.send_query(text, output_format, params=dict(params))
            except RuntimeError as exc:
                if _NOT_STREAMED in str(exc):
                    return None
                raise
        return Blocks(self._raw, handle)

    def insert(self, head: bytes, data_format: str, data: Iterable[bytes]) -> Progress:
        """INSERT with the data streamed in; on return the rows are parts on disk. Raises EngineError.
        Whatever `data` raises cancels the insert."""
        with _translated():
            handle = self._raw.send_insert(head, data_format)
        try:
            for chunk in data:
                with _translated():
                    self._raw.insert_append(handle, chunk)
            with _translated():
                result = self._raw.insert_done(handle)
        except BaseException:
            with suppress(RuntimeError):
                self._raw.insert_cancel(handle)
            raise
        return Progress(0, 0, result.rows_written(), result.bytes_written())

    def close(self) -> None:
        """Give the connection back to the engine."""
        with suppress(RuntimeError):
            self._raw.close()


class Blocks:
    """The blocks of a running query, to be taken once. `close` cancels what is still running."""

    def __init__(self, raw: Any, handle: Any) -> None:
        self._raw = raw
        self._handle = handle
        self._running = True
        self.progress = Progress()

    def __iter__(self) -> Iterator[bytes]:
        while self._running:
            try:
                with _translated():
                    block = self._raw.streaming_fetch_result(self._handle)
            except EngineError:
                self._running = False
                raise
            if block is None or block.rows_read() == 0:
                self._running = False
                return
            self.progress = Progress(
                self.progress.read_rows + block.storage_rows_read(),
                self.progress.read_bytes + block.storage_bytes_read(),
            )
            yield block.bytes()

    def close(self) -> None:
        """Cancel the query if it hasn't ended."""
        if self._running:
            self._running = False
            with suppress(RuntimeError):
                self._raw.streaming_cancel_query(self._handle)


class Engine:
    """The engine over one folder. Use as a context manager; everything blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None
        self._root: Connection | None = None

    def __enter__(self) -> Self:
        """Take the folder. Raises Misconfigured where it is in use, or the engine isn't installed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            owner = os.read(self._lock, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            self._lock = None
            raise Misconfigured(
                f"the ClickHouse data folder {self._folder} is in use by process {owner}",
                "stop that process, or give another folder",
            ) from exc
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        self._root = self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._root is not None:
            self._root.close()
        if self._lock is not None:
            os.close(self._lock)

    def connect(self) -> Connection:
        """A connection with default settings."""
        try:
            from chdb import _chdb  # 550 MB of engine: loaded by who runs one, not by who imports this module
        except ImportError as exc:
            raise Misconfigured(
                "the embedded ClickHouse engine isn't installed", "pip install 'watchkeeper[embedded]'"
            ) from exc
        raw = _chdb.connect(str(self._folder / "engine"))  # type: ignore[attr-defined]  # a C module without stubs
        connection = Connection(raw)
        connection.apply(_AS_SERVER, None)
        return connection

    def kill(self, tag: str | None = None) -> None:
        """Cancel the reading statements with this log_comment, or every statement; doesn't wait for them to end."""
        which = "1" if tag is None else f"Settings['log_comment'] = {quoted(tag)} AND query_kind != 'Insert'"
        connection = self.connect()
        try:
            connection.run(f"KILL QUERY WHERE {which} ASYNC".encode())
        finally:
            connection.close()


def quoted(value: str) -> str:
    """A ClickHouse string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, UnicodeDecodeError) as exc:
        # A message that quotes bytes which aren't UTF-8 fails on its way into Python, and is inside that failure.
        message = exc.object.decode(errors="replace") if isinstance(exc, UnicodeDecodeError) else str(exc)
        found = _CODE.search(message)
        raise EngineError(int(found.group(1)) if found else 1002, message) from exc
