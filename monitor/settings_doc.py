"""docs/settings.md, written from the settings object: `python -m monitor.settings_doc` (`--check` only compares)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from monitor.generated import write_or_compare
from monitor.setting_group import Group
from monitor.settings import PREFIX, Settings, variable

DOCUMENT: Final = Path("docs/settings.md")

INTRODUCTION: Final = f"""\
# Settings

Written from `monitor/settings.py` by `python -m monitor.settings_doc`; `make check` fails where the two differ.

Every setting is an environment variable, read once at the start. Nothing else is read: no file, no command line.
An empty variable counts as unset. An unknown `{PREFIX}*` variable, or a value that does not fit, stops the start,
and all faults are reported at once. `watchkeeper config` prints each setting, its value here and where that came from.
"""


def render() -> str:
    """The whole document."""
    sections = [INTRODUCTION]
    for name, info in Settings.model_fields.items():
        group = info.annotation
        if isinstance(group, type) and issubclass(group, Group):
            sections.append(_section(name, group))
    return "\n".join(sections)


def _section(name: str, group: type[Group]) -> str:
    title = name.replace("_", " ").capitalize().replace("Clickhouse", "ClickHouse")
    rows = [
        f"| `{variable(name, field)}` | {_kind(info)} | {_default(info)} | {_cell(info.description or '')} |"
        for field, info in group.model_fields.items()
    ]
    head = ["| variable | value | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", "", (group.__doc__ or "").strip(), "", *head, *rows, ""])


def _kind(info: FieldInfo) -> str:
    """What may be given, for a reader: `number > 0`, or the words that are accepted."""
    kind = info.annotation
    given = [option for option in get_args(kind) if option is not type(None)]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{option}`" for option in given)
    if type(None) in get_args(kind):
        kind = given[0]
    name = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        Path: "path",
        SecretStr: "secret text",
    }[kind]  # type: ignore[index]  # a kind that isn't here needs a name for readers: KeyError says which
    return " ".join([name, ", ".join(_limits(info.metadata))]).strip()


def _limits(metadata: Sequence[Any]) -> list[str]:
    limits: list[str] = []
    for bound in metadata:
        match bound:
            case annotated_types.Gt(gt=least):
                limits.append(f"> {least}")
            case annotated_types.Ge(ge=least):
                limits.append(f"≥ {least}")
            case annotated_types.Lt(lt=most):
                limits.append(f"< {most}")
            case annotated_types.Le(le=most):
                limits.append(f"≤ {most}")
            case annotated_types.MinLen(min_length=least):
                limits.append(f"of {least} or more characters")
            case _ if getattr(bound, "pattern", None):
                limits.append(f"matching `{_cell(bound.pattern)}`")
            case _:
                raise TypeError(f"settings_doc.py can't put the limit {bound!r} in words: add a case")
    return limits


def _default(info: FieldInfo) -> str:
    value = info.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<").replace("\n", " ")


def main(arguments: Sequence[str]) -> int:
    """See monitor/generated.py."""
    return write_or_compare(DOCUMENT, render(), "monitor.settings_doc", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
