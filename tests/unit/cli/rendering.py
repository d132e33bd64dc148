"""What a person would see, as plain text."""

from __future__ import annotations

from rich.console import Console, RenderableType


def rendered(what: RenderableType, width: int) -> str:
    """The text at a width, without colours, without blanks at the ends of lines."""
    console = Console(
        width=width, color_system=None, force_terminal=False, record=True, quiet=False, file=None
    )
    with console.capture() as captured:
        console.print(what)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
