"""`watchkeeper config`: every setting, its value, its source and its meaning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Final

import typer
from pydantic import SecretStr
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.cli.console import output, print_json
from monitor.cli.parts import Parts, find_parts, stack_here
from monitor.cli.shapes import ConfigDocument, SettingLine
from monitor.settings import Settings, known_variables
from monitor.wording.visible import visible

_TABLE_WIDTH: Final = 130
"""From this many columns on a table reads better than two lines a setting."""
_SOURCES: Final = {"environment": "environment", "embedded": "embedded stack", "default": "default"}


def config(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only settings that are not at their default.")
    ] = False,
) -> None:
    """Every setting: its value, where it comes from, what it means.

    Settings are environment variables, read once at the start; a misspelt one stops the start. Where none of the
    addresses is set, they come from the embedded stack that runs on this machine. Secrets are masked.

    Examples:
        watchkeeper config
        watchkeeper config --changed
        WATCHKEEPER_KAFKA__BOOTSTRAP=broker:9092 watchkeeper config --json
    """
    parts = find_parts(os.environ, stack_here)
    lines = [line for line in setting_lines(parts) if not changed or line.source != "default"]
    if as_json:
        print_json(ConfigDocument(embedded_data=str(parts.data) if parts.data else None, settings=lines))
        return
    console = output()
    console.print(table(lines) if console.width >= _TABLE_WIDTH else stacked(lines))
    if parts.data is not None:
        console.print(
            Text(f"The addresses are those of the embedded stack in {visible(str(parts.data))}.", style="dim")
        )
    elif not parts.is_pointed:
        console.print(
            Text(
                "No embedded stack is running and no address is set: start one with `watchkeeper up`.",
                style="yellow",
            )
        )


def setting_lines(parts: Parts) -> Iterator[SettingLine]:
    """Every setting in the order of the settings object."""
    for name, (group, field) in known_variables().items():
        info = Settings.model_fields[group].annotation
        value = getattr(getattr(parts.settings, group), field)
        yield SettingLine(
            variable=name,
            value=_shown(value),
            source=parts.origin(name),
            meaning=info.model_fields[field].description if info else "",
        )


def table(lines: list[SettingLine]) -> Table:
    """The settings as a table, one group after the other."""
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown.add_column("setting", no_wrap=True, overflow="fold")
    shown.add_column("value", overflow="fold", min_width=10)
    shown.add_column("source", no_wrap=True)
    shown.add_column("meaning", ratio=1, min_width=20)
    group = ""
    for line in lines:
        prefix = line.variable.partition("__")[0]
        if group and prefix != group:
            shown.add_row()
        group = prefix
        style = "" if line.source == "default" else "bold cyan"
        shown.add_row(
            Text(line.variable, style=style),
            Text("—" if line.value is None else visible(line.value), style=style),
            Text(_SOURCES[line.source], style=style or "dim"),
            Text(line.meaning, style="dim"),
        )
    return shown


def stacked(lines: list[SettingLine]) -> Group:
    """The settings for a narrow terminal: name, value and source on one line, the meaning below."""
    rows: list[RenderableType] = []
    for line in lines:
        style = "" if line.source == "default" else "bold cyan"
        head = (
            Text(line.variable, style="bold")
            .append(" = ")
            .append("—" if line.value is None else visible(line.value), style=style)
        )
        rows.append(head.append(f"  ({_SOURCES[line.source]})", style="dim"))
        rows.append(Padding(Text(line.meaning, style="dim"), (0, 0, 0, 4)))
    return Group(*rows)


def _shown(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return str(value) if value.get_secret_value() else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or value == "" else str(value)
