"""docs/cli.md, written from the commands and their documents: `python -m monitor.cli.docs` (`--check` only compares)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from monitor.cli import alerts_shapes, calibrate_shapes, channel_shapes, drift_shapes, shapes
from monitor.cli.audit_shapes import AuditDocument
from monitor.cli.evaluation_shapes import EvaluateDocument
from monitor.cli.exits import MEANINGS
from monitor.cli.help_text import paragraphs
from monitor.cli.main import COMMANDS, Entry, load, watchkeeper
from monitor.cli.parts import ADDRESSES
from monitor.cli.rates_shapes import RatesDocument
from monitor.generated import write_or_compare

DOCUMENT: Final = Path("docs/cli.md")

DOCUMENTS: Final[dict[str, type[shapes.Document]]] = {
    "demo": shapes.DemoDocument,
    "up": shapes.UpDocument,
    "dashboard": shapes.DashboardDocument,
    "replay": shapes.ReplayDocument,
    "rates": RatesDocument,
    "tail": shapes.TailLine,
    "alerts": alerts_shapes.AlertsDocument,
    "alerts show": alerts_shapes.AlertDocument,
    "alerts ack": alerts_shapes.ActionDocument,
    "alerts resolve": alerts_shapes.ActionDocument,
    "alerts mute": alerts_shapes.ActionDocument,
    "alerts unmute": alerts_shapes.ActionDocument,
    "calibrate": calibrate_shapes.CalibrationsDocument,
    "calibrate show": calibrate_shapes.CalibrationDocument,
    "calibrate propose": calibrate_shapes.ProposalDocument,
    "calibrate approve": calibrate_shapes.StepDocument,
    "calibrate rollback": calibrate_shapes.StepDocument,
    "plan": drift_shapes.PlanDocument,
    "backtest": drift_shapes.BacktestDocument,
    "drift status": drift_shapes.DriftStatusDocument,
    "drift rebuild": drift_shapes.RebuildDocument,
    "rollups rebuild": shapes.RollupsDocument,
    "account": shapes.AccountDocument,
    "agreement": shapes.AgreementDocument,
    "evaluate": EvaluateDocument,
    "audit run": AuditDocument,
    "audit show": AuditDocument,
    "channels": channel_shapes.ChannelsDocument,
    "channels test": channel_shapes.TriedDocument,
    "check": shapes.CheckDocument,
    "migrate": shapes.MigrateDocument,
    "config": shapes.ConfigDocument,
    "dlq list": shapes.LettersDocument,
    "dlq show": shapes.LetterDocument,
    "dlq replay": shapes.LetterReplayDocument,
}
"""What `--json` prints, by command."""

INTRODUCTION: Final = f"""\
# The command line

Written from the commands by `python -m monitor.cli.docs`; `make check` fails where the two differ.

{{about}}

## How commands find the parts

1. Settings win: environment variables, listed in [settings.md](settings.md) and by `watchkeeper config`.
2. Where none of {", ".join(f"`{name}`" for name in ADDRESSES)} is set, the embedded stack that runs on this machine is
   used, all of it: the one on the folder in `WATCHKEEPER_EMBEDDED__DATA`, or else the one that was started last.
3. With neither, a command that needs the parts says so and stops.

An address in the environment and the stack are never mixed.

## Output

Figures go to stdout, notes, progress and errors to stderr. An error says what happened, the value, the place, and after
`→` the next step. Colours only on a terminal, and never with `NO_COLOR` set. In pipes tables are 120 columns wide, or
what `COLUMNS` says.

`--json` prints one document on one line, in ASCII (every other character is escaped). Its shape is stable: fields may
be added, never renamed or taken away. Times are UTC, RFC 3339.

## Exit codes

