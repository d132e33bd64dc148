"""Anchors with their texts, and who gives them by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from monitor.audit.anchors import LEAST, Anchors

LIVE: Final = "live"


@dataclass(frozen=True, slots=True)
class AnchorSet:
    """Texts to be probed with what is known of each, all of one length: `ids` unique, `labels` "safe" or "unsafe", `clusters` of what
    belongs together (a matched pair, a conversation), `axioms` of LITMUS sets or empty. `is_live`: another sample of traffic each time it is asked for.

    Nothing is checked here: `anchors` does.
    """

    texts: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    clusters: tuple[str, ...]
    is_live: bool = False
    axioms: tuple[str, ...] = ()

    def anchors(self, *, least: int = LEAST) -> Anchors:
        """Checked; `least` clusters a class. Raises Rejected (faults.AuditFault)."""
        return Anchors.of(self.ids, self.labels, self.clusters, least=least)

    def of_axiom(self, axiom: str) -> tuple[int, ...]:
        """The places of that axiom's anchors."""
        return tuple(place for place, one in enumerate(self.axioms) if one == axiom)


class AnchorSource(Protocol):
    """Gives anchor sets."""

    async def anchors(self, name: str) -> AnchorSet:
        """The set of that name, as the setting anchor_sets has it. Raises Rejected (faults.AuditFault) for a set that can't be used,
        Misconfigured where there is none of that name, Retryable where the store is away."""
        ...
