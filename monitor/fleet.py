"""What is known of a fleet over time: what its workers say, and what the broker says of its groups. Bounded; no I/O.

Times are seconds since 1970 by the broker's clock: workers' clocks may differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.health_settings import HealthSettings
from schemas.status import PartitionStatus, RoleStatus, WorkerStatus

GUARD_ROLES: Final = frozenset({"moderation", "backfill"})
"""The roles that ask the guard."""
GATED_ROLES: Final = frozenset({"backfill", "judging_backfill"})
"""The roles that begin a batch only while live traffic doesn't wait: what they haven't begun waits on purpose."""
REACHES_BACK_S: Final = 900.0
"""How far a share may reach back for enough messages: a guard that fails at one exchange a minute is noticed too."""
BUCKET_S: Final = 5.0
MOST_WORKERS: Final = 10_000
MISSED_STATUSES: Final = 3
"""A worker that missed so many is no longer taken by its last word."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """A partition as the broker knows it: its first offset, its end, and what the group has committed (None: nothing)."""

    begin: int
    end: int
    committed: int | None

    @property
    def waiting(self) -> int:
        """Offsets that are there and not acknowledged."""
        return max(0, self.end - max(self.begin, self.begin if self.committed is None else self.committed))


@dataclass(frozen=True, slots=True)
class GroupView:
    """A consumer group as the broker knows it. `is_settled`: it isn't rebalancing. `must_be_owned`: even with nothing to do."""

    role: str
    topic: str
    group: str
    is_settled: bool
    owned: frozenset[int]
    offsets: Mapping[int, Offsets]
    must_be_owned: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """The last word of a worker, and when it came. `back_s`: when it spoke again after a silence, 0 if it never was silent."""

    status: WorkerStatus
    at_s: float
    back_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that a worker said is its own, not long ago."""

    worker: str
    role: RoleStatus
    partition: PartitionStatus
    at_s: float
    back_s: float = 0.0

    @property
    def still_since_s(self) -> float:
        """Since when its durable prefix hasn't moved, if there is something to do; not counted from a silence, in which the
        worker was frozen or Kafka was away."""
        return max(self.moved_at_s, self.back_s)

    @property
    def moved_at_s(self) -> float:
        """The same as it says itself."""
        return self.at_s - self.partition.still_s

    @property
    def still_s(self) -> float:
        """For how long that was when it said so."""
        return self.at_s - self.still_since_s


@dataclass(slots=True)
class Counts:
    """What one role did in a stretch of time, all its workers together."""

    from_s: float
    messages: int = 0
    dead: int = 0
    exchanges: int = 0
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class _Uncommitted:
    """For how long a group has owned a partition and stood at the same committed offset."""

    committed: int
    for_s: float


@dataclass(frozen=True, slots=True)
class LostWatch:
    """Drift isn't watched, because no state of it can be used: since when, in seconds since 1970, and why."""

    since_s: float
    cause: str
    remedy: str


