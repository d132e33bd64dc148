"""From the hidden states of an anchor set to an audit with its picture, and to its comparisons: pure, busy, for a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.audit.anchors import Anchors, Matrix
from monitor.audit.auditing import audited
from monitor.audit.comparison import Floor, LayerChange, changed_from
from monitor.audit.kept import Audit, check_comparable
from monitor.audit.layers import Pooling
from monitor.audit.measures import USUAL, AuditMeasure
from monitor.audit.plane import picture_of
from monitor.audit.reference import Reference
from monitor.errors import Rejected
from schemas.audits import AuditPicture


@dataclass(frozen=True, slots=True)
class Measured:
    """An audit, the references that it is standardised on, and its picture."""

    audit: Audit
    references: Mapping[str, Reference]
    picture: AuditPicture


def measured(
    states: Mapping[str, Matrix],
    anchors: Anchors,
    references: Mapping[str, Reference] | None,
    *,
    poolings: Sequence[Pooling],
    draws: int,
    seed: int,
    extra: Sequence[AuditMeasure] = (),
    chi_max: float | None = None,
) -> Measured:
    """Of `states` [N, d] by layer, rows as the anchors were given. Without `references` they are fitted here, for the series that begins.
    `extra`: measures besides the usual ones; `chi_max`: for appendix B's AQI, which is left out without it.
    Raises Rejected (faults.AuditFault)."""
    fixed = references or {name: Reference.fit(anchors.vectors(one)) for name, one in states.items()}
    audit = audited(
        states,
        anchors,
        fixed,
        poolings=poolings,
        measures=(*USUAL, *extra),
        chi_max=chi_max,
        draws=draws,
        seed=seed,
    )
    shown = max(states, key=lambda name: audit.estimates[name][AuditMeasure.J].value)
    rows = fixed[shown].standardised(anchors.vectors(states[shown]))
    return Measured(audit, fixed, picture_of(shown, rows, anchors.safe))


def changes_from(
    befores: Mapping[str, Audit], after: Audit, *, is_live: bool, floor: Floor, alpha: float
) -> dict[str, tuple[LayerChange, ...]]:
    """Of each audit by id, the changes of J since then, at `alpha` for all of them together. Audits that can't be compared are left out.

    `is_live`: each has anchors of its own, so that nothing cancels. What is drawn for one audit has then nothing to do with what is drawn for
    another, the variances of the draws add up, and their differences are still those of the change.
    """
    comparable = {}
    for id_, before in befores.items():
        try:
            check_comparable(replace(before, anchors=after.anchors) if is_live else before, after)
        except Rejected:
            continue
        comparable[id_] = before
    groups = changed_from(
        [before.estimates for before in comparable.values()], after.estimates, floor=floor, alpha=alpha
    )
    return dict(zip(comparable, groups, strict=True))
