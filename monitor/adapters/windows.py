"""Closed windows and states of the watch in ClickHouse. Implements monitor/drift/ports.py."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec

from monitor.adapters.clickhouse import ClickHouse
from monitor.drift.history import AS_WATCHED, EPOCH, by_hours, chained, microseconds, stretches, tiles
from monitor.drift.needs import HistoryNeed, Need, Scope
from monitor.drift.ports import Checkpoint
from monitor.version import watchkeeper_version
from schemas.alerts import Alert
from schemas.windows import Window, WindowCounts

TABLE: Final = "watch_windows"
STATES: Final = "watch_states"
EVENT_IDS: Final = 10
MANY_ROWS: Final = 50_000
MANY_WINDOWS: Final = 5_000
"""Windows are read in slices of at most so many, and about so many rows."""
IN_A_THREAD: Final = 2_000
"""More rows than that are put together in a thread: the event loop goes on."""
A_MOMENT: Final = timedelta(microseconds=1)
ALL: Final = Scope()


@dataclass(frozen=True, slots=True)
class WatchTables:
    """The windows and states of one fleet, which reads its live traffic from `topic`."""

    store: ClickHouse
    fleet: str
    topic: str

    async def count(self, since: datetime, until: datetime, width: timedelta) -> list[Window]:
        """See ports.Counting."""
        asked = {"since": since, "until": until, "topic": self.topic, "tile_us": microseconds(width)}
        cells = by_tile(await self.store.query("watch_cells", **asked))
        messages = {row["tile"]: row for row in await self.store.query("watch_messages", **asked)}
        found = []
        for begins_at, ends_at in tiles(since, until, width):
            tile = (begins_at - EPOCH) // width
            total = messages.get(tile, {"messages": 0, "dead_letters": 0})
            found.append(
                Window(
                    begins_at=begins_at,
                    ends_at=ends_at,
                    rows=tuple(counted(row) for row in cells.get(tile, ())),
                    messages=total["messages"],
                    dead_letters=total["dead_letters"],
                )
            )
        return found

    async def close(self, window: Window) -> None:
        """See ports.WindowLog. One insert, hence all of it or nothing; its token is where the window begins, and a second
        insert with that token is left out by the server (docs/adr/0010)."""
        encode = self._rows
        rows = await asyncio.to_thread(encode, window) if len(window.rows) > IN_A_THREAD else encode(window)
        await self.store.insert_once(TABLE, rows, token=f"{self.fleet} {window.begins_at.isoformat()}")

    def _rows(self, window: Window) -> list[bytes]:
        own = {
            "fleet": self.fleet,
            "begins_at": window.begins_at,
            "ends_at": window.ends_at,
            "write_id": secrets.token_hex(8),
        }
        counts = {"messages": window.messages, "dead_letters": window.dead_letters}
        none = dict.fromkeys(counts, 0)
        total = own | {"is_total": True} | counts | _NO_CELL
        cells = (own | {"is_total": False} | none | msgspec.structs.asdict(row) for row in window.rows)
        return [msgspec.json.encode(row) for row in (total, *cells)]

    async def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        """See ports.WindowLog. Read in slices of some MANY_ROWS: all that is in memory at once, but for a larger window."""
        at = since
        last_end: datetime | None = None
        while True:
            sizes = await self.store.query(
                "watch_sizes", fleet=self.fleet, since=at, until=until, limit=MANY_WINDOWS
            )
            if not sizes:
                return
            rows, last = 0, sizes[0]["begins_at"]
            for one in sizes:
                rows += one["row_count"]
                if rows > MANY_ROWS and one is not sizes[0]:
                    break
                last = one["begins_at"]
            found = await self.store.query(
                "watch_windows", fleet=self.fleet, since=sizes[0]["begins_at"], until=last + A_MOMENT
            )
            for window in chained(await _built(found, by="begins_at"), after=last_end):
                last_end = window.ends_at
                yield window
            at = last + A_MOMENT
            if last == sizes[-1]["begins_at"] and len(sizes) < MANY_WINDOWS:
                return

    async def last_end(self) -> datetime | None:
        """See ports.WindowLog."""
        rows = await self.store.query("watch_last_window", fleet=self.fleet)
        return rows[0]["ends_at"] if rows else None

    async def history(self, need: Need) -> tuple[Window, ...]:
        """See ports.History. A window of history is no wider than the watched ones that it is made of, from the beginning of
        the first to the end of the last."""
        is_one_shift = isinstance(need, HistoryNeed)
        scope = need.scope if isinstance(need, HistoryNeed) else ALL
        found: list[Window] = []
        for stretch in (stretches if is_one_shift else by_hours)(need.since, need.until):
            width = A_MOMENT if stretch.width == AS_WATCHED else stretch.width
            rows = await self.store.query(
                "watch_history",
                fleet=self.fleet,
                since=stretch.since,
                until=stretch.until,
                tile_us=microseconds(width),
                by_tenant=scope.tenant is not None,
                by_model=scope.model is not None,
                by_category=scope.category is not None,
                tenant=scope.tenant or "",
                model=scope.model or "",
                category=scope.category or "",
            )
            found += await _built(rows, by="tile")
        return tuple(chained(found))

    async def event_ids(self, alert: Alert, limit: int = EVENT_IDS) -> list[str]:
        """See ports.History. At most `limit` of them."""
        evidence = alert.drift
        if evidence is None:
            return []
        asked = {
            "topic": self.topic,
            "since": evidence.changed_at,
            "until": evidence.window_ends_at,
            "limit": limit,
        }
        if evidence.measure == "dead_letters":
            return [row["place"] for row in await self.store.query("watch_dead_places", **asked)]
        place = alert.place
        cells = [(one.tenant, one.model, one.category) for one in evidence.strata if one.is_affected]
        cells = cells or [(place.get("tenant", ""), place.get("model", ""), place.get("category", ""))]
        tenants, models, categories = (list(column) for column in zip(*cells, strict=True))
        rows = await self.store.query(
            "watch_event_ids",
            **asked,
            measure=evidence.measure,
            is_more=evidence.direction == "up" or evidence.measure in _WHATEVER,
            tenants=tenants,
            models=models,
            categories=categories,
        )
        return [row["event_id"] for row in rows]

    async def keep(self, position: datetime, state: bytes, *, slot: int) -> None:
        """See ports.StateStore."""
        row = {
            "fleet": self.fleet,
            "slot": slot,
            "position": position,
            "state": base64.b64encode(state).decode("ascii"),
            "version": watchkeeper_version(),
        }
        await self.store.insert_into(STATES, [msgspec.json.encode(row)])

    async def checkpoints(self) -> list[Checkpoint]:
        """See ports.StateStore."""
        rows = await self.store.query("watch_states", fleet=self.fleet)
        return [
            Checkpoint(row["slot"], row["position"], row["version"], row["written_at"], row["size_bytes"])
            for row in rows
        ]

    async def state(self, checkpoint: Checkpoint) -> bytes | None:
        """See ports.StateStore."""
        rows = await self.store.query(
            "watch_state", fleet=self.fleet, slot=checkpoint.slot, position=checkpoint.position
        )
        if not rows:
            return None
        try:
            return base64.b64decode(rows[0]["state"], validate=True)
        except (binascii.Error, ValueError):
            return None


_FIELDS: Final = WindowCounts.__struct_fields__
_NO_CELL: Final = {
    **dict.fromkeys(_FIELDS, 0),
    **dict.fromkeys(("tenant", "model", "category", "guard_name", "guard_version", "guard_prompt_hash"), ""),
}
_WHATEVER: Final = frozenset({"volume", "mix"})
"""Measures of which events are the cell's, whichever way they went."""
_RENAMED: Final = {
    "tenant": "tenant_key",
    "model": "model_key",
    "category": "category_key",
    "guard_name": "guard",
    "guard_version": "guard_release",
    "guard_prompt_hash": "guard_hash",
    "refused": "refused_n",
}
"""Columns of watch_cells.sql, whose names may not be those of the table's own."""


