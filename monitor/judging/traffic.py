"""How much of each stratum comes, and how much a judge was asked, from what the workers say of themselves. Bounded; no I/O.

Times are seconds since 1970 by the broker's clock. Only what comes live counts: a replay has no part in the live budget.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from monitor.fleet import MOST_WORKERS
from monitor.judging.budget import AHEAD_S, HOUR_S
from schemas.status import RoleStatus, WorkerStatus

COUNTED_ROLE: Final = "moderation"
RATES_OVER_S: Final = 600.0
RISES_OVER_S: Final = 60.0
BUCKET_S: Final = 5.0
LOOKED_BACK_S: Final = HOUR_S - AHEAD_S


@dataclass(slots=True)
class _Bucket:
    from_s: float
    strata: Counter[str] = field(default_factory=Counter)
    asked: int = 0


@dataclass(slots=True)
class Traffic:
    """The traffic of one fleet. What came before it was first heard of is taken to have been asked at the budget's rate."""

    fleet: str
    since_s: float | None = None
    _last: dict[str, WorkerStatus] = field(default_factory=dict)
    _buckets: deque[_Bucket] = field(default_factory=deque)

    def hear(self, status: WorkerStatus, at_s: float) -> None:
        """A worker has said how it stands."""
        if status.fleet != self.fleet:
            return
        if self.since_s is None:
            self.since_s = at_s
        before = self._last.get(status.worker)
        if before is not None:
            self._add(_role(before), _role(status), at_s)
        self._last.pop(status.worker, None)
        if status.state != "leaving":
            self._last[status.worker] = status
        while len(self._last) > MOST_WORKERS:
            del self._last[next(iter(self._last))]

    def rates(self, now_s: float) -> dict[str, float]:
        """Exchanges a second by stratum: their mix over RATES_OVER_S, in which rare ones show; as many of them as in that time
        or in the last RISES_OVER_S, where that is more: a rise is believed at once, a lull is waited out."""
        over_s, rises_s = min(RATES_OVER_S, self.heard_s(now_s)), min(RISES_OVER_S, self.heard_s(now_s))
        if over_s <= 0:
            return {}
        total = self._counted(now_s - over_s)
        rise = self._counted(now_s - rises_s).total() / rises_s
        scale = max(1.0, rise * over_s / total.total()) if total.total() else 1.0
        return {stratum: scale * count / over_s for stratum, count in total.items()}

    def _counted(self, since_s: float) -> Counter[str]:
        total: Counter[str] = Counter()
        for bucket in self._buckets:
            if bucket.from_s > since_s:
                total.update(bucket.strata)
        return total

    def asked(self, now_s: float, budget_per_hour: float) -> float:
        """Questions in the hour before now, less the time that a policy is made for."""
        known_s = min(LOOKED_BACK_S, self.heard_s(now_s))
        known = sum(bucket.asked for bucket in self._buckets if bucket.from_s > now_s - LOOKED_BACK_S)
        return known + (LOOKED_BACK_S - known_s) * budget_per_hour / HOUR_S

    def asked_in_hour(self, now_s: float) -> int:
        """Questions in the hour before now, as far as it was heard."""
        return sum(bucket.asked for bucket in self._buckets if bucket.from_s > now_s - HOUR_S)

    def heard_s(self, now_s: float) -> float:
        """For how long it has been heard."""
        return 0.0 if self.since_s is None else max(0.0, now_s - self.since_s)

    def _add(self, before: RoleStatus | None, after: RoleStatus | None, at_s: float) -> None:
        if after is None:
            return
        from_s = at_s - at_s % BUCKET_S
        if not self._buckets or self._buckets[-1].from_s < from_s:
            self._buckets.append(_Bucket(from_s))
        while self._buckets[0].from_s < at_s - HOUR_S:
            self._buckets.popleft()
        bucket = self._buckets[-1]
        for stratum, count in after.strata.items():
            bucket.strata[stratum] += count - (before.strata.get(stratum, 0) if before else 0)
        bucket.asked += after.asked - (before.asked if before else 0)


def _role(status: WorkerStatus) -> RoleStatus | None:
    return next((role for role in status.roles if role.role == COUNTED_ROLE), None)
