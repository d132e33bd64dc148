"""The embedded stack as a whole: found from elsewhere, refused twice, gone with its owner, quick to come back."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from monitor.embedded.folders import Folders, user_folders
from monitor.embedded.process import process_started
from monitor.embedded.progress import Progress
from monitor.embedded.registry import Addresses, latest, running
from monitor.embedded.stack import Stack
from monitor.embedded.triton import model_processes
from monitor.errors import Misconfigured
from monitor.settings import Settings, load
from tests.integration.conftest import create_topic
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ["clickhouse", "kafka", "triton"]
ALL = [*SERVERS, "workers"]
# What `up` does, without the command line: print where the stack is, run until told to end.
OWNER = """
import asyncio, signal, sys
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen
from monitor.embedded.stack import Stack
from monitor.settings import load

async def main():
    async with Stack(Path(sys.argv[1]), load({})) as stack:
        print(stack.addresses.to_json(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """The user's cache, but a list of running stacks that is the test's own."""
    return replace(user_folders(), running=tmp_path / "state" / "watchkeeper" / "running")


@pytest.fixture
def settings() -> Settings:
    """The defaults, whatever this process's environment says."""
    return load({})


@dataclass
class _Owner:
    process: asyncio.subprocess.Process
    addresses: Addresses


@asynccontextmanager
async def _owner(tmp_path: Path, *, path: str | None = None) -> AsyncIterator[_Owner]:
    """A process that runs a stack on tmp_path/data; whatever is left of it ends with the block."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        **({} if path is None else {"PATH": path}),
    }
    environ.pop("JAVA_HOME", None)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", OWNER, str(tmp_path / "data")),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 120)
        yield _Owner(process, Addresses.from_json(line.decode()))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_no_process_outlives_the_owner_of_the_stack(
    tmp_path: Path, folders: Folders, number: int
) -> None:
    async with _owner(tmp_path) as owner:
        pids = owner.addresses.pids
        assert sorted(pids) == ALL
        assert running(folders.running) == [owner.addresses]
        stubs = [int(pid) for pid in _children(pids["triton"])]
        owner.process.send_signal(number)
        await owner.process.wait()
    gone = [*pids.values(), *stubs]
    await until(lambda: all(process_started(pid) is None for pid in gone), f"the end of {gone}", within_s=60)
    assert latest(folders.running) is None


async def test_a_chat_log_becomes_a_row_and_stays_one_over_a_killed_worker(
    tmp_path: Path, folders: Folders
) -> None:
    settings = load(
        {"WATCHKEEPER_KAFKA__SESSION_TIMEOUT_S": "6"}
    )  # the broker's least; 30 s would be waited out
    record = b'{"request": {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}, "response": '
    record += b'{"id": "c1", "choices": [{"message": {"role": "assistant", "content": "Hi."}}]}}'
    steps: list[Progress] = []
    async with Stack(tmp_path / "data", settings, folders=folders, on_progress=steps.append) as stack:
        assert stack.workers is not None
        async with AIOKafkaProducer(bootstrap_servers=stack.addresses.kafka) as producer:
            await producer.send_and_wait(settings.kafka.chat_logs_topic, record)
            await until(lambda: _rows(stack.addresses) == 1, "the row")
            steps.clear()
            await stack.workers.kill()
            await producer.send_and_wait(settings.kafka.chat_logs_topic, record)
            await until(lambda: any(step.phase == "ready" for step in steps), "the workers to be back")
            await producer.send_and_wait(settings.kafka.chat_logs_topic, record.replace(b"c1", b"c2"))
            await until(lambda: _rows(stack.addresses) >= 2, "the other row", within_s=60)
        assert _rows(stack.addresses) == 2


async def test_a_stack_starts_with_no_java_on_the_path(tmp_path: Path) -> None:
    async with _owner(tmp_path, path=str(Path(sys.executable).parent)) as owner:
        assert await _survives(owner.addresses.kafka)


async def test_a_second_stack_on_the_folder_is_refused_and_the_first_is_untouched(
    tmp_path: Path, settings: Settings, folders: Folders
) -> None:
    async with _owner(tmp_path) as owner:
        with pytest.raises(Misconfigured, match=rf"{tmp_path}/data \(process {owner.process.pid}\)"):
            await Stack(tmp_path / "data", settings, roles=(), folders=folders).__aenter__()
        assert {
            name: process_started(pid) is None for name, pid in owner.addresses.pids.items()
        } == dict.fromkeys(ALL, False)


async def test_two_stacks_run_side_by_side_and_neither_knows_of_the_other(
    tmp_path: Path, settings: Settings, folders: Folders
) -> None:
    first = Stack(tmp_path / "first", settings, roles=(), folders=folders)
    second = Stack(tmp_path / "second", settings, roles=(), folders=folders)
    async with first, second:
        assert [stack.data for stack in running(folders.running)] == [first.data, second.data]
        ports = [
            port for stack in (first, second) for part in stack.parts.values() for port in part.ports.values()
        ]
        assert len(set(ports)) == len(ports)
        await create_topic(first.kafka.address, "mine")
        assert await _survives(second.kafka.address, topics={"mine": False})
    assert running(folders.running) == []


async def test_a_folder_keeps_its_records_and_its_ports_for_the_next_stack(
    tmp_path: Path, settings: Settings, folders: Folders
) -> None:
    async with Stack(tmp_path / "data", settings, roles=(), folders=folders) as stack:
        before = stack.addresses
        await create_topic(before.kafka, "kept")
        async with AIOKafkaProducer(bootstrap_servers=before.kafka) as producer:
            await producer.send_and_wait("kept", b"record")
    steps: list[Progress] = []
    async with Stack(
        tmp_path / "data", settings, roles=(), folders=folders, on_progress=steps.append
    ) as stack:
        after = stack.addresses
        consumer = AIOKafkaConsumer("kept", bootstrap_servers=after.kafka, auto_offset_reset="earliest")
        async with consumer:
            assert (await consumer.getone()).value == b"record"
    assert (after.kafka, after.triton, after.triton_http, after.clickhouse) == (
        before.kafka,
        before.triton,
        before.triton_http,
        before.clickhouse,
    )
    assert {step.phase for step in steps} == {"starting", "ready", "stopping", "stopped"}, (
        "nothing fetched or prepared"
    )


@pytest.mark.parametrize("name", SERVERS)
async def test_a_part_that_dies_is_started_again_at_its_address_and_said(
    tmp_path: Path, settings: Settings, folders: Folders, name: str
) -> None:
    steps: list[Progress] = []
    async with Stack(
        tmp_path / "data", settings, roles=(), folders=folders, on_progress=steps.append
    ) as stack:
        before = stack.addresses
        steps.clear()
        os.kill(before.pids[name], signal.SIGKILL)
        await until(lambda: any(step.phase == "ready" for step in steps), f"{name} to be back")
        assert [(step.part, step.phase) for step in steps] == [
            (name, "died"),
            (name, "restarting"),
            (name, "starting"),
            (name, "ready"),
        ]
        await until(lambda: latest(folders.running) == stack.addresses, "the new process id to be announced")
        assert stack.addresses.pids[name] != before.pids[name]
        assert replace(stack.addresses, pids=before.pids) == before


@pytest.mark.skipif(sys.platform != "linux", reason="Triton runs on Linux alone")
async def test_a_model_process_that_dies_takes_its_server_along(
    tmp_path: Path, settings: Settings, folders: Folders
) -> None:
    steps: list[Progress] = []
    async with Stack(
        tmp_path / "data", settings, roles=(), folders=folders, on_progress=steps.append
    ) as stack:
        before = stack.addresses
        steps.clear()
        (victim, *_) = await until(
            lambda: sorted(model_processes(f"watchkeeper-{_prefix(before.pids['triton'])}"))
        )
        os.kill(victim, signal.SIGKILL)
        await until(lambda: any(step.phase == "ready" for step in steps), "Triton to be back")

        assert [(step.part, step.phase) for step in steps][:2] == [
            ("triton", "died"),
            ("triton", "restarting"),
        ]
        assert stack.addresses.triton == before.triton


async def test_a_part_that_cannot_start_ends_the_others_and_lets_the_folder_go(
    tmp_path: Path, folders: Folders
) -> None:
    (tmp_path / "empty").mkdir()
    settings = load({"WATCHKEEPER_EMBEDDED__MODEL_REPOSITORY": str(tmp_path / "empty")})
    stack = Stack(tmp_path / "data", settings, roles=(), folders=folders)
    with pytest.raises(Misconfigured, match="no model"):
        await stack.__aenter__()
    assert {name: part.is_running for name, part in stack.parts.items()} == dict.fromkeys(SERVERS, False)
    async with Stack(tmp_path / "data", load({}), roles=(), folders=folders):
        pass


async def _survives(bootstrap: str, *, topics: dict[str, bool] | None = None) -> bool:
    """Whether the broker answers a client and has, or has not, these topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    async with consumer:
        there = await consumer.topics()
    return all((topic in there) is expected for topic, expected in (topics or {}).items())


def _rows(addresses: Addresses) -> int:
    query = quote("SELECT count() FROM watchkeeper.verdicts")
    with urlopen(f"{addresses.clickhouse}/?query={query}", timeout=10) as answer:
        return int(answer.read())


def _prefix(pid: int) -> str:
    """What tells the shared memory of this Triton from that of others."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    found = re.search(r"shm-region-prefix-name=watchkeeper-(\w+-)", command)
    assert found is not None
    return found.group(1)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
