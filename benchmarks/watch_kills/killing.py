"""A run in which whoever watches is killed again and again, and what came of it."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.watch_kills.traffic import traffic
from benchmarks.watch_kills.undisturbed import Stories, stories, undisturbed
from monitor.adapters.clickhouse import connect
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.embedded.part import Part
from monitor.embedded.workers import WorkersPart
from monitor.settings import load
from schemas.alert_actions import AlertAction
from tests.fakes.guard_server import GuardServer
from tests.integration.fleets import Fleet
from tests.waiting import until
from workers.actions import ActionLog

SETTINGS: Final = {
    "WATCHKEEPER_DRIFT__WINDOW_S": "1",
    "WATCHKEEPER_DRIFT__CHECKPOINT_EVERY_S": "5",
    "WATCHKEEPER_DRIFT__BUDGET_PER_MONTH": "2000",
    "WATCHKEEPER_DRIFT__LEARN_EVENTS": "100",
    "WATCHKEEPER_DRIFT__LEARN_DAYS": "0",
    "WATCHKEEPER_DRIFT__DWELL_S": "3",
    "WATCHKEEPER_DRIFT__STALE_AFTER_S": "30",
}
WATCHING: Final = ("drift is watched on", "drift is watched from now on")
LONGEST_S: Final = 4.0
"""So long at most somebody watches before it is killed."""
ACK_EVERY: Final = 5
"""After so many kills somebody acknowledges what fires."""


@dataclass(frozen=True)
class Outcome:
    """`told` by the workers that were killed, and by an undisturbed watch of the same windows; `windows` stood, of which `wrong`
    weren't what a recount says; `records` were written for the alerts."""

    kills: int
    seconds: float
    windows: int
    wrong: int
    gaps: int
    records: int
    acknowledged: int
    told: Stories
    expected: Stories

    @property
    def is_as_promised(self) -> bool:
        return not self.wrong and not self.gaps and bool(self.told) and self.told == self.expected


class Killer:
    """Two workers with all roles, of which the one that watches is killed and another started."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet = fleet
        self.chance = random.Random(seed)
        self.kills = 0
        self._dead: set[int] = set()

    def watching(self) -> int | None:
        """Which worker watches, as the living say."""
        for number, worker in enumerate(self.fleet.workers):
            if number not in self._dead and any(f'"{line}"' in worker.log.read_text() for line in WATCHING):
                return number
        return None

    async def kill(self) -> None:
        """Once somebody watches, and has for a moment."""
        await until(lambda: self.watching() is not None, "somebody who watches", within_s=60)
        await asyncio.sleep(self.chance.uniform(0.0, LONGEST_S))
        number = self.watching()
        if number is None:
            return
        self._dead.add(number)
        await self.fleet.workers[number].kill()
        self.kills += 1
        await start(self.fleet)


async def start(fleet: Fleet) -> WorkersPart:
    """A worker with all that isn't about judging."""
    return await fleet.start("moderation", "storage")


async def run(folder: Path, kafka: Part, clickhouse: Part, *, kills: int, seed: int) -> Outcome:
    """Kill so many times while traffic shifts and goes back, then let the last one finish."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(GuardServer())
        fleet = Fleet(folder, kafka, clickhouse, guard.address)
        fleet.environment |= SETTINGS
        stack.push_async_callback(stop_all, fleet)
        await start(fleet)
        await start(fleet)
        killer = Killer(fleet, seed)
        acknowledged: set[str] = set()
        async with traffic(kafka.address, fleet.kafka.chat_logs_topic, seed):
            await until(lambda: has_told(fleet), "the first alert", within_s=180)
            for number in range(kills):
                await killer.kill()
                if number % ACK_EVERY == ACK_EVERY - 1:
                    acknowledged |= await acknowledge(fleet, acknowledged)
        ended = datetime.now(UTC)
        settings = load(fleet.environment)
        store = await stack.enter_async_context(await connect(settings.clickhouse))
        tables = WatchTables(store, fleet.kafka.group_prefix, fleet.kafka.chat_logs_topic)

        async def is_closed() -> bool:
            last = await tables.last_end()
            return last is not None and last > ended + timedelta(seconds=5)

        await until(is_closed, "windows to the end", within_s=120)
        await stop_all(fleet)  # a checkpoint more or less
        last = await tables.last_end()
        if last is None:
            raise RuntimeError("there are no windows")
        standing = [one async for one in tables.windows(ended - timedelta(days=1), last)]
        recounted = await tables.count(standing[0].begins_at, last, timedelta(seconds=1))
        async with KafkaAdmin.connect(fleet.kafka) as admin:
            log = ActionLog(admin, fleet.kafka.alert_actions_topic, fleet.kafka.group_prefix)
            await log.begin(standing[0].begins_at)
            actions = list(await log.read())
        alerts = await fleet.alerts()
        expected = await undisturbed(tables, settings, actions, standing[0].begins_at)
        return Outcome(
            kills=killer.kills,
            seconds=loop.time() - began_s,
            windows=len(standing),
            wrong=sum(one != two for one, two in zip(standing, recounted, strict=False)),
            gaps=abs(len(standing) - len(recounted)),
            records=sum(one.drift is not None for one in alerts),
            acknowledged=len(acknowledged),
            told=stories(alerts),
            expected=stories(expected),
        )


async def has_told(fleet: Fleet) -> bool:
    """Whether an alert about drift stands on the topic."""
    return bool(stories(await fleet.alerts()))


async def acknowledge(fleet: Fleet, already: set[str]) -> set[str]:
    """What fires now, and hasn't been acknowledged: the ids."""
    newest = {alert.id: alert for alert in await fleet.alerts() if alert.drift is not None}
    ids = {id_ for id_, alert in newest.items() if alert.state == "firing" and id_ not in already}
    actions = [
        AlertAction(
            alert_id=id_,
            fleet=fleet.kafka.group_prefix,
            verb="acknowledge",
            by="benchmark",
            note="",
            until=None,
        ).to_bytes()
        for id_ in sorted(ids)
    ]
    await fleet.produce(actions, partitions=1, topic=fleet.kafka.alert_actions_topic)
    return ids


async def stop_all(fleet: Fleet) -> None:
    """However it ended."""
    for worker in fleet.workers:
        await worker.kill()
