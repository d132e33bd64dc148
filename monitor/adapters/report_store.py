"""What the workers' report needs of the store: its facts, and which channels have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from monitor.adapters.clickhouse import ClickHouse
from monitor.reporting.facts import Facts, Reach
from monitor.reporting.gathering import gather, reach_of
from monitor.reporting.weeks import Week

TABLE = "report_deliveries"


@dataclass(frozen=True, slots=True)
class ReportStore:
    """Of one fleet. Every method raises what the store raises."""

    store: ClickHouse
    fleet: str

    async def reach(self) -> Reach:
        """How far the counts reach now."""
        (row,) = await self.store.query("report_reach")
        return reach_of(row)

    async def facts(self, week: Week, now: datetime) -> Facts:
        """Of a week, all tenants and models."""
        return await gather(self.store, week, fleet=self.fleet, now=now)

    async def delivered(self, week: Week) -> frozenset[str]:
        """The channels that have this week's report, or refused it for good."""
        rows = await self.store.query(
            "report_deliveries", fleet=self.fleet, week=week.name, zone=week.zone_name
        )
        return frozenset(row["channel"] for row in rows)

    async def keep(self, week: Week, channel: str, outcome: str, at: datetime, worker: str) -> None:
        """Remember that a channel has it. Idempotent."""
        row = {
            "fleet": self.fleet,
            "week": week.name,
            "time_zone": week.zone_name,
            "channel": channel,
            "outcome": outcome,
            "at": at,
            "worker": worker,
        }
        await self.store.insert_into(TABLE, [msgspec.json.encode(row)])
