"""Why an audit, or a comparison of two, can't be made."""

from __future__ import annotations

from monitor.errors import Rejected
from monitor.meaning import Word


class AuditFault(Word):
    """A reason, with its meaning."""

    SHAPE = "shape", "The numbers of labels, ids, clusters and vectors differ, or the vectors are no matrix."
    WRONG_LABEL = "wrong_label", "A label is neither `safe` nor `unsafe`."
    DUPLICATE_ANCHORS = "duplicate_anchors", "An anchor's id occurs more than once."
    ONE_CLASS = "one_class", "All anchors have the same label: there is nothing to tell apart."
    NOT_ENOUGH = "not_enough", "Fewer than 64 independent anchors (clusters) of a class."
    NOT_FINITE = "not_finite", "A hidden state holds NaN or infinity."
    CONSTANT = "constant", "All hidden states of a layer are the same, or a direction has no length."
    BOTH_LABELS = "both_labels", "The same hidden state is labelled safe and unsafe."
    CHANGED_SHAPE = (
        "changed_shape",
        "The dimensions or the layers are not those of the other audit or of the reference.",
    )
    OTHER_ANCHORS = "other_anchors", "The audits were not made on the same anchors, labels and clusters."
    OTHER_REFERENCE = "other_reference", "The audits are standardised on different references."
    OTHER_DRAWS = "other_draws", "The audits were resampled with different seeds or numbers of draws."
    TOO_MANY_ROWS = (
        "too_many_rows",
        "A measure of all pairs of rows was asked for on more rows than memory holds.",
    )


def rejected(fault: AuditFault, detail: str) -> Rejected:
    """The error to raise; `detail` holds no text that a user typed."""
    return Rejected(fault.value, detail)
