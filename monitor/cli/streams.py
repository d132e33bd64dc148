"""The standard streams of a command: usable whatever they were when it began, and whole, or said not to be, when it ends."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.text import Text

from monitor.cli.console import notes
from monitor.cli.exits import ExitCode

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def prepare() -> None:
    """Make both streams usable: what they can't encode is escaped; a closed stdout (`>&-`) is a pipe that nobody reads, a closed
    stderr goes nowhere. Nothing else that is opened later takes their numbers."""
    if sys.stdout is None:
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        for end in {reader, writer} - {1}:
            os.close(end)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # to the end of the process
    if sys.stderr is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # to the end of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def whole_output() -> Iterator[None]:
    """Around all that a command does and its end. Where the reader of stdout went away it ends with PIPE_CLOSED, and where there is
    no room for the output with USAGE and a message; what the command did stays done."""
    try:
        try:
            yield
        except SystemExit as end:
            # Rich and Typer end a process whose reader went away with 1, which is what "a problem was found" is here.
            if isinstance(end.__context__, BrokenPipeError):
                raise end.__context__ from None
            sys.stdout.flush()
            raise
    except BrokenPipeError:
        drop_output()
        raise SystemExit(ExitCode.PIPE_CLOSED) from None
    except OSError as exc:
        if exc.errno not in _NO_ROOM:
            raise
        drop_output()
        notes().print(
            Text("watchkeeper: ", style="bold red")
            .append(f"the output isn't whole: {exc.strerror}", style="default")
            .append("\n  → ", style="bold green")
            .append("make room there, or write elsewhere", style="default"),
            soft_wrap=True,
        )
        raise SystemExit(ExitCode.USAGE) from None


def drop_output() -> None:
    """What is still buffered for stdout goes nowhere: it must not raise once more when Python closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
