"""What a starting part tells whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["downloading", "preparing", "starting", "ready", "died", "restarting", "stopping", "stopped"]


@dataclass(frozen=True)
class Progress:
    """One step of one part. `done_bytes` of `total_bytes` while downloading; facts are for a person to read."""

    part: str
    phase: Phase
    facts: Mapping[str, str] = field(default_factory=dict)
    done_bytes: int = 0
    total_bytes: int = 0


OnProgress = Callable[[Progress], None]


def unheard(_: Progress) -> None:
    """For callers that watch nothing."""
