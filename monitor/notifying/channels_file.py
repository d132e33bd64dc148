"""The file of channels: TOML, a table `[channels.NAME]` for each. All that is wrong with it is told at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from monitor.errors import Misconfigured
from monitor.notifying.channels import NAME, TYPES, Channel
from monitor.toml_files import table_of, text_of

MOST_CHANNELS: Final = 100
_HEADER: Final = re.compile(r"\s*\[(\[?)\s*([^\]]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')\s*[.=]")


def read_channels(path: Path) -> tuple[Channel, ...]:
    """The channels, in the order of the file. Raises Misconfigured with every fault and its line; no value is quoted."""
    text, faults = text_of(path)
    if faults:
        raise _misconfigured(path, faults)
    channels, faults = parse_channels(text)
    if faults:
        raise _misconfigured(path, faults)
    return channels


def parse_channels(text: str) -> tuple[tuple[Channel, ...], list[str]]:
    """The channels of such a file, and its faults, each with its line where that can be told."""
    table, faults = table_of(text)
    if faults:
        return (), faults
    lines = _Lines(text)
    faults = [
        lines.at((key,)) + f"{_shown(key)} is nothing that this file has; channels are tables [channels.NAME]"
        for key in table
        if key != "channels"
    ]
    tables = table.get("channels", {})
    if not isinstance(tables, dict):
        return (), [*faults, lines.at(("channels",)) + "channels are tables [channels.NAME]"]
    if len(tables) > MOST_CHANNELS:
        faults.append(f"it has more than {MOST_CHANNELS} channels")
    channels: list[Channel] = []
    for name, given in tables.items():
        found = _channel(name, given, lines)
        if isinstance(found, list):
            faults += found
        else:
            channels.append(found)
    return tuple(channels), sorted(faults, key=_line)


def _line(fault: str) -> int:
    """By which faults are sorted; those without a line come last."""
    found = re.match(r"line (\d+): ", fault)
    return int(found[1]) if found else 1 << 30


def _channel(name: str, given: Any, lines: _Lines) -> Channel | list[str]:
    place = ("channels", name)
    if not NAME.fullmatch(name):
        return [lines.at(place) + f"{_shown(name)} is no name: small letters, digits, - and _, at most 63"]
    if not isinstance(given, dict):
        return [lines.at(place) + f"{name} is no table"]
    kind = given.get("type")
    model = TYPES.get(kind) if isinstance(kind, str) else None
    if model is None:
        return [lines.at((*place, "type")) + f"{name}.type must be one of {', '.join(TYPES)}"]
    if "name" in given:
        return [lines.at((*place, "name")) + f"{name}.name: the name is that of the table"]
    try:
        return model.model_validate({**given, "name": name})
    except ValidationError as exc:
        return [
            lines.at((*place, *error["loc"]))
            + f"{'.'.join((name, *map(_shown, error['loc'])))}: {_said(error)}"
            for error in exc.errors(include_url=False, include_input=False, include_context=False)
        ]


def _said(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _shown(part: object) -> str:
    """A key as it stands in the file, or a sign for one that no setting has: it may be a secret in the wrong place."""
    return str(part) if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", str(part)) else "a key"


class _Lines:
    """Where each key stands. It reads TOML as it is usually written, and is silent about what it doesn't find."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, ...], int] = {}
        counts: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), start=1):
            header = _HEADER.match(line)
            if header is not None:
                table = tuple(part.strip().strip("\"'") for part in header[2].split("."))
                if header[1]:
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, str(counts[table]))
                for length in range(1, len(table) + 1):
                    self._found.setdefault(table[:length], number)
            elif (key := _KEY.match(line)) is not None:
                self._found.setdefault((*table, key[1].strip("\"'")), number)

    def at(self, place: tuple[object, ...]) -> str:
        """`line N: ` of the nearest that is found, or nothing."""
        parts = tuple(map(str, place))
        for length in range(len(parts), 0, -1):
            line = self._found.get(parts[:length])
            if line is not None:
                return f"line {line}: "
        return ""


def _misconfigured(path: Path, faults: list[str]) -> Misconfigured:
    return Misconfigured(
        f"the channels file {path} can't be used:\n" + "\n".join(f"  - {fault}" for fault in faults),
        "correct it (docs/channels.md); `watchkeeper channels` shows what it says",
    )
