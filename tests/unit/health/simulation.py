"""A fleet and its overseer in simulated time: what workers say and brokers know, a second at a time, with things that break.

The broker behaves as Kafka does: a killed worker's partitions stay its own until the session ends; a change of members is
a rebalance, in which nobody owns anything.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitor.alerting import Alerts, Due
from monitor.fleet import Fleet, GroupView, Offsets
from monitor.health import fleet_findings
from monitor.health_settings import HealthSettings
from schemas.alerts import Alert, Source
from schemas.status import PartitionStatus, RoleStatus, WorkerStatus

SESSION_S = 30.0
START_S = 1_741_000_000.0
TOPICS = {"moderation": "chat.logs", "storage": "safety.verdicts"}
PARTITIONS = range(4)


@dataclass
class Worker:
    """A worker process. `breaks`: what is wrong with it; see `Simulation`."""

    name: str
    phase_s: float
    roles: tuple[str, ...] = ("moderation", "storage")
    breaks: set[str] = field(default_factory=set)
    killed_s: float | None = None
    has_left: bool = False
    totals: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            role: dict.fromkeys(("messages", "dead", "exchanges", "unanswered"), 0) for role in TOPICS
        }
    )

    @property
    def is_member(self) -> bool:
        return not self.has_left and self.killed_s is None


@dataclass
class Log:
    """A partition."""

    end: int = 1_000
    position: int = 1_000
    committed: int = 1_000
    moved_s: float = START_S


class Simulation:
    """`rate`: messages a second and partition. What breaks in a worker's moderation: "stalled", "halted", "forgetful" (its
    commits don't arrive), "unknowing" (its guard answers nothing usable), "fed badly" (much of its input is bad); and
    "mute": it says nothing."""

    def __init__(
        self, workers: int = 2, *, rate: int = 5, seed: int = 0, settings: HealthSettings | None = None
    ) -> None:
        self.random = random.Random(seed)
        self.settings = settings or HealthSettings()
        self.now_s = START_S
        self.rate = rate
        self.workers = [Worker(f"w{n}", self.random.uniform(0, 5)) for n in range(workers)]
        self.logs = {(role, n): Log() for role in TOPICS for n in PARTITIONS}
        self.owners: dict[tuple[str, int], Worker | None] = {}
        self.rebalancing_until_s = 0.0
        self.sent: list[Due] = []
        self.statuses: list[tuple[WorkerStatus, float]] = []
        self._look_phase_s = self.random.uniform(0, self.settings.look_every_s)
        self._last_look_s = self.now_s
        self._assign()
        self.lead("w0")

    def lead(self, worker: str) -> None:
        """This worker is the overseer now: it knows what is on both topics, and nothing else."""
        self.fleet = Fleet("watchkeeper", self.settings)
        for status, at_s in self.statuses:
            self.fleet.hear(status, at_s)
        self.fleet.sighted(self.now_s)
        self.alerts = Alerts("watchkeeper", self.settings, Source(worker, "1"))
        self.alerts.restore(self.log)

    @property
    def log(self) -> list[Alert]:
        """All alerts ever sent."""
        return [due.alert for due in self.sent]

    def began(self, kind: str) -> list[float]:
        """When alerts of this kind began, in seconds since the start."""
        return [
            due.alert.at.timestamp() - START_S
            for due in self.sent
            if due.alert.kind == kind and due.news == "began"
        ]

    def over(self, kind: str) -> list[float]:
        """When alerts of this kind were over."""
        return [
            due.alert.at.timestamp() - START_S
            for due in self.sent
            if due.alert.kind == kind and due.news == "over"
        ]

    def rebalance(self, for_s: float) -> None:
        """All partitions are without an owner for so long, and go round."""
        self.rebalancing_until_s = self.now_s + for_s
        self.owners = dict.fromkeys(self.logs)

    def kill(self, worker: Worker) -> None:
        """SIGKILL: the broker learns of it when the session ends."""
        worker.killed_s = self.now_s

    def leave(self, worker: Worker, *, rebalance_s: float = 3.0) -> None:
        """SIGTERM: it says goodbye."""
        worker.has_left = True
        self._say(worker, "leaving")
        self.rebalance(rebalance_s)

    def run(self, seconds: float) -> None:
        """Let time go by."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 1.0
            self._flow()
            for worker in self.workers:
                if worker.is_member and "mute" not in worker.breaks and self._is_due(worker.phase_s, 5.0):
                    self._say(worker, "running")
            if self.now_s - self._last_look_s >= self.settings.look_every_s:
                self._last_look_s = self.now_s
                self.look()

    def _say(self, worker: Worker, state: str) -> None:
        status = self._status(worker, state)
        self.statuses.append((status, self.now_s))
        self.fleet.hear(status, self.now_s)

    def look(self) -> None:
        """What the overseer does at every look."""
        self.fleet.look([self._view(role) for role in TOPICS], self.now_s)
        for due in self.alerts.judge(fleet_findings(self.fleet, self.now_s), self.now_s):
            self.sent.append(due)
            self.alerts.told(due, self.now_s)

    def _is_due(self, phase_s: float, every_s: float) -> bool:
        return int((self.now_s - phase_s) // every_s) != int((self.now_s - 1.0 - phase_s) // every_s)

    def _flow(self) -> None:
        for worker in self.workers:
            if worker.killed_s is not None and self.now_s - worker.killed_s >= SESSION_S:
                worker.killed_s, worker.has_left = None, True
                self.rebalance(1.0)
        if self.rebalancing_until_s and self.now_s >= self.rebalancing_until_s:
            self.rebalancing_until_s = 0.0
            self._assign()
        for (role, number), log in self.logs.items():
            log.end += self.rate
            owner = self.owners.get((role, number))
            if owner is None or not owner.is_member:
                continue
            breaks = owner.breaks if role == "moderation" else set()
            if breaks & {"stalled", "halted"}:
                continue
            moved = log.end - log.position
            log.position = log.end
            log.moved_s = self.now_s
            totals = owner.totals[role]
            totals["messages"] += moved
            totals["exchanges"] += moved
            totals["unanswered"] += moved if "unknowing" in breaks else 0
            totals["dead"] += round(moved / 5 + self.random.random() / 2) if "fed badly" in breaks else 0
            if "forgetful" not in breaks:
                log.committed = log.position

    def _assign(self) -> None:
        for role in TOPICS:
            members = [w for w in self.workers if not w.has_left and role in w.roles]
            for n in PARTITIONS:
                self.owners[role, n] = members[n % len(members)] if members else None
                log = self.logs[role, n]
                log.position, log.moved_s = log.committed, self.now_s

    def _status(self, worker: Worker, state: str) -> WorkerStatus:
        return WorkerStatus(
            worker=worker.name,
            fleet="watchkeeper",
            version="1",
            started_at=datetime.fromtimestamp(START_S, UTC),
            at=datetime.fromtimestamp(self.now_s, UTC),
            state="leaving" if state == "leaving" else "running",
            waits_for="",
            cpu_s=0.0,
            roles=tuple(self._role(worker, role) for role in worker.roles),
        )

    def _role(self, worker: Worker, role: str) -> RoleStatus:
        owned = [n for n in PARTITIONS if self.owners.get((role, n)) is worker]
        totals = worker.totals[role]
        return RoleStatus(
            role=role,
            topic=TOPICS[role],
            group=f"watchkeeper.{role}",
            partitions=tuple(self._partition(worker, role, n) for n in owned),
            in_flight=0,
            in_flight_limit=3,
            spent_s={},
            breaker="closed" if role == "moderation" else "",
            messages=totals["messages"],
            exchanges=totals["exchanges"],
            unanswered=totals["unanswered"],
            dead=totals["dead"],
        )

    def _partition(self, worker: Worker, role: str, number: int) -> PartitionStatus:
        log = self.logs[role, number]
        breaks = worker.breaks if role == "moderation" else set()
        is_halted = "halted" in breaks
        return PartitionStatus(
            partition=number,
            position=log.position,
            end=log.end,
            in_flight=1 if "stalled" in breaks else 0,
            still_s=self.now_s - log.moved_s if log.end > log.position else 0.0,
            doing="guard" if "stalled" in breaks else "",
            trouble="200 messages in a row can't be used\n  → look at the last deploy" if is_halted else "",
            is_halted=is_halted,
        )

    def _view(self, role: str) -> GroupView:
        is_settled = not self.rebalancing_until_s
        owned = frozenset(n for n in PARTITIONS if is_settled and self.owners.get((role, n)) is not None)
        return GroupView(
            role=role,
            topic=TOPICS[role],
            group=f"watchkeeper.{role}",
            is_settled=is_settled,
            owned=owned,
            offsets={n: Offsets(0, self.logs[role, n].end, self.logs[role, n].committed) for n in PARTITIONS},
        )
