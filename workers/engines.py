"""The watches of one fleet under one policy: implements watching.Engines."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch


@dataclass(frozen=True, slots=True)
class Watches:
    """`fleet`: the prefix of its consumer groups."""

    policy: DriftPolicy
    fleet: str

    def new(self) -> Watch:
        """See watching.Engines."""
        return Watch.new(self.policy, self.fleet)

    def from_bytes(self, state: bytes) -> Watch:
        """See watching.Engines."""
        return Watch.from_bytes(state, self.policy, self.fleet)
