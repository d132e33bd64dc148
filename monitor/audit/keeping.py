"""What the audit worker keeps between audits, and the port by which it does. monitor/adapters/audits.py implements it on ClickHouse.

What happens to a target (a model on an anchor set) is a row of numbered steps. A step is written once, whole, and before anything of
it is told; the first write of a number counts. So whoever goes on, after a crash or beside one who was frozen, goes on from
the same steps, and tells the same records and alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Kept = bytes
"""Draws (kept.Audit) or a reference (reference.Reference), as `to_bytes` wrote them."""
StepKind = Literal["audit", "action", "overdue"]


@dataclass(frozen=True, slots=True)
class Step:
    """Number `number` (from 1) of what happened to a target. `id` and `series` of an audit, else "". `state`: what is known from then
    on (state.TargetState). `record`: of an audit (AuditRecord), else b""."""

    target: str
    number: int
    kind: StepKind
    id: str
    series: str
    at: datetime
    state: bytes
    record: bytes


class AuditStore(Protocol):
    """Keeps steps and references. Every method raises Retryable or Misconfigured."""

    async def last_steps(self) -> Sequence[Step]:
        """The last step of each target of the fleet."""
        ...

    async def keep(self, step: Step, draws: bytes) -> Step:
        """Write it, unless one of that number stands already. Returns the one that stands: all of it, draws included, is of one write.
        `draws`: of an audit that was done, else b""."""
        ...

    async def made(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these audits have been made, or refused."""
        ...

    async def last_of_series(self, target: str, series: str) -> Step | None:
        """The newest audit of a series that was done."""
        ...

    async def draws(self, target: str, id_: str) -> Kept | None:
        """The draws of an audit; None where it has none, or is forgotten."""
        ...

    async def references(self, series: str) -> Mapping[str, Kept]:
        """The frozen reference of each layer; empty where the series has none."""
        ...

    async def keep_references(
        self, series: str, references: Mapping[str, bytes], at: datetime
    ) -> Mapping[str, Kept]:
        """Write them, unless the series has some already. Returns those that stand."""
        ...
