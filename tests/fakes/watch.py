"""What watching needs, in memory: an engine that is simple and exact, a store of windows by the rules of the real one, actions;
all can be told to fail, or to crash as a process does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.drift.history import chained, tiles
from monitor.drift.needs import HistoryNeed, Need, Scope
from monitor.drift.ports import Checkpoint
from monitor.errors import Misconfigured, Rejected
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Source, alert_id
from schemas.windows import Window, WindowCounts
from workers.watching import Acted

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class CellState(msgspec.Struct):
    """What the engine knows of a cell: the sum of what was more than half, and its alert while it fires."""

    excess: float = 0.0
    firing: Alert | None = None


class _State(msgspec.Struct):
    position: datetime | None = None
    cells: dict[str, CellState] = msgspec.field(default_factory=dict)


@dataclass
class FakeStep:
    window: Window
    needs: tuple[Need, ...]
    begun: list[str]


class FakeEngine:
    """Implements watching.Engine. A cell fires once its refusals have been `LIMIT` more than half of its responses, and is over
    with an action, or when they are half again; what it needs before is the cell's history."""

    LIMIT = 5.0

    def __init__(self, fleet: str = "wk", state: _State | None = None) -> None:
        self.fleet = fleet
        self._state = state or _State()
        self._is_open = False

    @property
    def position(self) -> datetime | None:
        return self._state.position

    def take(self, window: Window) -> FakeStep:
        """See watching.Engine."""
        if self._is_open:
            raise RuntimeError("the step before wasn't finished")
        if any(row.refused > row.responded for row in window.rows):
            raise Rejected("bad_window", "more refused than responded")
        if self._state.position is not None and window.begins_at < self._state.position:
            raise Rejected("bad_window", "before the position")
        begun = []
        for row in window.rows:
            cell = self._state.cells.setdefault(row.tenant, CellState())
            cell.excess = max(0.0, cell.excess + row.refused - row.responded / 2)
            if cell.firing is None and cell.excess >= self.LIMIT:
                begun.append(row.tenant)
        self._is_open = True
        self._state.position = window.ends_at
        needs = tuple(
            HistoryNeed(Scope(tenant=tenant), window.ends_at - timedelta(days=1), window.ends_at)
            for tenant in begun
        )
        return FakeStep(window, needs, begun)

    def finish(self, step: FakeStep, history: Mapping[Need, tuple[Window, ...]]) -> tuple[Alert, ...]:
        """See watching.Engine."""
        if set(history) != set(step.needs):
            raise RuntimeError("not what was needed")
        self._is_open = False
        told = []
        for tenant in step.begun:
            place, at = {"tenant": tenant}, step.window.ends_at
            cell = self._state.cells[tenant]
            cell.firing = Alert(
                id=alert_id(self.fleet, "rate_shift", place, at), fleet=self.fleet, kind="rate_shift",
                severity="warning", state="firing", started_at=at, at=at, ended_at=None, title=f"{tenant} shifted",
                place=place, facts={"excess": cell.excess, "windows": len(history[step.needs[step.begun.index(tenant)]])},
                remedy="look", source=Source("", ""),
            )  # fmt: skip
            told.append(cell.firing)
        told += [
            self._over(cell, step.window.ends_at, "resolved")
            for cell in self._state.cells.values()
            if cell.firing is not None and cell.excess == 0.0
        ]
        return tuple(told)

    def act(self, action: AlertAction, at: datetime) -> tuple[Alert, ...]:
        """See watching.Engine."""
        return tuple(
            self._over(cell, at, "acknowledged")
            for cell in self._state.cells.values()
            if cell.firing is not None and cell.firing.id == action.alert_id
        )

    @staticmethod
    def _over(cell: CellState, at: datetime, state: Any) -> Alert:
        if cell.firing is None:
            raise RuntimeError("it doesn't fire")
        over = msgspec.structs.replace(cell.firing, state=state, at=at, ended_at=at)
        cell.firing, cell.excess = None, 0.0
        return over

    def firing(self) -> list[Alert]:
        return [cell.firing for cell in self._state.cells.values() if cell.firing is not None]

    def streams_by_state(self) -> dict[str, dict[str, int]]:
        firing = len(self.firing())
        return {"refusal": {"armed": len(self._state.cells) - firing, "firing": firing}}

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self._state)


