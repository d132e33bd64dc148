"""Traffic of a made-up fleet as closed windows: rates that are known, and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.drift.needs import HistoryNeed, Need
from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch
from schemas.alerts import Alert
from schemas.windows import Window, WindowCounts

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
GUARD = ("guard_lite", "1", "abc", 1)


@dataclass(frozen=True)
class Cell:
    """A cell with its traffic: exchanges a window, the part of harmful prompts, and rates of refusal of both kinds."""

    tenant: str = "acme"
    model: str = "m1"
    category: str = "benign"
    rate: float = 20.0
    harmful: float = 0.1
    refuses_harmless: float = 0.05
    refuses_harmful: float = 0.8
    harmful_responses: float = 0.02
    lost: float = 0.01


def row_of(cell: Cell, rng: np.random.Generator, guard: tuple[str, str, str, int] = GUARD) -> WindowCounts:
    """A window's counts of one cell."""
    events = int(rng.poisson(cell.rate))
    answered = events - int(rng.binomial(events, cell.lost))
    harmful = int(rng.binomial(answered, cell.harmful))
    harmless_refused = int(rng.binomial(answered - harmful, cell.refuses_harmless))
    harmful_refused = int(rng.binomial(harmful, cell.refuses_harmful))
    return WindowCounts(
        tenant=cell.tenant,
        model=cell.model,
        category=cell.category,
        guard_name=guard[0],
        guard_version=guard[1],
        guard_prompt_hash=guard[2],
        calibration_version=guard[3],
        events=events,
        to_be_scored=events,
        answered=answered,
        responded=answered,
        refused=harmless_refused + harmful_refused,
        harmless=answered - harmful,
        harmless_refused=harmless_refused,
        harmful=harmful,
        harmful_refused=harmful_refused,
        harmful_prompts=harmful,
        harmful_responses=int(rng.binomial(answered, cell.harmful_responses)),
    )


def window_of(
    rows: Iterable[WindowCounts], at: datetime, width_s: float = 60.0, *, dead_letters: int = 0
) -> Window:
    """A window that begins at `at`."""
    rows = tuple(row for row in rows if row.events)
    messages = sum(row.events for row in rows) + dead_letters
    return Window(
        begins_at=at,
        ends_at=at + timedelta(seconds=width_s),
        rows=rows,
        messages=messages,
        dead_letters=dead_letters,
    )


@dataclass
class Memory:
    """The windows that were taken, which answers what the watch needs; without the seasons unless it `has_seasons`."""

    windows: list[Window] = field(default_factory=list)
    has_seasons: bool = False

    def answer(self, needs: Sequence[Need]) -> Mapping[Need, tuple[Window, ...]]:
        """What each need asks for."""
        return {need: self._of(need) for need in needs}

    def _of(self, need: Need) -> tuple[Window, ...]:
        found = [w for w in self.windows if need.since <= w.begins_at and w.ends_at <= need.until]
        if not isinstance(need, HistoryNeed):
            return tuple(found) if self.has_seasons else ()
        return tuple(
            Window(
                begins_at=w.begins_at,
                ends_at=w.ends_at,
                rows=tuple(row for row in w.rows if _is_in(need, row)),
                messages=w.messages,
                dead_letters=w.dead_letters,
            )
            for w in found
        )


def _is_in(need: HistoryNeed, row: WindowCounts) -> bool:
    scope = need.scope
    return (
        scope.tenant in (None, row.tenant)
        and scope.model in (None, row.model)
        and scope.category in (None, row.category)
    )


Cells = Callable[[int], Sequence[Cell]]
"""The cells of a window, by its number."""


def windows(cells: Cells, count: int, *, seed: int, first: int = 0, width_s: float = 60.0) -> list[Window]:
    """Windows `first` to `first + count`, each of its own seed: what comes before doesn't matter."""
    made = []
    for number in range(first, first + count):
        rng = np.random.default_rng([seed, number])
        at = START + timedelta(seconds=width_s * number)
        made.append(window_of([row_of(cell, rng) for cell in cells(number)], at, width_s))
    return made


@dataclass
class Told:
    """A watch with its memory, and what it told."""

    watch: Watch
    memory: Memory = field(default_factory=Memory)
    alerts: list[Alert] = field(default_factory=list)

    def see(self, seen: Iterable[Window]) -> list[Alert]:
        """Give it these windows; what it tells of them."""
        told: list[Alert] = []
        for window in seen:
            self.memory.windows.append(window)
            step = self.watch.take(window)
            told += self.watch.finish(step, self.memory.answer(step.needs))
        self.alerts += told
        return told

    @property
    def begun(self) -> list[Alert]:
        """The first record of each alert."""
        first: dict[str, Alert] = {}
        for alert in self.alerts:
            first.setdefault(alert.id, alert)
        return list(first.values())


def watched(policy: DriftPolicy | None = None) -> Told:
    """A new watch."""
    return Told(Watch.new(policy or DriftPolicy(), "fleet"))