@dataclass
class Fleet:
    """The fleet of this name: statuses and groups of others, on the same topic, are passed over.

    `sighted_since_s`: nothing is known of the time before, so no silence or stillness is counted from there.
    """

    name: str
    settings: HealthSettings
    sighted_since_s: float = 0.0
    workers: dict[str, Heard] = field(default_factory=dict)
    views: dict[str, GroupView] = field(default_factory=dict)
    lost_watch: LostWatch | None = None
    _counts: dict[str, deque[Counts]] = field(default_factory=dict)
    _looked_s: float | None = None
    _unowned_s: dict[tuple[str, int], float] = field(default_factory=dict)
    _unowned_at_rest_s: dict[tuple[str, int], float] = field(default_factory=dict)
    _uncommitted: dict[tuple[str, int], _Uncommitted] = field(default_factory=dict)

    def hear_anew(self) -> None:
        """What the workers said is to be heard again from further back; what was seen of the broker stays."""
        self.workers.clear()
        self._counts.clear()

    def sighted(self, now_s: float) -> None:
        """We see again, after a time in which nothing could be seen."""
        self.sighted_since_s = now_s
        self._looked_s = None
        self._unowned_s.clear()
        self._unowned_at_rest_s.clear()
        self._uncommitted.clear()

    def hear(self, status: WorkerStatus, at_s: float) -> None:
        """A worker has said how it stands."""
        if status.fleet != self.name:
            return
        before = self.workers.pop(status.worker, None)
        if before is not None:
            self._count(before.status, status, at_s)
        if status.state == "leaving":
            return
        back_s = 0.0
        if before is not None:
            was_silent = at_s - before.at_s > self._word_holds_s
            back_s = at_s if was_silent else before.back_s
        self.workers[status.worker] = Heard(status, at_s, back_s)
        while len(self.workers) > MOST_WORKERS:
            del self.workers[next(iter(self.workers))]

    def look(self, views: Sequence[GroupView], now_s: float) -> None:
        """The broker has said how the groups stand. Forgets what is too old to matter."""
        passed_s = 0.0 if self._looked_s is None else max(0.0, now_s - self._looked_s)
        self._looked_s = now_s
        self.views = {view.group: view for view in views}
        unowned_s, at_rest_s, uncommitted = {}, {}, {}
        for view in views:
            claims = self.claims(view.group, now_s)
            for number, offsets in view.offsets.items():
                key = (view.group, number)
                is_owned = number in view.owned
                if not is_owned:
                    unowned_s[key] = self._longer(self._unowned_s.get(key), passed_s)
                    if view.is_settled:
                        at_rest_s[key] = self._longer(self._unowned_at_rest_s.get(key), passed_s)
                committed = offsets.begin if offsets.committed is None else offsets.committed
                # Its worker knows better: one that stands at what is committed is stalled, halted or held back, and says
                # so, or has nothing but transaction markers to read.
                claim = claims.get(number)
                if offsets.waiting and (claim is None or claim.partition.position > committed):
                    before = self._uncommitted.get(key)
                    for_s = before.for_s if before is not None and before.committed == committed else None
                    uncommitted[key] = _Uncommitted(
                        committed, self._longer(for_s, passed_s if is_owned else 0.0)
                    )
        self._unowned_s, self._unowned_at_rest_s, self._uncommitted = unowned_s, at_rest_s, uncommitted
        self.workers = {
            worker: heard
            for worker, heard in self.workers.items()
            if self.silence_s(heard, now_s) <= self.settings.forgotten_after_s
        }

    def silence_s(self, heard: Heard, now_s: float) -> float:
        """For how long a worker has said nothing, as far as we could have heard it."""
        return max(0.0, now_s - max(heard.at_s, self.sighted_since_s))

    @property
    def _word_holds_s(self) -> float:
        return MISSED_STATUSES * self.settings.status_every_s

    def claims(self, group: str, now_s: float) -> dict[int, Claim]:
        """Whose each partition of a group is, by those who said so lately. Of two who say so, one hasn't heard yet that it
        isn't: the one that has had more to do with it last is right."""
        found: dict[int, Claim] = {}
        for worker, heard in self.workers.items():
            if now_s - heard.at_s > self._word_holds_s:
                continue
            for role in heard.status.roles:
                if role.group != group:
                    continue
                for partition in role.partitions:
                    claim = Claim(worker, role, partition, heard.at_s, heard.back_s)
                    other = found.get(partition.partition)
                    if other is None or claim.moved_at_s >= other.moved_at_s:
                        found[partition.partition] = claim
        return found

    def unowned_s(self, group: str, partition: int) -> float:
        """For how long it has had no owner; 0 where it has one."""
        return self._unowned_s.get((group, partition), 0.0)

    def unowned_at_rest_s(self, group: str, partition: int) -> float:
        """For how long it has had no owner in a group that doesn't rebalance."""
        return self._unowned_at_rest_s.get((group, partition), 0.0)

    def uncommitted_s(self, group: str, partition: int) -> float:
        """For how long, while it had an owner, its committed offset hasn't moved, and no worker said why; 0 where there is
        nothing to commit."""
        still = self._uncommitted.get((group, partition))
        return 0.0 if still is None else still.for_s

    @staticmethod
    def _longer(before_s: float | None, passed_s: float) -> float:
        """What held at the last look too has held in between."""
        return 0.0 if before_s is None else before_s + passed_s

    def lately(
        self, roles: Sequence[str], now_s: float, *, least: int, of: Literal["messages", "exchanges"]
    ) -> Counts | None:
        """What these roles did in the last `window_s`, or as far back as it takes for `least` messages or exchanges (`of`).

        None where there weren't so many in REACHES_BACK_S.
        """
        total = Counts(now_s)
        buckets = sorted(
            (bucket for role in roles for bucket in self._counts.get(role, ())), key=lambda b: -b.from_s
        )
        for bucket in buckets:
            if now_s - bucket.from_s > REACHES_BACK_S:
                break
            if now_s - bucket.from_s >= self.settings.window_s + BUCKET_S and getattr(total, of) >= least:
                break
            total.from_s = bucket.from_s
            total.messages += bucket.messages
            total.dead += bucket.dead
            total.exchanges += bucket.exchanges
            total.unanswered += bucket.unanswered
        return total if getattr(total, of) >= least else None

    def _count(self, before: WorkerStatus, after: WorkerStatus, at_s: float) -> None:
        then = {role.role: role for role in before.roles}
        for role in after.roles:
            counts = self._counts.setdefault(role.role, deque())
            from_s = at_s - at_s % BUCKET_S
            if not counts or counts[-1].from_s < from_s:
                counts.append(Counts(from_s))
            while counts[0].from_s < at_s - REACHES_BACK_S - BUCKET_S:
                counts.popleft()
            last = then.get(role.role)
            bucket = counts[-1]
            bucket.messages += role.messages - (last.messages if last else 0)
            bucket.dead += role.dead - (last.dead if last else 0)
            bucket.exchanges += role.exchanges - (last.exchanges if last else 0)
            bucket.unanswered += role.unanswered - (last.unanswered if last else 0)
