"""Everything that is watched for drift: from closed windows to alerts. Deterministic; no I/O, no clock.

A window is taken in two steps, since explaining what crossed needs the past: `take` counts it and says what is needed, `finish`
gets that and tells. The same windows and actions give the same alerts, wherever the state was carried in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.drift.counts import check_times, table_of
from monitor.drift.detection import Crossing, Detection, Seen
from monitor.drift.lifecycle import Lifecycle
from monitor.drift.lookback import need_of
from monitor.drift.moments import at_us, us
from monitor.drift.needs import Need
from monitor.drift.nightly import fit, is_due, need_at
from monitor.drift.policy import DriftPolicy
from monitor.drift.state import (
    Saved,
    StateDamaged,
    array_of,
    arrays_of,
    keys_of,
    load,
    pack,
    unpack,
    values_of,
)
from monitor.drift.views import PlanRow, StreamView, counts_by_state, plan_rows, views_of
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert
from schemas.windows import Window


@dataclass(frozen=True, slots=True)
class Step:
    """A window that was taken: who crossed, and what `finish` needs of the past."""

    window: Window
    crossings: tuple[Crossing, ...]
    needs: tuple[Need, ...]


class Watch:
    """Everything that is watched, for one fleet (the prefix of its consumer groups)."""

    def __init__(self, policy: DriftPolicy, fleet: str) -> None:
        self.policy = policy
        self.fleet = fleet
        self.position: datetime | None = None
        """End of the last window that was taken."""
        self._detection = Detection(policy)
        self._lifecycle = Lifecycle(self._detection, fleet)
        self._housekept_at = -1
        self._pending: tuple[Step, Seen] | None = None

    @classmethod
    def new(cls, policy: DriftPolicy, fleet: str) -> Watch:
        """A watch that knows nothing yet."""
        return cls(policy, fleet)

    @classmethod
    def from_bytes(cls, state: bytes, policy: DriftPolicy, fleet: str) -> Watch:
        """The watch that wrote `state`, going on under `policy`: the budget is a threshold, shares count from now on.
        Raises StateDamaged or StateOfOtherVersion."""
        saved = unpack(state)
        if saved.fleet != fleet:
            raise StateDamaged("it is another fleet's")
        watch = cls(policy, fleet)
        detection = watch._detection  # its own
        try:
            for guard in saved.guards:
                detection.number_of(guard)
            load(detection.groups.rows, saved.group_keys, saved.group_arrays, saved.guards)
            load(detection.streams, saved.stream_keys, saved.stream_arrays, saved.guards)
            for row, key in enumerate(detection.streams.keys):
                detection.place(row, key)
            detection.restore(integral=values_of(saved.integral), fleet_counts=values_of(saved.fleet_counts))
        except (ValueError, TypeError) as exc:
            raise StateDamaged("its parts don't fit each other") from exc
        watch.position = at_us(saved.position) if saved.position >= 0 else None
        watch._housekept_at = saved.housekept_at
        watch._lifecycle.restore(saved.incidents, saved.instruments, saved.next_incident)
        return watch

    def to_bytes(self) -> bytes:
        """All that is remembered. Not between `take` and `finish`: raises RuntimeError there."""
        if self._pending is not None:
            raise RuntimeError("a window was taken and isn't finished")
        detection = self._detection
        return pack(
            Saved(
                fleet=self.fleet,
                position=-1 if self.position is None else us(self.position),
                housekept_at=self._housekept_at,
                next_incident=self._lifecycle.next_number,
                guards=list(detection.guards),
                stream_keys=keys_of(detection.streams, detection.guards),
                stream_arrays=arrays_of(detection.streams),
                group_keys=keys_of(detection.groups.rows, detection.guards),
                group_arrays=arrays_of(detection.groups.rows),
                integral=array_of("integral", detection.integral),
                fleet_counts=array_of("fleet_counts", detection.fleet_counts[: detection.fleet_size]),
                incidents=self._lifecycle.incidents,
                instruments=self._lifecycle.instruments,
            )
        )

    def take(self, window: Window) -> Step:
        """Count a window. `finish` must be called with what comes back before the next one. Raises BadWindow, and is as it
        was before, for a window that begins before `position`, ends before it begins, or has counts that can't be. A gap is
        fine: nothing is known of it."""
        if self._pending is not None:
            raise RuntimeError("the window before isn't finished")
        check_times(window, self.position)
        table = table_of(window)
        since = self.position or window.begins_at
        seen = self._detection.take(table, window, us(window.ends_at) - us(since))
        self.position = window.ends_at
        needs: dict[Need, None] = {}
        for crossing in seen.crossings:
            needs[need_of(crossing, self._detection, window.ends_at)] = None
        if is_due(self._housekept_at, us(window.ends_at)):
            needs[need_at(window.ends_at)] = None
        step = Step(window, seen.crossings, tuple(needs))
        self._pending = step, seen
        return step

    def finish(self, step: Step, history: Mapping[Need, Sequence[Window]]) -> tuple[Alert, ...]:
        """Tell what the window that was taken changes: alerts that begin, changed state, went further, or are due again.
        `history` has what each of `step.needs` asks for, oldest first; nothing of a need where nothing is left of it."""
        if self._pending is None or self._pending[0] is not step:
            raise RuntimeError("this isn't the window that was taken last")
        seen = self._pending[1]
        alerts = self._lifecycle.go_on(step.window, seen, history)
        now = us(step.window.ends_at)
        if is_due(self._housekept_at, now):
            hours = history.get(need_at(step.window.ends_at), ())
            fit(self._detection, hours)
            if hours:
                alerts += self._lifecycle.look_again(step.window)
            self._detection.retire(now)
            self._detection.forget(now)
            self._housekept_at = now
        elif self._housekept_at < 0:
            self._housekept_at = now
        self._pending = None
        return alerts

    def act(self, action: AlertAction, at: datetime) -> tuple[Alert, ...]:
        """Do what a person asked for, before the first window that ends after `at`. What fires no more, or never did, and a
        mute, which is the channels' matter, change nothing here."""
        if action.fleet != self.fleet:
            return ()
        return self._lifecycle.act(action, at, position=self.position)

    def firing(self) -> tuple[Alert, ...]:
        """The alerts that aren't over, as last told."""
        return tuple(incident.alert for incident in self._lifecycle.incidents)

    def streams(self) -> Sequence[StreamView]:
        """How each stream of a cell stands, in the order in which they came."""
        return views_of(self._detection, self._stale())

    def streams_by_state(self) -> dict[str, dict[str, int]]:
        """How many there are, by measure and state, without a view of each."""
        return counts_by_state(self._detection, self._stale())

    def plan(self) -> tuple[PlanRow, ...]:
        """After how long which shift of each armed stream would be noticed, at today's traffic."""
        return () if self.position is None else plan_rows(self._detection, us(self.position))

    def _stale(self) -> set[int]:
        """The numbers of the incidents that are."""
        return {incident.number for incident in self._lifecycle.incidents if incident.alert.state == "stale"}
