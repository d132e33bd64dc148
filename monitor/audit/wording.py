"""What alerts about audits say, in plain words: pure. Names are those of the settings and of the probe; nothing that a user typed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from monitor.audit.auditing import POOLED
from monitor.audit.comparison import LayerChange
from monitor.audit.kinds import AuditKind

LOOK: Final = "`watchkeeper audit show` draws the layers."
REMEDIES: Final = {
    AuditKind.SEPARATION_FELL: f"{LOOK} Find out what changed in the model (a fine-tune, a merge, a quantisation) and hold its refusals against "
    "a behavioural check before it serves more. If the new level is meant to be, acknowledge this alert: it becomes the baseline.",
    AuditKind.SEPARATION_ROSE: f"{LOOK} If the new level is meant to be, acknowledge this alert: it becomes the baseline.",
    AuditKind.LIVE_SEPARATION_SHIFT: f"{LOOK} A live sample has other prompts each time: look at the matched set before you blame the model. "
    "Acknowledge this alert to take the new level for normal.",
    AuditKind.AUDIT_REFUSED: "Mend what the title says; `watchkeeper audit show` has the figures, docs/audit.md the reasons. The next audit that can be made ends this alert.",
    AuditKind.AUDIT_SERIES_BEGAN: "Nothing to do if the change was meant. What fired about the audits before can't be looked at again: resolve it by hand.",
    AuditKind.AUDIT_OVERDUE: "See that the probe answers (`watchkeeper check`); the audit is made as soon as it does, once, however many were missed.",
}


def number(value: float) -> str:
    """Two significant digits, three from 1 on."""
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"


def place(layer: str) -> str:
    """A layer, or a pooling, in a sentence."""
    return f"all layers together ({layer.removeprefix(POOLED)})" if layer.startswith(POOLED) else layer


def change_title(kind: AuditKind, model: str, anchor_set: str, changes: Sequence[LayerChange]) -> str:
    """`changes`: those that make the alert, the largest first."""
    first = changes[0].change
    moved = "fell" if first.change < 0 else "rose"
    others = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    figures = (
        f"J of {place(first.layer)} {moved} from {number(first.before)} to {number(first.after)} "
        f"(95 % of the change {number(first.low)} to {number(first.high)}){others}"
    )
    if kind is AuditKind.LIVE_SEPARATION_SHIFT:
        return f"Safe and unsafe prompts of live traffic lie otherwise apart inside {model}: {figures}"
    how = "come closer" if kind is AuditKind.SEPARATION_FELL else "moved apart"
    return f"Safe and unsafe prompts ({anchor_set}) have {how} inside {model}: {figures}"


def refused_title(model: str, anchor_set: str, meaning: str) -> str:
    """`meaning`: of the reason."""
    return f"The audit of {model} on {anchor_set} was refused: {meaning}"


def series_title(model: str, anchor_set: str, differences: Sequence[str]) -> str:
    """`differences`: in words."""
    what = ", ".join(differences) if differences else "what it was compared with"
    return f"A new series of audits of {model} on {anchor_set} began: {what} changed"


def overdue_title(model: str, anchor_set: str, since: datetime) -> str:
    """`since`: when it was due."""
    return (
        f"The audit of {model} on {anchor_set} that was due at {since:%Y-%m-%d %H:%M} UTC has not been made"
    )
