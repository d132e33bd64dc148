"""Anchors with their texts, and who gives them by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from monitor.audit.anchors import Anchors

LIVE: Final = "live"


@dataclass(frozen=True, slots=True)
class AnchorSet:
    """Texts to be probed with what is known of each, all of one length: `ids` unique, `labels` "safe" or "unsafe", `clusters` of what
    belongs together (a matched pair, a conversation). `is_live`: another sample of traffic each time it is asked for.

    Nothing is checked here: `anchors` does.
    """

    texts: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    clusters: tuple[str, ...]
    is_live: bool = False

    def anchors(self) -> Anchors:
        """Checked. Raises Rejected (faults.AuditFault)."""
        return Anchors.of(self.ids, self.labels, self.clusters)


class AnchorSource(Protocol):
    """Gives anchor sets."""

    async def anchors(self, name: str) -> AnchorSet:
        """The set of that name, as the setting anchor_sets has it. Raises Rejected (faults.AuditFault) for a set that can't be used,
        Misconfigured where there is none of that name, Retryable where the store is away."""
        ...
