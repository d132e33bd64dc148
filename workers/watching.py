"""One spell of watching for drift: the engine with all that it needs, from the newest checkpoint on.

What is given to the engine is what stands in the table of windows, whoever wrote it, and what people did takes effect at the
broker's time of it. So whoever goes on from a checkpoint, or begins again from an older one, gets the same alerts with the same
ids; they are told again, and told at least once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from monitor.backoff import Backoff
from monitor.drift.history import Stretch, floor, next_stretch
from monitor.drift.kinds import DriftKind
from monitor.drift.needs import Need
from monitor.drift.ports import Checkpoint, WatchStore
from monitor.errors import Misconfigured, Rejected, Retryable, WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Source
from schemas.windows import Window
from workers.leadership import Replaced

log = structlog.get_logger("watchkeeper.watch")

SLOTS: Final = 8
"""So many checkpoints are kept."""
STREAM_STATES: Final = ("learning", "armed", "firing", "stale")
FOR_THE_ENGINE: Final = frozenset({"acknowledge", "resolve"})
"""What changes what is watched; the rest is the channels' concern."""
NEVER: Final = datetime(2199, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class StateLost(Misconfigured):
    """The watch had a state, and none that is kept can be used."""


class Engine(Protocol):
    """What watches (monitor/drift/watch.py). Deterministic, no I/O; not for two threads at once."""

    def take(self, window: Window) -> Any:
        """A step, with `needs`. Raises Rejected, unchanged, for a window that can't be."""
        ...

    def finish(self, step: Any, history: Mapping[Need, tuple[Window, ...]]) -> tuple[Alert, ...]:
        """After each `take`, with what it needs."""
        ...

    def act(self, action: AlertAction, at: datetime) -> tuple[Alert, ...]:
        """What a person did."""
        ...

    def firing(self) -> Sequence[Alert]:
        """The alerts that haven't ended."""
        ...

    def streams_by_state(self) -> Mapping[str, Mapping[str, int]]:
        """How many streams are watched, by measure and state."""
        ...

    def to_bytes(self) -> bytes:
        """Its state."""
        ...


class Engines(Protocol):
    """Makes engines."""

    def new(self) -> Engine:
        """One that knows nothing yet."""
        ...

    def from_bytes(self, state: bytes) -> Engine:
        """One that was. Raises Misconfigured for a state that is damaged or another release's."""
        ...


@dataclass(frozen=True, slots=True)
class Acted:
    """What a person did, and the broker's time of it."""

    at: datetime
    action: AlertAction


class Actions(Protocol):
    """What people do with alerts (workers/actions.py)."""

    async def begin(self, since: datetime) -> None:
        """`read` gives what was done then or later."""
        ...

    async def read(self) -> Sequence[Acted]:
        """All that is new, in order of time. Raises Retryable or Misconfigured."""
        ...


@dataclass
class Watching:
    """`tell` writes an alert to its topic. `is_ours`: whether we may still act; asked between any two steps."""

    engines: Engines
    store: WatchStore
    actions: Actions
    tell: Callable[[Alert], Awaitable[None]]
    settings: Settings
    source: Source
    metrics: Metrics
    is_ours: Callable[[], bool]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic_s: Callable[[], float] = time.monotonic
    position: datetime | None = None
    _engine: Engine | None = None
    _due: deque[Acted] = field(default_factory=deque)
    _kept_at_s: float = 0.0
    _kept: datetime | None = None

    async def restore(self, now: datetime) -> None:
        """Be where the fleet's watch is: the newest checkpoint that can be used, what was done since, the windows after it. A
        fleet that has never watched begins now. Raises StateLost, Retryable, Misconfigured, Replaced."""
        began_s = self.monotonic_s()
        checkpoint = await self._usable()
        if checkpoint is None:
            self._engine = self.engines.new()
            self.position = floor(now, timedelta(seconds=self.settings.drift.window_s))
            await self.actions.begin(self.position)
            self._must_be_ours()
            await self.keep()
            log.info("drift is watched from now on", since=self.position.isoformat())
            return
        self.position = self._kept = checkpoint.position
        await self.actions.begin(self.position)
        await self._hear()
        windows = 0
        async for window in self.store.windows(self.position, NEVER):
            await self._take(window)
            windows += 1
        log.info(
            "drift is watched on",
            checkpoint=checkpoint.position.isoformat(),
            position=self.position.isoformat(),
            windows_again=windows,
            restored_s=round(self.monotonic_s() - began_s, 2),
        )

    async def follow(self, closed: datetime) -> int:
        """Close and take all windows that end at `closed` or before: how many. Raises Retryable, Misconfigured, Replaced; what was
        taken until then is taken."""
        width = timedelta(seconds=self.settings.drift.window_s)
        count = 0
        while (stretch := next_stretch(self._at, closed, width)) is not None:
            await self._hear()
            count += await self._close(stretch)
        if self.monotonic_s() - self._kept_at_s >= self.settings.drift.checkpoint_every_s:
            await self.keep()
        return count

    async def keep(self) -> None:
        """Keep the engine's state. Raises Retryable or Misconfigured."""
        if self._engine is None:
            raise TypeError("nothing is watched yet")
        state = await asyncio.to_thread(self._engine.to_bytes)
        every_s = self.settings.drift.checkpoint_every_s
        slot = int(self._at.timestamp() // every_s) % SLOTS
        await self.store.keep(self._at, state, slot=slot)
        self._kept_at_s, self._kept = self.monotonic_s(), self._at
        self.metrics.set(Metric.WATCH_CHECKPOINT_BYTES, len(state))
        self._show()

    @property
    def kept(self) -> datetime | None:
        """The position of the last checkpoint of this spell."""
        return self._kept

    @property
    def _at(self) -> datetime:
        if self.position is None:
            raise TypeError("nothing is watched yet")
        return self.position

    async def _usable(self) -> Checkpoint | None:
        """The newest checkpoint whose state can be used, which is the engine's from then on. None where there never was one."""
        checkpoints = await self.store.checkpoints()
        fault: Misconfigured | None = None
        for checkpoint in checkpoints:
            try:
                state = await self.store.state(checkpoint)
                if state is None:
                    raise StateLost("it isn't even base64", "`watchkeeper drift rebuild`")
                self._engine = await asyncio.to_thread(self.engines.from_bytes, state)
            except Misconfigured as exc:
                fault = fault or exc
                log.error(
                    "a checkpoint of the watch can't be used, an older one is tried",
                    checkpoint=checkpoint.position.isoformat(),
                    version=checkpoint.version,
                    error=str(exc),
                )
            else:
                return checkpoint
        if fault is None and await self.store.last_end() is None:
            return None
        cause = str(fault).partition("\n")[0] if fault else "there are closed windows, and no state"
        raise StateLost(
            f"none of the {len(checkpoints)} states of the watch can be used: {cause}",
            "`watchkeeper drift rebuild`",
        )

    async def _hear(self) -> None:
        """What has been done by now."""
        for one in await self.actions.read():
            if one.action.verb in FOR_THE_ENGINE:
                self._due.append(one)

    async def _close(self, stretch: Stretch) -> int:
        """Count, write, and take what stands then: our windows, or those of somebody who was faster."""
        for window in await self.store.count(stretch.since, stretch.until, stretch.width):
            self._must_be_ours()
            await self.store.close(window)
        count = 0
        async for window in self.store.windows(stretch.since, stretch.until):
            if window.begins_at >= self._at:
                await self._take(window)
                count += 1
        if not count:
            raise Retryable("windows that were just closed don't stand in the store")
        return count

    async def _take(self, window: Window) -> None:
        """One window, with what was done before it ends, to its last alert. Once the engine has begun it goes to the end, however
        long the store or the broker is away. Raises Replaced."""
        engine = self._engine
        if engine is None:
            raise TypeError("nothing is watched yet")
        self._must_be_ours()
        began_s = self.monotonic_s()
        told = 0
        while self._due and self._due[0].at < window.ends_at:
            acted = self._due.popleft()
            told += await self._tell(engine.act(acted.action, acted.at))
        try:
            step = await asyncio.to_thread(engine.take, window)
        except Rejected as exc:
            log.error(
                "a window can't be, and is left out", begins_at=window.begins_at.isoformat(), error=str(exc)
            )
        else:
            needs: dict[Need, tuple[Window, ...]] = {}
            for need in step.needs:
                needs[need] = await self._patiently(lambda need=need: self.store.history(need))  # type: ignore[misc]  # inference of a lambda's default
            told += await self._tell(await asyncio.to_thread(engine.finish, step, needs))
        self.position = window.ends_at
        self.metrics.count(Metric.WATCH_WINDOWS)
        self.metrics.observe(Metric.WATCH_SECONDS, self.monotonic_s() - began_s)
        if told:
            await self._patiently(self.keep)

    async def _tell(self, alerts: Sequence[Alert]) -> int:
        for alert in alerts:
            whole = await self._with_event_ids(msgspec.structs.replace(alert, source=self.source))
            await self._patiently(lambda whole=whole: self.tell(whole))  # type: ignore[misc]  # inference of a lambda's default
            self.metrics.count(Metric.ALERTS_SENT, kind=alert.kind, state=alert.state)
            is_loud = alert.severity == "critical" and alert.state == "firing"
            (log.error if is_loud else log.warning)(
                "alert",
                state=alert.state,
                kind=alert.kind,
                severity=alert.severity,
                title=alert.title,
                id=alert.id,
                remedy=alert.remedy,
                place=alert.place,
            )
        return len(alerts)

    async def _with_event_ids(self, alert: Alert) -> Alert:
        """An alert that can be told without them is not kept waiting for them."""
        if alert.drift is None:
            return alert
        try:
            ids = await self.store.event_ids(alert)
        except WatchkeeperError as exc:
            log.warning("an alert is told without ids of its events", id=alert.id, error=str(exc))
            return alert
        return msgspec.structs.replace(alert, drift=msgspec.structs.replace(alert.drift, event_ids=ids))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, however often it has to be asked for. Raises Replaced."""
        backoff = Backoff(self.settings.retry)
        while True:
            self._must_be_ours()
            try:
                return await ask()
            except WatchkeeperError as exc:
                wait_s = backoff.next_s()
                log.warning("the watch waits", error=str(exc), retry_in_s=round(wait_s, 2))
                await self.sleep(wait_s)

    def _must_be_ours(self) -> None:
        if not self.is_ours():
            raise Replaced

    def _show(self) -> None:
        """What is watched, and what fires."""
        engine = self._engine
        if engine is None:
            return
        counts = engine.streams_by_state().values()
        for state in STREAM_STATES:
            self.metrics.set(Metric.WATCH_STREAMS, sum(of.get(state, 0) for of in counts), state=state)
        firing = [alert.kind for alert in engine.firing()]
        for kind in DriftKind:
            self.metrics.set(Metric.ALERTS_FIRING, firing.count(kind), kind=kind)
