"""The watch as it was kept last: for whoever looks at it without disturbing it."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.drift.policy import DriftPolicy
from monitor.drift.ports import Checkpoint, StateStore
from monitor.drift.watch import Watch
from monitor.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest state that is kept."""

    checkpoint: Checkpoint
    state: bytes | None

    def watch(self, policy: DriftPolicy, fleet: str) -> Watch:
        """The watch that it holds. Raises Misconfigured where it is damaged, or of another version."""
        if self.state is None:
            raise Misconfigured(
                f"the state of the watch of {self.checkpoint.position:%Y-%m-%d %H:%M:%S} UTC can't be read",
                "`watchkeeper drift rebuild` makes it anew from the closed windows",
            )
        return Watch.from_bytes(self.state, policy, fleet)


async def newest(states: StateStore) -> Kept | None:
    """What was kept last; None where nothing is. Raises what the store raises."""
    for checkpoint in await states.checkpoints():
        return Kept(checkpoint, await states.state(checkpoint))
    return None
