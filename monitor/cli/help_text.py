"""Help texts from docstrings: paragraphs flow to the width of the terminal, examples keep their lines."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Final

_CODE: Final = re.compile(r"`([^`]+)`")
_INDENT: Final = re.compile(r"^ +", re.MULTILINE)


def help_text(function: Callable[..., Any]) -> str:
    """The docstring of a command as Rich markup, `code` in colour; text in square brackets is shown as it is, and so are
    indents: within a tag, or Typer takes away what the lines after a paragraph's first have in common."""
    return "\n\n".join(_marked(part) for part in paragraphs(function))


def _marked(paragraph: str) -> str:
    coloured = _CODE.sub(r"[cyan]\1[/cyan]", paragraph.replace("[", r"\["))
    return _INDENT.sub(r"[none]\g<0>[/none]", coloured)


def paragraphs(function: Callable[..., Any]) -> list[str]:
    """The paragraphs of a docstring, each on one line but for those that hold indented lines."""
    return [_flowed(part) for part in inspect.cleandoc(function.__doc__ or "").split("\n\n")]


def _flowed(paragraph: str) -> str:
    if any(line.startswith(" ") for line in paragraph.split("\n")):
        return paragraph
    return paragraph.replace("\n", " ")
