"""Statuses of workers, with what a test doesn't care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.status import PartitionStatus, RoleStatus, WorkerStatus

TOPICS = {
    "moderation": "chat.logs",
    "storage": "safety.verdicts",
    "backfill": "chat.logs.backfill",
    "judging": "safety.judge_requests",
    "judging_backfill": "safety.judge_requests.backfill",
    "judgements": "safety.judgements",
}


def partition(number: int = 0, **given: Any) -> PartitionStatus:
    """A partition in which all is done."""
    done = {"position": 100, "end": 100, "in_flight": 0, "still_s": 0.0, "doing": "", "trouble": ""}
    return PartitionStatus(partition=number, **{**done, "is_halted": False, **given})


def role(name: str = "moderation", *partitions: PartitionStatus, **given: Any) -> RoleStatus:
    """A role that has nothing to do."""
    idle: dict[str, Any] = {
        "topic": TOPICS[name],
        "group": f"watchkeeper.{name}",
        "in_flight": 0,
        "in_flight_limit": 3,
        "spent_s": {},
        "messages": 0,
        "exchanges": 0,
        "unanswered": 0,
        "dead": 0,
        "breaker": "",
    }
    return RoleStatus(role=name, partitions=partitions, **{**idle, **given})


def worker(*roles: RoleStatus, at_s: float = 0.0, **given: Any) -> WorkerStatus:
    """A worker that runs."""
    at = datetime.fromtimestamp(1_741_000_000 + at_s, UTC)
    running: dict[str, Any] = {
        "worker": "host-1-abcd",
        "fleet": "watchkeeper",
        "version": "1",
        "started_at": datetime.fromtimestamp(1_741_000_000, UTC),
        "at": at,
        "state": "running",
        "waits_for": "",
        "cpu_s": 0.0,
    }
    return WorkerStatus(roles=roles, **{**running, **given})
