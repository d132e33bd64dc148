"""A membership of the group whose owner oversees, in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FakeMembership:
    """Implements workers.leadership.Membership. It oversees until it is told otherwise, and its time stands still until it is moved."""

    term: int = 1
    is_owner: bool = True
    is_live: bool = True
    now_s: float = 1_700_000_000.0
