"""What was checked, as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from monitor.checking.outcomes import TITLES, PartCheck
from monitor.wording.visible import visible

_MARKS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red")}


def check_view(checks: Sequence[PartCheck]) -> Group:
    """All checks, part by part, each failure with its remedy below."""
    rows: list[RenderableType] = []
    for part, title in TITLES.items():
        of_part = [one for one in checks if one.part == part]
        if not of_part:
            continue
        rows.append(Text(title, style="bold"))
        for one in of_part:
            mark, style = _MARKS[one.state]
            line = Text(f"{mark} ", style=style).append(visible(one.check), style="default")
            rows.append(
                Padding(
                    line.append(f"  {visible(one.facts)}", style="dim" if one.state == "ok" else "default"),
                    (0, 0, 0, 2),
                )
            )
            if one.remedy:
                rows.append(
                    Padding(
                        Text("→ ", style="bold green").append(visible(one.remedy), style="default"),
                        (0, 0, 0, 4),
                    )
                )
    failures = sum(one.state == "failed" for one in checks)
    rows.append(Text())
    rows.append(
        Text(f"{failures} of {len(checks)} checks failed.", style="bold red")
        if failures
        else Text("All parts are well.", style="bold green")
    )
    return Group(*rows)
