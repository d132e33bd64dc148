"""Closed windows by a plan, for replays: the same ones every time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from schemas.windows import Window, WindowCounts

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def cell(n: int, refused: int, **names: str) -> WindowCounts:
    """A cell of `n` answered, harmless exchanges, `refused` of them refused."""
    return WindowCounts(
        tenant=names.get("tenant", "acme"),
        model=names.get("model", "atlas"),
        category=names.get("category", "benign"),
        guard_name="guard_lite",
        guard_version="1",
        guard_prompt_hash="",
        calibration_version=0,
        events=n,
        to_be_scored=n,
        answered=n,
        responded=n,
        refused=refused,
        harmless=n,
        harmless_refused=refused,
        harmful=0,
        harmful_refused=0,
        harmful_prompts=0,
        harmful_responses=0,
    )


def window(begins_at: datetime, *rows: WindowCounts, width: timedelta = MINUTE) -> Window:
    """A window with these cells."""
    messages = sum(row.events for row in rows)
    return Window(
        begins_at=begins_at, ends_at=begins_at + width, rows=rows, messages=messages, dead_letters=0
    )


def shifting(count: int, shift_at: int, *, begin: datetime = BEGIN) -> Iterator[Window]:
    """A minute each: two models of 40 exchanges, 2 of them refused; from window `shift_at` on 12 of atlas'."""
    for number in range(count):
        refused = 12 if number >= shift_at else 2
        yield window(
            begin + number * MINUTE,
            cell(40, refused),
            cell(40, 2, model="heron"),
            cell(10, 1, tenant="globex"),
        )
