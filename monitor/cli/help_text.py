"""Help texts from docstrings: paragraphs flow to the width of the terminal, examples keep their lines."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Final

_CODE: Final = re.compile(r"`([^`]+)`")


def help_text(function: Callable[..., Any]) -> str:
    """The docstring of a command as Rich markup, `code` in colour; text in square brackets is shown as it is."""
    return "\n\n".join(
        _CODE.sub(r"[cyan]\1[/cyan]", part.replace("[", r"\[")) for part in paragraphs(function)
    )


def paragraphs(function: Callable[..., Any]) -> list[str]:
    """The paragraphs of a docstring, each on one line but for those that hold indented lines."""
    return [_flowed(part) for part in inspect.cleandoc(function.__doc__ or "").split("\n\n")]


def _flowed(paragraph: str) -> str:
    if any(line.startswith(" ") for line in paragraph.split("\n")):
        return paragraph
    return paragraph.replace("\n", " ")
