"""The command line `watchkeeper`: the table of its commands, each loaded only when it is called or asked for help."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from monitor.cli.failures import guarded
from monitor.cli.help_text import help_text
from monitor.cli.streams import prepare, whole_output
from monitor.version import watchkeeper_version

_STACK: Final = "Start here"
_WATCH: Final = "Watch"
_RUN: Final = "Run it"
_HELP: Final = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: `function` of `module`, or a group of `commands`, or both: then that function is what the group does by
    itself. `summary` is what --help lists."""

    name: str
    summary: str
    panel: str | None = None
    module: str = ""
    function: str = ""
    commands: tuple[Entry, ...] = ()


COMMANDS: Final = (
    Entry("demo", "See it work: a synthetic day of chat traffic through the real parts.", _STACK, "monitor.cli.demo", "demo"),
    Entry("up", "Run the embedded stack (Kafka, Triton, ClickHouse engine, workers) until Ctrl-C.", _STACK, "monitor.cli.up", "up"),
    Entry("replay", "Send chat logs from files or stdin through the stream.", _STACK, "monitor.cli.replay", "replay"),
    Entry("rates", "Refusal and harm rates, with intervals and coverage.", _WATCH, "monitor.cli.rates", "rates"),
    Entry("dashboard", "The dashboard in a browser.", _WATCH, "monitor.cli.dashboard", "dashboard"),
    Entry("tail", "Verdicts as they arrive, one line each.", _WATCH, "monitor.cli.tail", "tail"),
    Entry(
        "alerts",
        "What drifts, what is wrong with the stream, and what was; acknowledge, resolve, mute.",
        _WATCH,
        "monitor.cli.alerts",
        "alerts",
        commands=(
            Entry("show", "One alert, explained: what, where, how much, since when.", None, "monitor.cli.alert_show", "show"),
            Entry("ack", "The new level is normal: go on from there.", None, "monitor.cli.alert_actions", "acknowledge"),
            Entry("resolve", "It is over: go on from the old level.", None, "monitor.cli.alert_actions", "resolve"),
            Entry("mute", "Tell no channel of it for a while.", None, "monitor.cli.alert_actions", "mute"),
            Entry("unmute", "Tell the channels of it again.", None, "monitor.cli.alert_actions", "unmute"),
        ),
    ),
    Entry(
        "calibrate",
        "Thresholds of refusal tokens: propose, approve, roll back, and what they rest on.",
        _WATCH,
        "monitor.cli.calibrate",
        "calibrate",
        commands=(
            Entry("show", "One calibration, explained, with its curve.", None, "monitor.cli.calibrate", "show"),
            Entry("propose", "Look for thresholds now.", None, "monitor.cli.calibrate_propose", "propose"),
            Entry("approve", "Approve a proposal.", None, "monitor.cli.calibrate_actions", "approve"),
            Entry("rollback", "Go back to what was before, or turn a proposal down.", None, "monitor.cli.calibrate_actions", "rollback"),
        ),
    ),
    Entry("plan", "How soon a shift would be noticed in each cell, at today's traffic.", _WATCH, "monitor.cli.plan", "plan"),
    Entry("backtest", "Replay history with other budgets: what would have fired, beside what did.", _WATCH, "monitor.cli.backtest", "backtest"),
    Entry("report", "The weekly safety report: what changed, and all that it rests on.", _WATCH, "monitor.cli.report", "report"),
    Entry("account", "Prove that nothing was lost: every message and exchange, counted.", _WATCH, "monitor.cli.account", "account"),
    Entry("agreement", "Compare the stored verdicts with labels.", _WATCH, "monitor.cli.agreement", "agreement"),
    Entry("evaluate", "How good a guard is, on labelled exchanges.", _WATCH, "monitor.cli.evaluate", "evaluate"),
    Entry(
        "audit",
        "How far safe and unsafe prompts lie apart inside a model: audit it, look at an audit.",
        _WATCH,
        commands=(
            Entry("run", "Audit a model now, and wait for what is found.", None, "monitor.cli.audit_run", "run"),
            Entry("show", "One audit by layer: what changed, and the history.", None, "monitor.cli.audit_show", "show"),
        ),
    ),
    Entry(
        "channels",
        "Who is told of alerts, and a test alert through each.",
        _RUN,
        "monitor.cli.channels",
        "channels",
        commands=(Entry("test", "Send a test alert through each channel.", None, "monitor.cli.channels", "try_out"),),
    ),
    Entry("check", "Ask every part whether it is well, and say what to do if not.", _RUN, "monitor.cli.check", "check"),
    Entry("migrate", "Bring the ClickHouse schema up to date.", _RUN, "monitor.cli.migrate", "migrate"),
    Entry(
        "rollups",
        "The quarters of an hour that reports are made of.",
        _RUN,
        commands=(Entry("rebuild", "Count them anew from the verdicts.", None, "monitor.cli.rollups", "rebuild"),),
    ),
    Entry("config", "Every setting: its value, where it comes from, what it means.", _RUN, "monitor.cli.config", "config"),
    Entry(
        "dlq",
        "Dead letters: list them, look at one, send them back.",
        _RUN,
        commands=(
            Entry("list", "What was refused, by reason and topic, and the newest letters.", None, "monitor.cli.dlq", "list_letters"),
            Entry("show", "One dead letter: where it came from and why it was refused.", None, "monitor.cli.dlq", "show"),
            Entry("replay", "Send dead letters back through the stream.", None, "monitor.cli.dlq", "replay"),
        ),
    ),
    Entry(
        "drift",
        "The watch over the rates: how it stands, and its state anew from history.",
        _RUN,
        commands=(
            Entry("status", "Position, lag, streams by state, last checkpoint.", None, "monitor.cli.drift", "status"),
            Entry("rebuild", "Make the watch's state anew from the closed windows.", None, "monitor.cli.drift_rebuild", "rebuild"),
        ),
    ),
)  # fmt: skip