def counted(row: Mapping[str, Any]) -> WindowCounts:
    """The counts in a row of watch_cells.sql."""
    return WindowCounts(**{field: row[_RENAMED.get(field, field)] for field in _FIELDS})


def by_tile(rows: Iterable[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    """Rows of a query that is ordered by tile."""
    return {tile: list(group) for tile, group in groupby(rows, key=lambda row: row["tile"])}


async def _built(rows: Sequence[Mapping[str, Any]], *, by: str) -> list[Window]:
    if len(rows) > IN_A_THREAD:
        return await asyncio.to_thread(_windows, rows, by=by)
    return _windows(rows, by=by)


def _windows(rows: Iterable[Mapping[str, Any]], *, by: str) -> list[Window]:
    """One a value of `by`: the total comes first, then its cells. Cells without a total (its half is beyond the retention)
    are left out."""
    found = []
    for _, group in groupby(rows, key=lambda row: row[by]):
        total, *cells = group
        if total["is_total"]:
            found.append(
                Window(
                    begins_at=total["begins_at"],
                    ends_at=total["ends_at"],
                    rows=tuple(WindowCounts(**{field: row[field] for field in _FIELDS}) for row in cells),
                    messages=total["messages"],
                    dead_letters=total["dead_letters"],
                )
            )
    return found
