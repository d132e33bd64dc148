"""The peers: what each is, and the command that does its job."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.throughput.job import Job
from benchmarks.throughput.measured import Figures

RUN_S: Final = 600.0
OURS: Final = "ours"
OUR_PYTHON: Final = Path(sys.executable)
Kind = Literal["moderate", "store"]


@dataclass(frozen=True)
class Peer:
    """`module` runs with `options`, JOB among them replaced by the kind of job; `stores` where it has both jobs."""

    name: str
    title: str
    module: str
    options: tuple[str, ...] = ()
    stores: bool = False
    has_own_interpreter: bool = False

    def command(self, kind: Kind, job: Job, python: Path) -> list[str]:
        """The process that does the job. Ours takes its settings from the environment, as the workers do."""
        options = [kind if option == "JOB" else option for option in self.options]
        arguments = [str(job.count)] if self.name == OURS else job.arguments()
        return [str(python), "-m", f"benchmarks.throughput.{self.module}", *options, *arguments]


PEERS: Final = (
    Peer(OURS, "Watchkeeper", "ours", ("JOB",), stores=True),
    Peer("plain", "aiokafka by hand, json", "plain", ("plain", "JOB"), stores=True),
    Peer("batches", "aiokafka by hand, orjson, whole batches", "plain", ("batches", "JOB"), stores=True),
    Peer("faust", "Faust, noack().noack_take()", "faust_take"),
    Peer("quix", "Quix Streams, StreamingDataFrame", "quix", has_own_interpreter=True),
    Peer("quix-loop", "Quix Streams, consumer and producer", "quix", ("--loop",), has_own_interpreter=True),
)


def our_group(kind: Kind, run: str) -> str:
    """The group that our role joins where `run` is the prefix (workers/app.py)."""
    return f"{run}.moderation" if kind == "moderate" else f"{run}.storage"


def our_environment(
    bootstrap: str,
    run: str,
    *,
    clickhouse: str = "",
    chat_logs: str = "",
    verdicts: str = "",
    codec: str = "",
) -> dict[str, str]:
    """The settings of our runner; what is empty stays at its default."""
    given = {
        "WATCHKEEPER_CLICKHOUSE__URL": clickhouse,
        "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": chat_logs,
        "WATCHKEEPER_KAFKA__VERDICTS_TOPIC": verdicts,
        "WATCHKEEPER_KAFKA__COMPRESSION": codec,
    }
    return {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": bootstrap,
        "WATCHKEEPER_KAFKA__GROUP_PREFIX": run,
        # One JSON line a batch, as in production, and to a pipe that is read.
        "WATCHKEEPER_WORKER__LOG_FORMAT": "json",
        **{name: value for name, value in given.items() if value},
    }


async def figures_of(command: Sequence[str], variables: Mapping[str, str]) -> Figures:
    """Run a command that ends with a line of figures. Raises RuntimeError with its last words if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    what = " ".join(command[2:5])
    try:
        out, err = await asyncio.wait_for(process.communicate(), RUN_S)
    except TimeoutError as exc:
        process.kill()
        await process.wait()
        raise RuntimeError(f"{what} took longer than {RUN_S:.0f} s") from exc
    if process.returncode != 0:
        said = err.decode(errors="replace")[-3000:]
        raise RuntimeError(f"{what} ended with {process.returncode}:\n{said}")
    return Figures(**json.loads(out.decode().strip().splitlines()[-1]))
