"""Which embedded stacks run: how a command in a second terminal finds the one in the first.

A running stack keeps a file in its data folder and one of the same content in the user's folder of running stacks. A
file whose process is gone (by id and start time, as ids are used again) is stale: it is ignored and removed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from monitor.embedded.folders import user_folders
from monitor.embedded.process import process_started
from monitor.settings import variable

STATE: Final = "stack.json"


@dataclass(frozen=True)
class Addresses:
    """Where a running stack is. `triton` is gRPC's host:port; `triton_http` is "" where no HTTP endpoint is served.

    `workers` is where the workers serve /metrics, /livez and /readyz, "" without workers (and in files of older releases).
    `pids` are the servers' process ids by part; `owner` is the process that runs the stack, `owner_started` when that
    began (for comparison only); `since` is seconds since the epoch.
    """

    data: Path
    kafka: str
    triton: str
    triton_http: str
    clickhouse: str
    pids: Mapping[str, int]
    owner: int
    owner_started: str
    since: float
    workers: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point at this stack, as environment variables."""
        return {
            variable("kafka", "bootstrap"): self.kafka,
            variable("triton", "url"): self.triton,
            variable("clickhouse", "url"): self.clickhouse,
        }

    def to_json(self) -> str:
        """One line."""
        return json.dumps({**asdict(self), "data": str(self.data)})

    @classmethod
    def from_json(cls, text: str) -> Addresses:
        """Raises ValueError, KeyError or TypeError if the text isn't what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "data": Path(fields["data"])})

    @property
    def is_live(self) -> bool:
        """Whether the process that runs the stack is still that process."""
        return process_started(self.owner) == self.owner_started


def announce(addresses: Addresses, running_folder: Path) -> None:
    """Say that the stack runs, or that its process ids have changed."""
    running_folder.mkdir(parents=True, exist_ok=True)
    for path in (addresses.data / STATE, _entry(addresses.data, running_folder)):
        partial = path.with_suffix(".new")
        partial.write_text(addresses.to_json() + "\n", encoding="utf-8")
        partial.replace(path)


def withdraw(data: Path, running_folder: Path) -> None:
    """Say that the stack on this data folder has ended."""
    (data / STATE).unlink(missing_ok=True)
    _entry(data, running_folder).unlink(missing_ok=True)


def running(running_folder: Path | None = None) -> list[Addresses]:
    """The stacks of this user that run now, the one started first first. Removes stale entries."""
    folder = running_folder or user_folders().running
    found = []
    for path in folder.glob("*.json"):
        try:
            text = path.read_text(encoding="utf-8")
            addresses = Addresses.from_json(text)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # just withdrawn, or of another version
        if addresses.is_live:
            found.append(addresses)
        else:
            _remove_if_still(path, text)
    return sorted(found, key=lambda addresses: addresses.since)


def latest(running_folder: Path | None = None) -> Addresses | None:
    """The stack that was started last, if any runs."""
    stacks = running(running_folder)
    return stacks[-1] if stacks else None


def owner_identity() -> tuple[int, str]:
    """This process's id and start."""
    return os.getpid(), process_started(os.getpid()) or ""


def _entry(data: Path, running_folder: Path) -> Path:
    return running_folder / f"{hashlib.sha256(str(data).encode()).hexdigest()[:16]}.json"


def _remove_if_still(path: Path, text: str) -> None:
    """Remove a stale entry unless a new stack on the same folder has just replaced it."""
    try:
        if path.read_text(encoding="utf-8") == text:
            path.unlink()
    except OSError:
        pass
