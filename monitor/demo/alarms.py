"""What the watch tells while the demo runs, and whether that is right: the demo knows what it injected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from monitor.adapters.control import alert_in
from monitor.adapters.kafka_admin import KafkaAdmin, Range
from monitor.demo.traffic import DRIFTING, Day
from monitor.rates import Queries
from schemas.alerts import Alert
from schemas.evidence import DriftEvidence
from schemas.taxonomy import BENIGN

PLACE: Final = {"tenant": DRIFTING.tenant, "model": DRIFTING.model, "category": BENIGN}
"""The cell in which the drift is injected."""
LEARNED: Final = 2
"""A day is large enough to find the drift in if its cell has so many times the events to learn from before it …"""
LEAST_AFTER: Final = 150
"""… and so many after it."""
_COUNTS: Final = {"refusal": ("refused_n", "responded"), "over_refusal": ("harmless_refused", "harmless")}


@dataclass(slots=True)
class Alarms:
    """The alerts of this fleet since the stack began, as they were told first and as they stand."""

    admin: KafkaAdmin
    topic: str
    fleet: str
    first: dict[str, Alert] = field(default_factory=dict)
    newest: dict[str, Alert] = field(default_factory=dict)
    _read: dict[int, int] = field(default_factory=dict)

    async def look(self) -> tuple[Alert, ...]:
        """Read on; every alert as it stands, in the order in which they were told first. Raises Retryable."""
        ends = {number: offsets.end for number, offsets in (await self.admin.ranges(self.topic)).items()}
        ranges = {number: Range(self._read.get(number, 0), end) for number, end in ends.items()}
        async for record in self.admin.read(self.topic, ranges):
            alert = alert_in(record)
            if alert is not None and alert.fleet == self.fleet:
                self.first.setdefault(alert.id, alert)
                self.newest[alert.id] = alert
        self._read = ends
        return tuple(self.newest.values())


@dataclass(frozen=True, slots=True)
class Side:
    """The drifting cell before or after the change. `first_arrived_at` None: nothing of it came."""

    exchanges: int = 0
    exchanges_until: int = 0
    first_arrived_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def rate(self, measure: str) -> float | None:
        """The share of a measure that the guard counted; None of nothing, or of another measure."""
        if measure not in _COUNTS:
            return None
        k, n = (self.counts.get(name, 0) for name in _COUNTS[measure])
        return k / n if n else None


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether the watch told what the demo injected, and nothing else.

    `alert`: the one about the drifting cell as it was told first, None where none came. `is_expected`: whether the day is large enough to find
    it. `injected_at`: when the first exchange after the change arrived. `true_change`: the change of the rate by all rows of
    the day, as the guard labels them.
    """

    alert: Alert | None
    others: tuple[Alert, ...]
    is_expected: bool
    injected_at: datetime | None
    exchanges_until: int
    true_change: float | None
    speed: float
    is_watching: bool = True
    """Whether the settings have the rates watched."""

    @property
    def evidence(self) -> DriftEvidence | None:
        """Of the alert."""
        return self.alert.drift if self.alert is not None else None

    @property
    def noticed_after(self) -> timedelta | None:
        """From the change to the end of the window that crossed, here; times `speed` on the day's clock."""
        if self.evidence is None or self.injected_at is None:
            return None
        return self.evidence.window_ends_at - self.injected_at

    @property
    def is_cell_right(self) -> bool:
        """Whether the alert names the cell, not more and not less."""
        return self.alert is not None and is_of_cell(self.alert)

    @property
    def is_start_within(self) -> bool:
        """Whether the injected moment lies in the 95 % set of the alert."""
        if self.evidence is None or self.injected_at is None:
            return False
        return self.evidence.changed_from <= self.injected_at <= self.evidence.changed_until

    @property
    def is_size_within(self) -> bool:
        """Whether the change of the rate over the whole day lies in the 95 % interval of the alert."""
        if self.evidence is None or self.true_change is None:
            return False
        return self.evidence.rate_change.low <= self.true_change <= self.evidence.rate_change.high

    @property
    def is_start_near(self) -> bool:
        """Whether that moment misses the set by less than the set is wide, if at all: one in twenty misses, none by so much."""
        evidence, at = self.evidence, self.injected_at
        if evidence is None or at is None:
            return False
        wide = evidence.changed_until - evidence.changed_from
        return evidence.changed_from - wide <= at <= evidence.changed_until + wide

    @property
    def is_size_near(self) -> bool:
        """Whether that change is within twice the interval, about four standard deviations each way."""
        evidence, true = self.evidence, self.true_change
        if evidence is None or true is None:
            return False
        change = evidence.rate_change
        return 2.0 * change.low - change.value <= true <= 2.0 * change.high - change.value

    @property
    def holds(self) -> bool:
        """Whether all is as it should be. In a day too small to find the drift in, finding nothing is; and of sets and
        intervals of 95 % one in twenty misses, so that near is enough."""
        if self.others:
            return False
        if self.alert is None:
            return not self.is_expected
        return self.is_cell_right and self.is_start_near and self.is_size_near


def is_of_cell(alert: Alert) -> bool:
    """Whether it is about the drifting cell alone."""
    return {name: value for name, value in alert.place.items() if name != "measure"} == PLACE


def _is_of_model(alert: Alert) -> bool:
    return alert.drift is not None and all(
        alert.place.get(name) in (None, value) for name, value in PLACE.items()
    )


async def judge(
    store: Queries,
    day: Day,
    told: Sequence[Alert],
    *,
    learn_events: float,
    speed: float,
    is_watching: bool = True,
) -> Judged:
    """Hold what was `told` (each alert as it was first) against what was injected."""
    ours = sorted((alert for alert in told if _is_of_model(alert)), key=lambda alert: not is_of_cell(alert))
    alert = ours[0] if ours else None
    evidence = alert.drift if alert is not None else None
    before, after = await _sides(store, day, until=evidence.window_ends_at if evidence else day.ends_at)
    rates = [side.rate(evidence.measure) if evidence else None for side in (before, after)]
    return Judged(
        alert=alert,
        others=tuple(one for one in told if one is not alert),
        is_expected=is_watching
        and before.exchanges >= LEARNED * learn_events
        and after.exchanges >= LEAST_AFTER,
        injected_at=after.first_arrived_at,
        exchanges_until=after.exchanges_until,
        true_change=rates[1] - rates[0] if rates[0] is not None and rates[1] is not None else None,
        speed=speed,
        is_watching=is_watching,
    )


async def _sides(store: Queries, day: Day, *, until: datetime) -> tuple[Side, Side]:
    rows: list[dict[str, Any]] = await store.query(
        "shift_of_cell", **PLACE, split_at=day.drift_at, until=until
    )
    sides = {
        bool(row["is_after"]): Side(
            row["exchanges"],
            row["exchanges_until"],
            row["first_arrived_at"],
            {name: row[name] for pair in _COUNTS.values() for name in pair},
        )
        for row in rows
    }
    return sides.get(False, Side()), sides.get(True, Side())
