"""What an undisturbed watch would have told of the same windows and actions: the same code over the windows that stand, without a
broker, without a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitor.adapters.windows import WatchTables
from monitor.drift.kinds import KINDS
from monitor.drift.needs import Need
from monitor.drift.policy import policy_of
from monitor.drift.ports import Checkpoint
from monitor.metrics import Metrics
from monitor.settings import Settings
from schemas.alerts import Alert, Source
from schemas.windows import Window
from workers.engines import Watches
from workers.watching import Acted, Watching

Stories = dict[str, list[str]]
"""For each alert what it said of itself, in order, without what was said again."""


@dataclass
class _Standing:
    """Implements ports.WatchStore over the real windows; closes and keeps nothing."""

    tables: WatchTables
    since: datetime
    state_at_first: bytes

    async def count(self, *_: object) -> Sequence[Window]:
        raise TypeError("nothing is closed here")

    async def close(self, window: Window) -> None:
        raise TypeError("nothing is closed here")

    def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        return self.tables.windows(since, until)

    async def last_end(self) -> datetime | None:
        return await self.tables.last_end()

    async def history(self, need: Need) -> tuple[Window, ...]:
        return await self.tables.history(need)

    async def event_ids(self, alert: Alert) -> list[str]:
        return await self.tables.event_ids(alert)

    async def keep(self, position: datetime, state: bytes, *, slot: int) -> None:
        """It is never needed."""

    async def checkpoints(self) -> Sequence[Checkpoint]:
        return [Checkpoint(0, self.since, "", self.since, 0)]

    async def state(self, checkpoint: Checkpoint) -> bytes:
        return self.state_at_first


@dataclass
class _Done:
    """Implements watching.Actions."""

    log: list[Acted]

    async def begin(self, since: datetime) -> None:
        self.log = [one for one in self.log if one.at >= since]

    async def read(self) -> list[Acted]:
        given, self.log = self.log, []
        return given


@dataclass
class _Told:
    alerts: list[Alert] = field(default_factory=list)

    async def tell(self, alert: Alert) -> None:
        self.alerts.append(alert)


async def undisturbed(
    tables: WatchTables, settings: Settings, actions: list[Acted], since: datetime
) -> list[Alert]:
    """All that is told of the windows from `since` on, in order."""
    engines = Watches(policy_of(settings.drift), settings.kafka.group_prefix)
    told = _Told()
    watching = Watching(
        engines=engines,
        store=_Standing(tables, since, engines.new().to_bytes()),
        actions=_Done(actions),
        tell=told.tell,
        settings=settings,
        source=Source("undisturbed", ""),
        metrics=Metrics(),
        is_ours=lambda: True,
    )
    await watching.restore(since)
    return told.alerts


def stories(alerts: Sequence[Alert]) -> Stories:
    """Of the alerts about drift."""
    found: Stories = {}
    seen: set[tuple[str, str]] = set()
    for alert in alerts:
        said = f"{alert.state} {alert.severity} {alert.at.isoformat()}"
        if alert.kind in KINDS and (alert.id, said) not in seen:
            seen.add((alert.id, said))
            found.setdefault(alert.id, []).append(said)
    return found
