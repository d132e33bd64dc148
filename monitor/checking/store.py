"""What `watchkeeper check` asks of ClickHouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from monitor.adapters.clickhouse import connect
from monitor.adapters.rollups import Reach, Rollups
from monitor.checking.outcomes import PartCheck, failed, passed, warned
from monitor.errors import Misconfigured
from monitor.settings import ClickHouseSettings

BEHIND_AT_MOST: Final = timedelta(minutes=15)


async def store_checks(settings: ClickHouseSettings) -> list[PartCheck]:
    """Reachable, and with the schema that this program needs. Raises what connecting raises."""
    async with await connect(settings) as store:
        name = f"schema of {settings.database}"
        try:
            missing = await store.pending_migrations()
            if missing:
                found = f"{len(missing)} migrations are missing, from {missing[0].version:04d}_{missing[0].name} on"
                return [
                    passed("clickhouse", "answers", settings.url),
                    failed("clickhouse", name, found, "run `watchkeeper migrate`"),
                ]
            facts = await store.ping()
            reach = await Rollups(store).reach()
        except Misconfigured as exc:
            what, _, remedy = str(exc).partition("\n  → ")
            return [passed("clickhouse", "answers", settings.url), failed("clickhouse", name, what, remedy)]
    return [
        passed("clickhouse", "answers", f"{settings.url}, version {facts.get('version', '')}"),
        passed("clickhouse", name, f"version {facts.get('schema', '')}, as needed"),
        rollup_check(reach),
    ]


def rollup_check(reach: Reach) -> PartCheck:
    """Whether the quarters that reports are made of are counted lately."""
    name = "quarters of an hour"
    if reach.counted is None:
        return passed("clickhouse", name, "not counted yet: the worker that oversees does it")
    behind = reach.now - reach.counted
    said = f"counted until {max(0, round(behind.total_seconds()))} s ago"
    if behind <= BEHIND_AT_MOST:
        return passed("clickhouse", name, said)
    remedy = (
        "see that a worker oversees (`watchkeeper check`, its log), or wait while old logs are replayed; "
        "reports miss some of what came since"
    )
    return warned("clickhouse", name, said, remedy)
