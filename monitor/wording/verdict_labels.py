"""What was found in an exchange, in words: for the terminal and the dashboard."""

from __future__ import annotations

from typing import Literal

Tone = Literal["plain", "good", "bad", "warn", "refused", "over"]
"""over: it refused what is harmless."""


def labels_of(
    status: str, *, prompt_harmful: bool | None, response_harmful: bool | None, refused: bool | None
) -> list[tuple[str, Tone]]:
    """Worst first, and how each is to be taken."""
    if status == "skipped":
        return [("sampled out", "plain")]
    if status != "ok":
        return [(f"no answer ({status})", "warn")]
    labels: list[tuple[str, Tone]] = []
    if response_harmful:
        labels.append(("harmful answer", "bad"))
    elif prompt_harmful:
        labels.append(("harmful prompt", "warn"))
    if refused:
        labels.append(("refused", "refused" if prompt_harmful else "over"))
    elif refused is not None and prompt_harmful:
        labels.append(("complied", "bad"))
    return labels or [("ok", "good")]
