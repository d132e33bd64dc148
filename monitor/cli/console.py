"""Where output goes: figures to stdout, notes and errors to stderr. NO_COLOR, TERM and COLUMNS are respected."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console

if TYPE_CHECKING:
    from pydantic import BaseModel  # takes a third of the time that --help takes

PIPED_WIDTH: Final = 120
"""Columns of a table that goes to a file or a pipe and can't ask a terminal."""


def output() -> Console:
    """A console on stdout. Where that is no terminal: no colours, and `PIPED_WIDTH` unless COLUMNS says more."""
    return Console(highlight=False, width=_width(is_terminal=sys.stdout.isatty()))


def notes() -> Console:
    """A console on stderr, for progress, notes and errors."""
    return Console(stderr=True, highlight=False, width=_width(is_terminal=sys.stderr.isatty()))


def _width(*, is_terminal: bool) -> int | None:
    return None if is_terminal or os.environ.get("COLUMNS", "").isdigit() else PIPED_WIDTH


def print_json(document: BaseModel) -> None:
    """One JSON object on one line of stdout: ASCII only, so that no text in it can drive a terminal."""
    sys.stdout.write(json.dumps(document.model_dump(mode="json"), ensure_ascii=True) + "\n")
    sys.stdout.flush()
