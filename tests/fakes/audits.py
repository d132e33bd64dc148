"""What auditing needs, in memory: a store of steps by the rules of the real one, anchors, requests; the store can be told to fail, or to
crash as a process does, before or after an operation took effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitor.audit.faults import AuditFault, rejected
from monitor.audit.keeping import Kept, Step
from monitor.audit.sources import AnchorSet
from monitor.errors import Misconfigured, WatchkeeperError
from workers.auditing import Asked


def pairs(count: int, *, mark: str = "") -> AnchorSet:
    """Matched ones, whose texts say what they are."""
    labels = ("safe", "unsafe")
    return AnchorSet(
        texts=tuple(f"{label} {mark}{number}" for number in range(count) for label in labels),
        ids=tuple(f"{mark}{number}-{label}" for number in range(count) for label in labels),
        labels=labels * count,
        clusters=tuple(f"{mark}{number}" for number in range(count) for _ in labels),
    )


@dataclass
class FakeSource:
    """Implements sources.AnchorSource."""

    sets: dict[str, AnchorSet] = field(default_factory=lambda: {"matched": pairs(64)})
    failures: list[WatchkeeperError] = field(default_factory=list)

    async def anchors(self, name: str) -> AnchorSet:
        """See sources.AnchorSource."""
        if self.failures:
            raise self.failures.pop(0)
        if name not in self.sets:
            raise rejected(AuditFault.ONE_CLASS, "no such set")
        return self.sets[name]


@dataclass
class FakeAuditStore:
    """Implements keeping.AuditStore. `before` and `after` are called with the name of each operation."""

    steps: dict[tuple[str, int], tuple[Step, bytes]] = field(default_factory=dict)
    fixed: dict[str, dict[str, bytes]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    damaged: set[str] = field(default_factory=set)
    """Series whose references, and audits whose draws, can't be read."""

    async def last_steps(self) -> list[Step]:
        self.before("last_steps")
        last: dict[str, Step] = {}
        for _, (step, _) in sorted(self.steps.items(), key=lambda item: item[0]):
            last[step.target] = step
        return list(last.values())

    async def keep(self, step: Step, draws: bytes) -> Step:
        self.before("keep")
        standing, _ = self.steps.setdefault((step.target, step.number), (step, draws))
        self.after("keep")
        return standing

    async def made(self, ids: Sequence[str]) -> frozenset[str]:
        self.before("made")
        return frozenset(ids) & {step.id for step, _ in self.steps.values() if step.id}

    async def last_of_series(self, target: str, series: str) -> Step | None:
        self.before("last_of_series")
        found = [
            step
            for (key, _), (step, draws) in sorted(self.steps.items(), key=lambda item: item[0])
            if key == target and step.series == series and draws
        ]
        return found[-1] if found else None

    async def draws(self, target: str, id_: str) -> Kept | None:
        self.before("draws")
        if id_ in self.damaged:
            raise Misconfigured("damaged, as told")
        found = [draws for (key, _), (step, draws) in self.steps.items() if (key, step.id) == (target, id_)]
        return found[0] or None if found else None

    async def references(self, series: str) -> dict[str, Kept]:
        self.before("references")
        if series in self.damaged:
            raise Misconfigured("damaged, as told")
        return self.fixed.get(series, {})

    async def keep_references(
        self, series: str, references: Mapping[str, bytes], at: datetime
    ) -> dict[str, Kept]:
        self.before("keep_references")
        standing = self.fixed.setdefault(series, dict(references))
        self.after("keep_references")
        return standing


@dataclass
class FakeRequests:
    """Implements auditing.Requests."""

    log: list[Asked] = field(default_factory=list)
    _read: int = 0

    async def begin(self, since: datetime) -> None:
        self._read = sum(one.at < since for one in self.log)

    async def read(self) -> list[Asked]:
        new = self.log[self._read :]
        self._read = len(self.log)
        return new


@dataclass
class Open:
    """Implements gate.Gate: lets everything go, and counts."""

    asked: list[int] = field(default_factory=list)

    async def wait(self, messages: int) -> None:
        self.asked.append(messages)
