"""What is started on a tether ends with its parent, whatever ends the parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from monitor.embedded.process import TETHER, launch, process_started
from tests.waiting import until

REPOSITORY = Path(__file__).resolve().parents[3]
# Starts a child of its own, says both ids, then lives on; it and its child ignore SIGTERM if told to.
FAMILY = """
import os, signal, sys, time
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0 and sys.argv[2] == "fled":
    os.setsid()
if child:
    print("family", os.getpid(), child, flush=True)
while True:
    time.sleep(3600)
"""
# Launches a family on a tether and lives on, as an `up` does.
PARENT = """
import sys, time
from pathlib import Path
from monitor.embedded.process import launch
process = launch([sys.executable, "-c", sys.argv[1], *sys.argv[3:]], Path(sys.argv[2]), environment={}, grace_s=0.3)
print("launched", flush=True)
time.sleep(3600)
"""


def _family(log: Path) -> list[int]:
    """The ids that the family logged, once it has."""
    words = log.read_text(encoding="utf-8").split() if log.exists() else []
    return [int(word) for word in words[1:3]] if words[:1] == ["family"] else []


async def _all_gone(pids: list[int]) -> None:
    await until(lambda: all(process_started(pid) is None for pid in pids), f"the end of {pids}", within_s=10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("temper", ["obedient", "stubborn"])
async def test_nothing_outlives_a_parent_that_a_signal_ends(tmp_path: Path, number: int, temper: str) -> None:
    log = tmp_path / "log"
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PARENT, FAMILY, str(log), temper, "fled"),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    family = await until(lambda: _family(log), "the family's ids")
    parent.send_signal(number)
    await parent.wait()
    await _all_gone(family)


async def test_a_stop_ends_the_command_and_a_grandchild_that_fled_its_session(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = launch(
        [sys.executable, "-c", FAMILY, "obedient", "fled"], log, environment=os.environ, grace_s=10.0
    )
    family = await until(lambda: _family(log), "the family's ids")
    assert family[0] == process.pid
    assert await process.stop() == 128 + signal.SIGTERM
    assert [process_started(pid) for pid in family] == [None, None]


async def test_a_command_that_heeds_no_request_is_killed_after_its_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = launch(
        [sys.executable, "-c", FAMILY, "stubborn", "stayed"], log, environment=os.environ, grace_s=0.1
    )
    family = await until(lambda: _family(log), "the family's ids")
    assert await process.stop() == 128 + signal.SIGKILL
    assert [process_started(pid) for pid in family] == [None, None]


async def test_the_exit_code_is_the_commands_own(tmp_path: Path) -> None:
    process = launch(
        [sys.executable, "-c", "raise SystemExit(7)"], tmp_path / "log", environment={}, grace_s=1.0
    )
    assert await process.gone() == 7


async def test_a_command_that_cannot_be_run_says_so_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = launch([str(tmp_path / "absent")], log, environment={}, grace_s=1.0)
    assert await process.gone() == 127
    assert log.read_text(encoding="utf-8").startswith(f"cannot run {tmp_path / 'absent'}: ")


async def test_scratch_files_go_with_a_killed_command(tmp_path: Path) -> None:
    (tmp_path / "shm-1").touch()
    (tmp_path / "other").touch()
    process = launch(
        [sys.executable, "-c", "import time; time.sleep(3600)"],
        tmp_path / "log",
        environment={},
        grace_s=1.0,
        scratch=str(tmp_path / "shm-"),
    )
    assert await process.kill() == 128 + signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == ["log", "other"]  # noqa: PTH208  # names are what is compared


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_a_killed_tether_takes_the_command_along(tmp_path: Path) -> None:
    tether = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", str(TETHER), "--", sys.executable, "-c", "import time; time.sleep(3600)"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert tether.stdout is not None
    pid = int((await tether.stdout.readline()).split()[1])
    tether.kill()
    await tether.wait()
    await _all_gone([pid])


async def test_a_ctrl_c_at_the_terminal_reaches_no_part(tmp_path: Path) -> None:
    process = launch(
        [sys.executable, "-c", "import time; time.sleep(3600)"], tmp_path / "log", environment={}, grace_s=1.0
    )
    try:
        assert os.getpgid(process.pid) == process.pid
        assert os.getsid(process.pid) == process.pid
    finally:
        await process.kill()
