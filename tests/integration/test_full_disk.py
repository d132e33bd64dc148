"""The embedded engine on a disk that fills up: it stops before it has to, and goes on when there is room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.part import Command
from monitor.errors import Retryable
from monitor.settings import ClickHouseSettings
from tests.stores import rows, verdict
from tests.waiting import until

MIB: Final = 1 << 20
COUNTS: Final = (
    "SELECT (SELECT count() FROM verdicts), (SELECT uniqExact(event_id) FROM verdicts),"
    " (SELECT count() FROM arrivals FINAL)"
)
IN_A_SMALL_DISK: Final = (
    *("unshare", "--user", "--map-root-user", "--mount"),
    *("sh", "-c", 'mount -t tmpfs -o size="$1" none "$0" && shift && exec "$@"'),
)
"""FOLDER SIZE COMMAND...: a mount that only the command sees, and that goes with it."""


class SmallDisk(ClickHousePart):
    """An engine whose data lies on a disk of 48 MiB, of which it keeps 8 free."""

    keep_free_bytes = 8 * MIB

    async def _command(self) -> Command:
        command = await super()._command()
        self.data.mkdir(parents=True, exist_ok=True)
        return Command([*IN_A_SMALL_DISK, str(self.data), "48m", *command.arguments], command.environment)

    def leave(self, free_bytes: int) -> None:
        """Let somebody else take the room, but for so much."""
        disk = Path(f"/proc/{self.pid}/root{self.data}")
        ballast = disk / "ballast"
        with ballast.open("ab") as file:
            more = shutil.disk_usage(disk).free - free_bytes
            file.truncate(file.tell() + min(more, 0))
            file.write(bytes(max(more, 0)))


def can_mount(folder: Path) -> bool:
    try:
        tried = subprocess.run(
            [*IN_A_SMALL_DISK, str(folder), "1m", "true"], capture_output=True, check=False
        )
    except OSError:
        return False
    return tried.returncode == 0


def a_batch(name: str, size: int = 200) -> list[bytes]:
    return [verdict(f"{name}-{n}", n % 60).to_bytes() for n in range(size)]


async def refuses(store: ClickHouse) -> bool:
    """Whether an insert is refused as on a full disk."""
    try:
        await store.insert(a_batch("x", 1))
    except Retryable as exc:
        return "code 243" in str(exc)
    return False


async def merges(store: ClickHouse) -> bool:
    """Whether parts can be merged now."""
    try:
        await store._do("OPTIMIZE TABLE verdict_rows FINAL SETTINGS optimize_throw_if_noop = 1")
    except Retryable:
        return False
    return True


async def broken_parts(store: ClickHouse) -> list[tuple[object, ...]]:
    return [
        part
        for table in ("verdict_rows", "arrivals")
        for part in await rows(store, f"CHECK TABLE {table} SETTINGS check_query_single_value_result = 0")
        if part[1] not in (1, "1")
    ]


@pytest.fixture
async def small_disk(tmp_path: Path) -> AsyncIterator[SmallDisk]:
    if sys.platform != "linux" or not can_mount(tmp_path):
        pytest.skip("mounting a small disk of our own is not permitted here")
    async with SmallDisk(tmp_path / "clickhouse") as part:
        yield part


async def test_a_disk_that_others_fill_stops_inserts_and_merges_in_time_and_loses_nothing(
    small_disk: SmallDisk,
) -> None:
    async with await connect(ClickHouseSettings(url=small_disk.address)) as store:
        await store.migrate()
        for number in range(8):
            await store.insert(a_batch(str(number)))
            small_disk.leave(7 * MIB)
            assert await refuses(store)

            async def merges_no_more() -> bool:
                return not await merges(store)

            await until(merges_no_more, "the end of merging")
            small_disk.leave(0)
            with pytest.raises(Retryable, match="243"):
                await store.insert(a_batch(f"again-{number}"))
            small_disk.leave(30 * MIB)
            await store.insert(a_batch(f"again-{number}"))
            await until(lambda: merges(store), "merging")
            assert await broken_parts(store) == []
        assert await rows(store, COUNTS) == [(8 * 400,) * 3]


async def test_an_engine_that_starts_on_a_disk_that_is_too_full_answers_and_takes_nothing(
    tmp_path: Path,
) -> None:
    part = ClickHousePart(tmp_path / "clickhouse")
    async with part, await connect(ClickHouseSettings(url=part.address)) as store:
        await store.migrate()
        await store.insert(a_batch("a"))
        await part.stop()
        part.keep_free_bytes = 1 << 60
        await part.start()
        assert await refuses(store)
        assert await rows(store, COUNTS) == [(200, 200, 200)]
        part.keep_free_bytes = 0
        await part.restart()
        assert not await refuses(store)
