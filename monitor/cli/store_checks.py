"""What `watchkeeper check` asks of ClickHouse."""

from __future__ import annotations

from monitor.adapters.clickhouse import connect
from monitor.cli.outcomes import failed, passed
from monitor.cli.shapes import PartCheck
from monitor.errors import Misconfigured
from monitor.settings import ClickHouseSettings


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
        except Misconfigured as exc:
            what, _, remedy = str(exc).partition("\n  → ")
            return [passed("clickhouse", "answers", settings.url), failed("clickhouse", name, what, remedy)]
    return [
        passed("clickhouse", "answers", f"{settings.url}, version {facts.get('version', '')}"),
        passed("clickhouse", name, f"version {facts.get('schema', '')}, as needed"),
    ]
