"""Turns what a command raises into a message for a person and an exit code: no traceback for a user's mistake."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import typer
from rich.text import Text

from monitor.cli.console import notes
from monitor.cli.exits import ExitCode
from monitor.cli.streams import drop_output
from monitor.errors import Misconfigured, Rejected, Retryable, WatchkeeperError

P = ParamSpec("P")
R = TypeVar("R")

_RETRY_REMEDY: Final = "run `watchkeeper check`: it asks every part and says what to do"


class Interrupted(WatchkeeperError):
    """Ctrl-C, after the command has tidied up; the message says what was done until then."""


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """The command, with its errors told on stderr and turned into exit codes (monitor/cli/exits.py)."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Misconfigured as exc:
            raise _told(str(exc), ExitCode.USAGE) from exc
        except Rejected as exc:
            raise _told(f"this input can't be used: {exc}", ExitCode.USAGE) from exc
        except Retryable as exc:
            raise _told(f"{exc}\n  → {_RETRY_REMEDY}", ExitCode.UNREACHABLE) from exc
        except Interrupted as exc:
            raise _told(str(exc), ExitCode.INTERRUPTED, style="yellow") from exc
        except (KeyboardInterrupt, typer.Abort) as exc:
            raise typer.Exit(ExitCode.INTERRUPTED) from exc
        except BrokenPipeError as exc:
            drop_output()
            raise typer.Exit(ExitCode.PIPE_CLOSED) from exc

    return run


def _told(message: str, code: ExitCode, *, style: str = "red") -> typer.Exit:
    """Print the message, its first line marked and its remedy readable, and give the exit to raise."""
    what, arrow, remedy = message.partition("\n  → ")
    text = Text("watchkeeper: ", style=f"bold {style}") + Text(what, style="default")
    if arrow:
        text.append("\n  → ", style="bold green").append(remedy, style="default")
    notes().print(text, soft_wrap=True)
    return typer.Exit(code)