@dataclass(frozen=True)
class FakeEngines:
    """Implements watching.Engines."""

    fleet: str = "wk"

    def new(self) -> FakeEngine:
        return FakeEngine(self.fleet)

    def from_bytes(self, state: bytes) -> FakeEngine:
        try:
            return FakeEngine(self.fleet, msgspec.json.decode(state, type=_State))
        except msgspec.DecodeError as exc:
            raise Misconfigured("the state is damaged", "`watchkeeper drift rebuild`") from exc


def cell(tenant: str, refused: int, responded: int) -> WindowCounts:
    """Harmless exchanges, all with a response."""
    zero = dict.fromkeys(WindowCounts.__struct_fields__, 0)
    given: dict[str, Any] = {
        **zero,
        "tenant": tenant, "model": "m", "category": "benign", "guard_name": "g", "guard_version": "1", "guard_prompt_hash": "h",
        **dict.fromkeys(("events", "to_be_scored", "answered", "responded", "harmless"), responded),
        **dict.fromkeys(("refused", "harmless_refused"), refused),
    }  # fmt: skip
    return WindowCounts(**given)


def window(number: int, *rows: WindowCounts, width: timedelta = SECOND) -> Window:
    """The window of that number after START."""
    begins_at = START + number * width
    return Window(
        begins_at=begins_at,
        ends_at=begins_at + width,
        rows=rows,
        messages=sum(row.events for row in rows),
        dead_letters=0,
    )


@dataclass
class FakeWatchStore:
    """Implements ports.WatchStore. `counts`: what there is to count, by window; `before` is called before each operation, with
    its name, and may raise; what it raises after `after` has been done all the same."""

    counts: dict[datetime, tuple[WindowCounts, ...]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    standing: dict[datetime, Window] = field(default_factory=dict)
    states: dict[int, tuple[Checkpoint, bytes | None]] = field(default_factory=dict)
    written: int = 0

    async def count(self, since: datetime, until: datetime, width: timedelta) -> list[Window]:
        self.before("count")
        return [
            Window(
                begins_at=begin,
                ends_at=end,
                rows=(
                    rows := tuple(
                        r for at, all_ in sorted(self.counts.items()) if begin <= at < end for r in all_
                    )
                ),
                messages=sum(row.events for row in rows),
                dead_letters=0,
            )
            for begin, end in tiles(since, until, width)
        ]

    async def close(self, window: Window) -> None:
        self.before("close")
        self.standing.setdefault(window.begins_at, window)
        self.after("close")

    async def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        self.before("windows")
        for one in chained([self.standing[at] for at in sorted(self.standing) if since <= at < until]):
            yield one

    async def last_end(self) -> datetime | None:
        return max((one.ends_at for one in self.standing.values()), default=None)

    async def history(self, need: Need) -> tuple[Window, ...]:
        self.before("history")
        return tuple([one async for one in self.windows(need.since, need.until)])

    async def event_ids(self, alert: Alert) -> list[str]:
        self.before("event_ids")
        return [f"event of {alert.id}"]

    async def keep(self, position: datetime, state: bytes, *, slot: int) -> None:
        self.before("keep")
        self.written += 1
        at = START + timedelta(microseconds=self.written)
        self.states[slot] = Checkpoint(slot, position, "1", at, len(state)), state
        self.after("keep")

    async def checkpoints(self) -> Sequence[Checkpoint]:
        self.before("checkpoints")
        kept = [checkpoint for checkpoint, _ in self.states.values()]
        return sorted(kept, key=lambda one: (one.position, one.written_at), reverse=True)

    async def state(self, checkpoint: Checkpoint) -> bytes | None:
        return self.states[checkpoint.slot][1]


@dataclass
class FakeActions:
    """Implements watching.Actions."""

    log: list[Acted] = field(default_factory=list)
    _read: int = 0

    async def begin(self, since: datetime) -> None:
        self._read = sum(one.at < since for one in self.log)

    async def read(self) -> list[Acted]:
        new = self.log[self._read :]
        self._read = len(self.log)
        return new
