"""A part that can't be started says why, and one that dies can come back."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from monitor.embedded.part import Command, Part, accepts
from monitor.embedded.progress import Progress
from monitor.errors import Misconfigured
from tests.waiting import until

SERVER = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    print("serving", flush=True)
    while True:
        server.accept()[0].close()
"""


class _Server(Part):
    """A real process that listens, or whatever else `script` does."""

    name: ClassVar[str] = "server"
    port_names: ClassVar[tuple[str, ...]] = ("tcp",)
    ready_within_s: float = 10.0
    grace_s = 1.0
    script = SERVER

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports['tcp']}"

    async def _command(self) -> Command:
        return Command([sys.executable, "-c", self.script, str(self.ports["tcp"])])

    async def _probe(self) -> bool:
        return await accepts(self.ports["tcp"])


async def test_a_part_starts_stops_and_starts_again_on_its_port(tmp_path: Path) -> None:
    phases: list[str] = []
    part = _Server(tmp_path / "server", on_progress=lambda step: phases.append(step.phase))
    async with part:
        address, pid = part.address, part.pid
        await part.restart()
        assert (part.address, part.pid == pid) == (address, False)
    assert phases == ["starting", "ready", "stopping", "stopped", "starting", "ready", "stopping", "stopped"]
    assert (part.pid, part.is_running, part.is_wanted) == (None, False, False)


async def test_a_part_that_dies_while_it_starts_is_told_with_its_last_words(tmp_path: Path) -> None:
    part = _Server(tmp_path / "server")
    part.script = "import sys; print('No space left on device'); sys.exit(3)"
    with pytest.raises(Misconfigured) as caught:
        await part.start()
    assert str(caught.value) == (
        "server ended with code 3 while it started; its last words:\nNo space left on device\n"
        "  → free some disk space where the data folder lies"
    )


async def test_a_part_that_never_serves_is_given_up_and_stopped(tmp_path: Path) -> None:
    part = _Server(tmp_path / "server")
    part.script = "import time; print('thinking', flush=True); time.sleep(3600)"
    part.ready_within_s = 0.5
    with pytest.raises(Misconfigured, match="server was not ready within 0 s; its last words:\nthinking"):
        await part.start()
    assert not part.is_running


async def test_a_preferred_port_that_is_taken_is_exchanged(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with _Server(tmp_path / "server", ports={"tcp": port}) as part:
            assert part.ports["tcp"] != port


async def test_a_port_lost_between_choice_and_use_is_exchanged(tmp_path: Path) -> None:
    told: list[Progress] = []
    part = _Server(tmp_path / "server", on_progress=told.append)
    marker = tmp_path / "second"
    # The first process finds its port taken, as a race would have it.
    part.script = (
        f"import pathlib, sys\nmarker = pathlib.Path({str(marker)!r})\n"
        "if not marker.exists():\n    marker.touch()\n    sys.exit('OSError: [Errno 98] Address already in use')\n"
        + SERVER
    )
    async with part:
        ports = [step.facts["ports"] for step in told if step.phase == "starting"]
        assert len(ports) == 2
        assert ports[0] != ports[1] == f"tcp {part.ports['tcp']}"


async def test_a_death_is_noticed_only_while_the_part_is_wanted(tmp_path: Path) -> None:
    async with _Server(tmp_path / "server") as part:
        await part.kill()
        assert await part.died() == 137


async def test_the_tail_is_of_the_present_process_alone(tmp_path: Path) -> None:
    async with _Server(tmp_path / "server") as part:
        await until(lambda: part.has_logged("serving"), "the server's word")
        await part.restart()
        await until(lambda: part.has_logged("serving"), "the server's word")
        assert part.tail() == "serving"
        assert part.log.read_text(encoding="utf-8") == "serving\nserving\n"


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="can't be made: Not a directory"):
        await _Server(tmp_path / "file" / "server").start()