| code | meaning |
|---:|---|
{{codes}}
"""


def render() -> str:
    """The whole document."""
    codes = "\n".join(f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items())
    about = "\n\n".join(paragraphs(watchkeeper))
    sections = [INTRODUCTION.format(codes=codes, about=about)]
    sections += [_section(name, entry) for name, entry in _commands(COMMANDS, "")]
    return "\n".join(sections)


def _commands(entries: Sequence[Entry], prefix: str) -> Iterator[tuple[str, Entry]]:
    for entry in entries:
        if entry.function:
            yield f"{prefix}{entry.name}", entry
        yield from _commands(entry.commands, f"{prefix}{entry.name} ")


def _section(name: str, entry: Entry) -> str:
    function = getattr(import_module(entry.module), entry.function)
    texts = [_markdown(text) for text in paragraphs(function)]
    parameters = [p for p in load(entry).params if not getattr(p, "hidden", False) and p.name != "help"]
    arguments = " ".join(_argument(p) for p in parameters if p.param_type_name == "argument")
    usage = " ".join(word for word in ("watchkeeper", name, arguments, "[OPTIONS]") if word)
    lines = [f"## watchkeeper {name}", "", f"`{usage}`", "", "\n\n".join(texts), ""]
    if parameters:
        lines += ["| option | default | meaning |", "|---|---|---|", *map(_row, parameters), ""]
    document = DOCUMENTS.get(name)
    if document is not None:
        lines += [f"With `--json`: {_sentence(document)}", "", *_fields(document)]
    return "\n".join(lines)


def _markdown(paragraph: str) -> str:
    """Examples as a code block; all else as it is."""
    head, *rest = paragraph.split("\n")
    if not rest:
        return paragraph
    return "\n".join([head, "", "```sh", *inspect.cleandoc("\n".join(rest)).split("\n"), "```"])


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()) + ("" if parameter.nargs == 1 else "…")
    return name if parameter.required else f"[{name}]"


def _row(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "option":
        value = "" if parameter.is_flag else f" {parameter.metavar or 'VALUE'}"
        name = parameter.opts[0] + value
    return f"| `{name}` | {_default(parameter)} | {_cell(parameter.help or '')} |"


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str) and parameter.show_default:
        return _cell(parameter.show_default)
    if parameter.required or parameter.default in (None, False, [], ()) or callable(parameter.default):
        return ""
    return f"`{parameter.default}`"


def _sentence(document: type[shapes.Document]) -> str:
    text = inspect.cleandoc(document.__doc__ or "").replace("\n", " ")
    return text.partition("--json`")[2].lstrip(":. ").strip() or "one document."


def _fields(document: type[BaseModel]) -> list[str]:
    """The fields of a document, and of those inside it, one table each."""
    rows = ["| field | kind | meaning |", "|---|---|---|"]
    inside: list[type[BaseModel]] = []
    for name, info in document.model_fields.items():
        rows.append(f"| `{name}` | {_kind(info.annotation, inside)} | {_cell(info.description or '')} |")
    rows.append("")
    for model in inside:
        rows += [f"Each {_title(model)}:", "", *_fields(model)]
    return rows


def _kind(kind: Any, inside: list[type[BaseModel]]) -> str:
    origin, given = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(given[0], inside)
    if origin in (Union, UnionType):
        return " or ".join(_kind(option, inside) for option in given)
    if origin is Literal:
        return ", ".join(f"`{option}`" for option in given)
    if origin in (list, tuple):
        return f"list of {_kind(given[0], inside)}"
    if origin is dict:
        return f"object of {_kind(given[1], inside)} by {_kind(given[0], inside)}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in inside:
            inside.append(kind)
        return _title(kind)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    return names.get(kind, "time" if getattr(kind, "__name__", "") == "datetime" else str(kind))


def _title(model: type[BaseModel]) -> str:
    words = "".join(f" {char.lower()}" if char.isupper() else char for char in model.__name__).split()
    return " ".join(words)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: Sequence[str]) -> int:
    """See monitor/generated.py."""
    return write_or_compare(DOCUMENT, render(), "monitor.cli.docs", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
