"""Stops the embedded engine from writing while there is still room on its disk.

chDB 26.9 takes no notice of a write that fails with ENOSPC (checked with strace): a merge that meets a full disk is
committed with its files cut off, and what it was merged from goes. The engine reserves room before it inserts or
merges, so it doesn't fill the disk by itself; but the broker beside it, or anybody, may take that room meanwhile. So
merges stop and inserts are refused, as a server refuses them (NOT_ENOUGH_SPACE), once less than a reserve is left; and
go on when there is more again.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from monitor.embedded.clickhouse_engine import Engine, EngineError

KEEP_FREE_BYTES: Final = 256 * 1024 * 1024
"""Half a second's writing of a fast disk: until merges are stopped."""
WATCH_S: Final = 0.25


class Room:
    """The room on the engine's disk. `check` may be called from any thread."""

    def __init__(self, engine: Engine, folder: Path, *, keep_free_bytes: int = KEEP_FREE_BYTES) -> None:
        self._engine = engine
        self._folder = folder
        self._keep_free_bytes = keep_free_bytes
        self._is_merging = True

    def check(self) -> None:
        """Raises EngineError (243) where less than the reserve is left. Costs 2 µs."""
        free = shutil.disk_usage(self._folder).free
        if free < self._keep_free_bytes:
            message = f"{free >> 20} MiB are free in {self._folder}, and {self._keep_free_bytes >> 20} MiB are kept free"
            raise EngineError(243, f"Code: 243. DB::Exception: {message}. (NOT_ENOUGH_SPACE)")

    async def watch(self) -> None:
        """Stop merges, also those that run, while less than the reserve is left. Until cancelled."""
        while True:
            with suppress(EngineError, OSError):  # tried again
                is_short = shutil.disk_usage(self._folder).free < self._keep_free_bytes
                if is_short is self._is_merging:
                    change = self._engine.stop_merges if is_short else self._engine.start_merges
                    await asyncio.to_thread(change)
                    self._is_merging = not is_short
            await asyncio.sleep(WATCH_S)