class LazyGroup(TyperGroup):
    """A group whose commands are summaries until one is resolved; so `--help` imports no client library."""

    entries: tuple[Entry, ...] = ()
    does_something: bool = False
    """Whether it is a command by itself too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the parent's, with the summary replaced by the real command."""
        name, command, rest = super().resolve_command(ctx, args)
        if self.callback is not None and self.does_something and name is not None:
            # A command of the group is called: not what the group does by itself.
            misplaced = [key for key, value in ctx.params.items() if value != _default(self, key)]
            if misplaced:
                option = next(param.opts[0] for param in self.params if param.name == misplaced[0])
                ctx.fail(f"{option} belongs after {name}.")
            self.callback = None
        for entry in self.entries:
            if command is not None and entry.name == name:
                command = load(entry)
        return name, command, rest


def load(entry: Entry) -> Any:
    """The real command of an entry: imports its module. Typer's command object."""
    if not entry.function:
        return _group(entry.name, entry.commands, help_text=entry.summary)
    function = getattr(importlib.import_module(entry.module), entry.function)
    app = typer.Typer(add_completion=False)
    app.command(entry.name, help=help_text(function), context_settings=_HELP)(guarded(function))
    command: Any = typer.main.get_command(app)
    if not entry.commands:
        return command
    group = _group(entry.name, entry.commands, help_text=command.help)
    group.no_args_is_help, group.invoke_without_command, group.does_something = False, True, True
    group.params, group.callback = command.params, command.callback
    return group


def _default(group: TyperGroup, name: str) -> Any:
    return next(parameter.default for parameter in group.params if parameter.name == name)


def _summary(entry: Entry) -> TyperCommand:
    return TyperCommand(entry.name, help=entry.summary, rich_help_panel=entry.panel, callback=None, params=[])


def _group(name: str, entries: Sequence[Entry], *, help_text: str) -> LazyGroup:
    group = LazyGroup(
        name=name,
        commands={entry.name: _summary(entry) for entry in entries},
        help=help_text,
        no_args_is_help=True,
        context_settings=_HELP,
    )
    group.entries = tuple(entries)
    return group


def build() -> LazyGroup:
    """The command line."""
    app = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)
    app.callback(cls=LazyGroup, help=help_text(watchkeeper), context_settings=_HELP)(watchkeeper)
    group = typer.main.get_group(app)
    if not isinstance(group, LazyGroup):
        raise TypeError(f"typer built a {type(group).__name__}, not a LazyGroup")
    group.entries = COMMANDS
    for entry in COMMANDS:
        group.add_command(_summary(entry), entry.name)
    return group


def _print_version(*, value: bool) -> None:
    if value:
        sys.stdout.write(f"watchkeeper {watchkeeper_version()}\n")
        raise typer.Exit


def watchkeeper(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Watchkeeper watches what people ask your language models and what the models answer.

    How often do they refuse, how often should they have, how often do they harm: continuously, per risk category,
    from your chat logs on Kafka.

    New here? `watchkeeper demo` shows all of it on this machine. To point it at your own Kafka, Triton and
    ClickHouse, set WATCHKEEPER_KAFKA__BOOTSTRAP, WATCHKEEPER_TRITON__URL and WATCHKEEPER_CLICKHOUSE__URL, then run
    `watchkeeper check`. Without them, commands use the embedded stack that runs on this machine.
    """


def main() -> None:
    """The console script."""
    prepare()
    # Libraries may log what they like; a command says what matters itself, in its own words.
    logging.getLogger().addHandler(logging.NullHandler())
    with whole_output():
        build().main(prog_name="watchkeeper")
