"""Records beside the answers, one JSON object a line: for a model server whose answers can't carry them.

Whoever writes the chat log joins them by the request's id.
"""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path
from typing import Final, Protocol, TextIO

import msgspec

from monitor.serving.record import as_dict
from schemas.refusal_tokens import RefusalToken

_log: Final = logging.getLogger("watchkeeper.serving")
_ENCODER: Final = msgspec.json.Encoder()
_END: Final = None


class Records(Protocol):
    """Where records go. Must not block: it is called between two steps of generation."""

    def __call__(self, request_id: str, record: RefusalToken) -> None: ...


class RecordLog:
    """Appends to a file in a thread of its own. What a full queue or disk keeps from being written is counted in `lost` and said
    in the log; generation goes on. A file that was moved away (rotated) is begun anew."""

    def __init__(self, path: Path, *, waiting: int = 10_000) -> None:
        self.lost = 0
        self._path = path
        self._queue: queue.Queue[tuple[str, RefusalToken] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._write, name="refusal-token-records", daemon=True)
        self._thread.start()

    def __call__(self, request_id: str, record: RefusalToken) -> None:
        """One line, soon."""
        try:
            self._queue.put_nowait((request_id, record))
        except queue.Full:
            self._lose("the queue is full")

    def close(self) -> None:
        """Write what waits, and end. Blocks until it is written."""
        self._queue.put(_END)
        self._thread.join()

    def _write(self) -> None:
        file: TextIO | None = None
        try:
            while (item := self._queue.get()) is not _END:
                try:
                    file = self._opened(file)
                    request_id, record = item
                    line = _ENCODER.encode({"request_id": request_id, "refusal_token": as_dict(record)})
                    file.write(line.decode() + "\n")
                    if self._queue.empty():
                        file.flush()
                except OSError as exc:
                    self._lose(exc.strerror or type(exc).__name__)
                    file = None
                except ValueError as exc:  # an id with half a surrogate pair
                    self._lose(type(exc).__name__)
        finally:
            if file is not None:
                file.close()

    def _opened(self, file: TextIO | None) -> TextIO:
        if file is not None:
            if self._path.exists():
                return file
            file.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.open("a", encoding="utf-8")

    def _lose(self, why: str) -> None:
        self.lost += 1
        if (
            self.lost & (self.lost - 1) == 0
        ):  # at 1, 2, 4, 8, ... so that a full disk doesn't fill the log too
            _log.error("refusal tokens: %d records lost: %s", self.lost, why)
