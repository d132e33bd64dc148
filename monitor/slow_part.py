"""Which part is slow: where the time of a role's batches went between two statuses of its workers. Pure.

A role that is behind and at its limit of batches under way waits for the stage that they spend their time in. Their wait
for those before them ("turn") is left out: it is the same wait, seen from behind. A worker whose process uses a whole core
waits for that, whatever its batches seem to wait for: its event loop comes late to all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from monitor.health import STAGE_PLACES
from schemas.status import RoleStatus, Stage, WorkerStatus

KEEPS_UP_S: Final = 5.0
"""A role that works off what waits within this time keeps up."""
BUSY_SHARE: Final = 0.85
"""A process that uses this much of a core has none left: the rest is the operating system's and the broker client's."""

Verdict = Literal["keeps up", "stage", "cpu", "reading", "trouble", "unknown"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two statuses of one worker, and the seconds between them."""

    before: WorkerStatus
    after: WorkerStatus
    over_s: float


@dataclass(frozen=True, slots=True)
class Slowness:
    """How a role keeps up. `lag`: messages that wait. `shares`: of its batches' time, by stage. `cpu_share`: cores used by a
    worker, the busiest one. `per_s`: messages done a second, by all its workers. `part` is what it waits for, in words."""

    role: str
    verdict: Verdict
    part: str
    lag: int
    per_s: float
    over_s: float
    shares: Mapping[Stage, float]
    cpu_share: float

    @property
    def sentence(self) -> str:
        """What a person reads."""
        if self.verdict == "keeps up":
            return f"{self.role} keeps up" + (f"; {self.lag:,} messages are on their way" if self.lag else "")
        behind = f"{self.role} is {self.lag:,} message{'' if self.lag == 1 else 's'} behind"
        if self.per_s >= 1:
            behind += f" ({_duration(self.lag / self.per_s)} at its pace)"
        match self.verdict:
            case "stage":
                share = max(self.shares.values(), default=0.0)
                return f"{behind} and waits for {self.part}: {share:.0%} of its batches' time in the last {self.over_s:.0f} s"
            case "cpu":
                busy = f"{self.cpu_share:.0%} of a core in the last {self.over_s:.0f} s"
                return f"{behind} and waits for {self.part}: {busy}; run more workers"
            case "trouble":
                return f"{behind} and tries again and again: {self.part}"
            case "reading":
                return f"{behind} and has room for more batches: it waits for {self.part}"
            case _:
                return f"{behind}, and no worker says why"


def pairs(statuses: Sequence[tuple[WorkerStatus, float]]) -> list[Pair]:
    """The first and the last status of each worker that runs. `statuses` come with their time, oldest first."""
    first: dict[str, tuple[WorkerStatus, float]] = {}
    last: dict[str, tuple[WorkerStatus, float]] = {}
    for status, at_s in statuses:
        if status.state == "running":
            first.setdefault(status.worker, (status, at_s))
        last[status.worker] = (status, at_s)
    return [
        Pair(first[worker][0], status, at_s - first[worker][1])
        for worker, (status, at_s) in last.items()
        if status.state == "running" and at_s > first[worker][1]
    ]


def slowness(role: str, seen: Sequence[Pair], lag: int | None = None) -> Slowness:
    """How a role keeps up. `lag` as the broker counts it; None: as the workers do."""
    of_role = [
        (pair, then, now)
        for pair in seen
        if (now := _role(pair.after, role)) is not None and (then := _role(pair.before, role)) is not None
    ]
    roles = [now for _, _, now in of_role]
    behind = sum(max(0, p.end - p.position) for one in roles for p in one.partitions)
    waiting = behind if lag is None else lag
    over_s = max((pair.over_s for pair, _, _ in of_role), default=0.0)
    per_s = sum((now.messages - then.messages) / pair.over_s for pair, then, now in of_role)
    shares = _shares([(then, now) for _, then, now in of_role])
    cpu_share = max(
        ((pair.after.cpu_s - pair.before.cpu_s) / pair.over_s for pair, _, _ in of_role), default=0.0
    )
    is_full = any(max(then.in_flight, now.in_flight) >= now.in_flight_limit for _, then, now in of_role)
    verdict, part = _verdict(
        role, roles, waiting=waiting, per_s=per_s, shares=shares, cpu_share=cpu_share, is_full=is_full
    )
    return Slowness(role, verdict, part, waiting, per_s, over_s, shares, cpu_share)


def _verdict(
    role: str,
    roles: Sequence[RoleStatus],
    *,
    waiting: int,
    per_s: float,
    shares: Mapping[Stage, float],
    cpu_share: float,
    is_full: bool,
) -> tuple[Verdict, str]:
    partitions = [partition for one in roles for partition in one.partitions]
    is_still = any(partition.still_s >= KEEPS_UP_S for partition in partitions)
    if not waiting or (partitions and waiting <= per_s * KEEPS_UP_S and not is_still):
        return "keeps up", ""
    if not partitions:
        return "unknown", ""
    if not per_s and not is_still:
        return "keeps up", ""  # what waits has only just come
    behind = [partition for partition in partitions if partition.end > partition.position]
    troubles = sorted((p for p in behind if p.trouble), key=lambda p: p.still_s, reverse=True)
    if troubles and all(partition.trouble and not partition.in_flight for partition in behind):
        return "trouble", _first_line(troubles[0].trouble)
    if cpu_share >= BUSY_SHARE:
        return "cpu", "its worker's own processor"
    if not is_full or not shares:
        return "reading", "reading from Kafka"
    stage = max(shares, key=lambda one: shares[one])
    if stage == "retry" and troubles:
        return "trouble", _first_line(troubles[0].trouble)
    return "stage", _part(role, stage)


def _part(role: str, stage: Stage) -> str:
    if stage == "decode":
        return "its worker's own processor (decoding)"
    if stage == "retry":
        return "its next try, after one that failed"
    return STAGE_PLACES.get((role, stage), stage)


def _shares(seen: Sequence[tuple[RoleStatus, RoleStatus]]) -> dict[Stage, float]:
    """Share of time by stage, largest first; by what the oldest batches are doing where no time was told."""
    spent: Counter[Stage] = Counter()
    for then, now in seen:
        for stage, seconds in now.spent_s.items():
            if stage != "turn":
                spent[stage] += max(0.0, seconds - then.spent_s.get(stage, 0.0))  # type: ignore[assignment]  # a Counter of floats
    total = sum(spent.values())
    return {stage: seconds / total for stage, seconds in spent.most_common()} if total else {}


def _role(status: WorkerStatus, role: str) -> RoleStatus | None:
    return next((one for one in status.roles if one.role == role), None)


def _first_line(trouble: str) -> str:
    return trouble.partition("\n")[0]


def _duration(seconds: float) -> str:
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
