"""When a stream crossed, within a tenth of a second: the windows again, the one that crossed in slices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from monitor.adapters.windows import WatchTables
from monitor.drift.history import tiles
from monitor.drift.needs import Need
from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch
from schemas.windows import Window

SLICE: Final = timedelta(milliseconds=100)


async def crossings(
    tables: WatchTables, policy: DriftPolicy, windows: list[Window], crossed: Mapping[datetime, set[str]]
) -> dict[str, datetime]:
    """For each tenant the beginning of the slice in which it crossed. `crossed`: tenants by the end of the window in which the
    watch saw it. What doesn't cross by slices crossed at the very end of its window, and is left out."""
    watch = Watch.new(policy, tables.fleet)
    found: dict[str, datetime] = {}
    for window in windows:
        tenants = crossed.get(window.ends_at, set())
        if tenants:
            found |= await _in_slices(
                tables, Watch.from_bytes(watch.to_bytes(), policy, tables.fleet), window, tenants
            )
        step = watch.take(window)
        watch.finish(step, await _history(tables, step.needs))
    return found


async def _in_slices(
    tables: WatchTables, watch: Watch, window: Window, tenants: set[str]
) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    counted = await tables.count(window.begins_at, window.ends_at, SLICE)
    for (begins_at, _), slice_ in zip(tiles(window.begins_at, window.ends_at, SLICE), counted, strict=True):
        step = watch.take(slice_)
        for crossing in step.crossings:
            tenant = crossing.key.tenant
            if tenant in tenants:
                found.setdefault(tenant, begins_at)
        watch.finish(step, await _history(tables, step.needs))
    return found


async def _history(tables: WatchTables, needs: tuple[Need, ...]) -> dict[Need, tuple[Window, ...]]:
    return {need: await tables.history(need) for need in needs}
