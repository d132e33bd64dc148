"""Follows a file that holds one signed calibration, in a thread of its own: generation never waits for it."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from monitor.errors import Rejected
from monitor.serving.thresholds import InForce, read_small

_log: Final = logging.getLogger("watchkeeper.serving")
_RACY_NS: Final = 2_000_000_000
"""A file that changed so shortly before it was read may change again without another time or size (coarse clocks)."""


class Follower(Protocol):
    """Something that offers messages to an `InForce`, between `start` and `stop`. `caught_up`: all that there is was read once."""

    caught_up: threading.Event

    def start(self) -> None: ...

    def stop(self) -> None: ...


class FileFollower:
    """Looks every `every_s` seconds; reads where time, size or inode changed, and offers what has another content.

    A file that is replaced whole (`mv new path`) is never read half; half a file is refused as unreadable, and the next look
    reads on. A file that is gone, or can't be read, changes nothing: what is held stays, and the log says so, once.
    """

    def __init__(self, path: Path, in_force: InForce, *, every_s: float = 5.0) -> None:
        self.caught_up = threading.Event()
        self._path = path
        self._in_force = in_force
        self._every_s = every_s
        self._marks: tuple[int, int, int] | None = None
        self._digest = b""
        self._trouble = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> bool:
        """Look once; True if a calibration was taken."""
        try:
            stat = self._path.stat()
            marks = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if marks == self._marks:
                return False
            message = read_small(self._path)
        except FileNotFoundError:
            return self._say("is not there")
        except OSError as exc:
            return self._say(f"can't be read ({exc.strerror or type(exc).__name__})")
        except Rejected as exc:
            self._in_force.refused[str(exc.reason)] += 1
            return self._say(f"is no calibration ({exc.detail})")
        self._trouble = ""
        is_settled = time.time_ns() - stat.st_mtime_ns > _RACY_NS
        self._marks = marks if is_settled else None
        digest = hashlib.sha256(message).digest()
        if digest == self._digest:
            return False
        self._digest = digest
        return self._in_force.offer(message)

    def start(self) -> None:
        """Look once, here and now, then every so often in a thread."""
        self.look()
        self.caught_up.set()
        self._thread = threading.Thread(target=self._run, name="refusal-token-file", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self.look()
            except Exception as exc:  # noqa: BLE001 - a thread that died would follow nothing, and nobody would know
                _log.error("refusal tokens: looking at the calibration's file failed: %s", type(exc).__name__)

    def _say(self, trouble: str) -> bool:
        self._marks = None
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("refusal tokens: the calibration's file %s; what is in force stays", trouble)
        return False
