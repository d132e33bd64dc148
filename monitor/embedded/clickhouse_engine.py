"""The ClickHouse engine in this process (chDB), over one data folder.

What was found out about chDB 26.9 and decides the shape: one process a folder; any number of connections in that
process, each good for one statement at a time, run side by side and see each other's committed inserts; opening one
costs 0.2 ms. So every request gets a connection of its own, its settings applied with SET, and nothing leaks from one
request into the next. An insert that `insert` returned from is a part on disk, which a SIGKILL of the process doesn't
take back (the tables ask for fsync, so that a power cut doesn't either). Its streamed insert (send_insert, insert_append,
insert_done) is not used: it says that rows are written whatever becomes of them once they are read (a full disk, a
constraint, a view that fails). So the data of an INSERT goes into a file without a name first, and the engine reads that:
its errors are errors, and a body that is cut off inserts nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Final, Self

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


_DEFAULTS: Final = {
    "implicit_select": "0",  # on in chDB, as in a shell; off in a server
    "input_format_parallel_parsing": "0",  # 0.6 to 0.9 of the time and the CPU for inserts of 500 to 50,000 rows on two cores
}


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

    def __init__(self, raw: Any, folder: Path) -> None:
        """`folder` has room for the data of an INSERT while it runs."""
        self._raw = raw
        self._folder = folder

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
                Progress(
                    result.storage_rows_read(),
                    result.storage_bytes_read(),
                    result.rows_written(),
                    result.bytes_written(),
                ),
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

    def insert(
        self, query: bytes, data_format: str, data: Iterable[bytes], *, settings: bytes = b""
    ) -> Progress:
        """INSERT `query` (as far as its table and columns) with all of the data; on return the rows are parts on disk.

        Raises EngineError; then nothing is inserted, unless the data is more than one block (1,048,449 rows) or a view on
        the table failed after it. Whatever `data` raises leaves nothing inserted.
        """
        with _kept(data, self._folder) as spool:
            source = f" FROM INFILE '/dev/fd/{spool.fileno()}' COMPRESSION 'none' ".encode()
            return self.run(query + source + settings + f" FORMAT {data_format}".encode()).progress

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
        connection = Connection(raw, self._folder)
        connection.apply(_DEFAULTS, None)
        return connection

    def stop_merges(self) -> None:
        """Start no more merges, and break off those that run. Raises EngineError."""
        self._run(b"SYSTEM STOP MERGES")

    def start_merges(self) -> None:
        """Merge again. Raises EngineError."""
        self._run(b"SYSTEM START MERGES")

    def kill(self, tag: str | None = None) -> None:
        """Cancel the reading statements with this log_comment, or every statement; doesn't wait for them to end."""
        which = "1" if tag is None else f"Settings['log_comment'] = {quoted(tag)} AND query_kind != 'Insert'"
        self._run(f"KILL QUERY WHERE {which} ASYNC".encode())

    def _run(self, statement: bytes) -> None:
        connection = self.connect()
        try:
            connection.run(statement)
        finally:
            connection.close()


def quoted(value: str) -> str:
    """A ClickHouse string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _kept(data: Iterable[bytes], folder: Path) -> IO[bytes]:
    """The data in a file without a name. Raises EngineError (243) where there is no room, or what `data` raises."""
    with _room(folder):
        spool = TemporaryFile(dir=folder)  # noqa: SIM115  # closed by who gets it
    try:
        for chunk in data:
            with _room(folder):
                spool.write(chunk)
        with _room(folder):
            spool.seek(0)  # and write what is still in the buffer
    except BaseException:
        with suppress(OSError):
            spool.close()
        raise
    return spool


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        message = f"Cannot keep the data of an INSERT in {folder}: {exc.strerror}"
        raise EngineError(243, f"Code: 243. DB::Exception: {message}. (NOT_ENOUGH_SPACE)") from exc


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, UnicodeDecodeError) as exc:
        # A message that quotes bytes which aren't UTF-8 fails on its way into Python, and is inside that failure.
        message = exc.object.decode(errors="replace") if isinstance(exc, UnicodeDecodeError) else str(exc)
        found = _CODE.search(message)
        raise EngineError(int(found.group(1)) if found else 1002, message) from exc
