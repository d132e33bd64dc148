"""What the watch over the rates expects of each cell, from its state as it was kept last."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from monitor.adapters.windows import WatchTables
from monitor.drift.kept import newest
from monitor.drift.measures import Measure
from monitor.drift.policy import DriftPolicy
from monitor.drift.views import PlanRow, StreamState, StreamView
from monitor.drift.watch import Watch
from monitor.errors import Misconfigured
from monitor.web.figures import Baseline

LEAST: Final = 20.0
"""Counts that a baseline has to know before it is shown."""
_URGENCY: Final[Mapping[StreamState, int]] = {"learning": 0, "armed": 1, "stale": 2, "firing": 3}

Cell = tuple[str | None, str | None]


@dataclass(slots=True)
class Baselines:
    """`position`: the end of the last window that the state knows of; None where no state is kept. `states`: how
    many streams there are, by measure and state. `trouble`: why it can't be read, or nothing."""

    position: datetime | None = None
    streams: tuple[StreamView, ...] = ()
    plan: tuple[PlanRow, ...] = ()
    states: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    trouble: str = ""
    _cells: dict[tuple[Measure, str | None], dict[Cell, Baseline]] = field(default_factory=dict)

    def of(
        self, measure: Measure, tenant: str | None, model: str | None, category: str | None
    ) -> Baseline | None:
        """What is expected of a cell (None: all of them together). None where too little is known, or where the measure isn't
        watched so finely."""
        key = (measure, tenant)
        if key not in self._cells:
            self._cells[key] = summed(
                one for one in self.streams if one.key.measure is measure and tenant in (None, one.key.tenant)
            )
        return self._cells[key].get((model, category))

    def planned(self, measure: Measure, tenant: str, model: str, category: str | None) -> PlanRow | None:
        """How soon a shift of that very stream is noticed."""
        wanted = category if measure.grain == "category" else None
        found = [
            row
            for row in self.plan
            if row.key.measure is measure
            and (row.key.tenant, row.key.model, row.key.category) == (tenant, model, wanted)
        ]
        return found[-1] if found else None


def summed(streams: Iterable[StreamView]) -> dict[Cell, Baseline]:
    """By model and category, each and all (None). Where another guard began another stream of a cell, the one that had data
    last counts."""
    newest_of: dict[tuple[str | None, ...], StreamView] = {}
    for one in streams:
        place = (one.key.tenant, one.key.model, one.key.category)
        before = newest_of.get(place)
        if math.isfinite(one.rate) and (before is None or one.seen_at >= before.seen_at):
            newest_of[place] = one
    found: dict[Cell, list[StreamView]] = {}
    for one in newest_of.values():
        cells = {
            (one.key.model, one.key.category),
            (None, one.key.category),
            (one.key.model, None),
            (None, None),
        }
        for cell in cells:
            found.setdefault(cell, []).append(one)
    return {cell: made for cell, members in found.items() if (made := together(members)) is not None}


def together(streams: Sequence[StreamView]) -> Baseline | None:
    """Streams as one: each by its traffic, since one that is held while an alert fires has learned less than it had. None where
    less than LEAST is known."""
    traffic = sum(one.events for one in streams)
    if not traffic > 0:
        return None
    rate = sum(one.events * one.a / (one.a + one.b) for one in streams) / traffic
    known = traffic**2 / sum(one.events**2 / (one.a + one.b) for one in streams)
    if known < LEAST:
        return None
    state = max((one.state for one in streams), key=lambda state: _URGENCY[state])
    return Baseline(rate * known, (1.0 - rate) * known, state, len(streams))


@dataclass(slots=True)
class BaselineReader:
    """Reads the newest state, at most every `every_s`; who asks meanwhile gets the last one."""

    policy: DriftPolicy
    fleet: str
    every_s: float
    _read_s: float = -math.inf
    _last: Baselines = field(default_factory=Baselines)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, tables: WatchTables, now_s: float) -> Baselines:
        """Raises what the store raises."""
        async with self._lock:
            if now_s - self._read_s < self.every_s:
                return self._last
            kept = await newest(tables)
            self._read_s = now_s
            if kept is None:
                self._last = Baselines()
            elif kept.checkpoint.position != self._last.position:
                try:
                    self._last = await asyncio.to_thread(
                        lambda: _baselines(kept.watch(self.policy, self.fleet), kept.checkpoint.position)
                    )
                except Misconfigured as exc:
                    self._last = Baselines(position=kept.checkpoint.position, trouble=str(exc))
            return self._last


def _baselines(watch: Watch, position: datetime) -> Baselines:
    return Baselines(
        watch.position or position, tuple(watch.streams()), watch.plan(), watch.streams_by_state()
    )
