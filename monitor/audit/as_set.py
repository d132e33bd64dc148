"""What the settings ask of an audit, for the worker and the command line alike: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from monitor.audit.anchors import Anchors, Matrix
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.layers import Pooling
from monitor.audit.measures import AuditMeasure
from monitor.audit.measuring import Measured, measured
from monitor.audit.ports import ProbeFacts
from monitor.audit.reference import Reference
from monitor.audit_settings import AuditSettings, listed

_FLOAT_BYTES: Final = 4
_POOLINGS: Final = {str(one): one for one in Pooling}
_MEASURES: Final = {str(one): one for one in AuditMeasure}


def check_room(settings: AuditSettings, texts: int, layers: Sequence[str], facts: ProbeFacts) -> None:
    """Raises Rejected where the states of so many texts are more than the settings allow."""
    needed = texts * len(layers) * facts.dimensions * _FLOAT_BYTES
    if needed > settings.states_max_bytes:
        raise rejected(
            AuditFault.TOO_MANY_ROWS,
            f"{texts} texts of {len(layers)} layers of {facts.dimensions} dimensions take {needed} bytes, more than "
            f"{settings.states_max_bytes}: ask for fewer layers, or have the probe project",
        )


def measured_as_set(
    settings: AuditSettings,
    states: Mapping[str, Matrix],
    anchors: Anchors,
    references: Mapping[str, Reference] | None,
) -> Measured:
    """`measuring.measured` with the poolings, measures and draws of the settings. Raises as it does."""
    return measured(
        states,
        anchors,
        references,
        poolings=[_POOLINGS[name] for name in listed(settings.poolings)],
        draws=settings.draws,
        seed=settings.seed,
        extra=[_MEASURES[name] for name in listed(settings.extra_measures)],
        chi_max=settings.chi_max,
    )
