"""Why a probe gave no states that an audit could use."""

from __future__ import annotations

from monitor.errors import Rejected
from monitor.meaning import Word


class ProbeFault(Word):
    """A reason, with its meaning."""

    NO_TEXT = "no_text", "No text was given, or a text is empty."
    UNKNOWN_LAYER = "unknown_layer", "The probed model has no layer of that name, or none was asked for."
    REFUSED_TEXT = "refused_text", "The probe refused this text alone, twice, and took others."
    NOT_FINITE = "not_finite", "A hidden state holds NaN or infinity."
    CHANGED_SHAPE = (
        "changed_shape",
        "The probe gave states of another shape than it said, or was replaced by another model in between.",
    )


def refused(fault: ProbeFault, detail: str) -> Rejected:
    """The error to raise; `detail` holds no text that a user typed."""
    return Rejected(fault.value, detail)
