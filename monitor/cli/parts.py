"""How a command finds Kafka, Triton and ClickHouse.

The environment wins. Where it names none of the three addresses, the embedded stack that was started last is used
whole, and never mixed with it: half of production and half of a demo would be worse than an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from monitor.embedded import registry
from monitor.errors import Misconfigured
from monitor.settings import Settings, load, variable

ADDRESSES: Final = (variable("kafka", "bootstrap"), variable("triton", "url"), variable("clickhouse", "url"))

Origin = Literal["environment", "embedded", "default"]


class RunningStack(Protocol):
    """An embedded stack that runs now."""

    @property
    def data(self) -> Path:
        """Its data folder."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that point at it, as environment variables."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The settings in force and where each came from. `data`: the folder of the embedded stack, if one is used."""

    settings: Settings
    environment: frozenset[str]
    embedded: frozenset[str]
    data: Path | None

    def origin(self, name: str) -> Origin:
        """Where the value of the environment variable `name` comes from."""
        if name in self.environment:
            return "environment"
        return "embedded" if name in self.embedded else "default"

    @property
    def is_pointed(self) -> bool:
        """Whether anybody said where the parts are."""
        return self.data is not None or any(name in self.environment for name in ADDRESSES)


def find_parts(environ: Mapping[str, str], latest: Callable[[], RunningStack | None]) -> Parts:
    """The settings from the environment, or else from the embedded stack that `latest` knows, or else the defaults.

    Raises Misconfigured for settings that can't be used.
    """
    given = frozenset(name.upper() for name, value in environ.items() if value != "")
    stack = None if given.intersection(ADDRESSES) else latest()
    defaults = dict(stack.environment) if stack is not None else {}
    return Parts(
        settings=load(environ, defaults),
        environment=given,
        embedded=frozenset(name.upper() for name in defaults) - given,
        data=stack.data if stack is not None else None,
    )


def require_parts(environ: Mapping[str, str], latest: Callable[[], RunningStack | None]) -> Parts:
    """As `find_parts`, for a command that needs the parts. Raises Misconfigured where nobody said where they are."""
    parts = find_parts(environ, latest)
    if not parts.is_pointed:
        raise Misconfigured(
            "no embedded stack is running, and no settings say where Kafka, Triton and ClickHouse are",
            "start one with `watchkeeper up` (or `watchkeeper demo`) and wait until it says that it is up, or set "
            + ", ".join(ADDRESSES),
        )
    return parts


def parts_here() -> Parts:
    """The parts that this process's environment, or the embedded stack running on this machine, points at."""
    return require_parts(os.environ, stack_here)


def stack_here() -> registry.Addresses | None:
    """The stack on the folder in WATCHKEEPER_EMBEDDED__DATA where that is set, else the one started last."""
    wanted = os.environ.get(variable("embedded", "data"))
    if not wanted:
        return registry.latest()
    folder = Path(wanted).expanduser().absolute()
    return next((stack for stack in registry.running() if stack.data == folder), None)
