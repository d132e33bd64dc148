"""The kinds of alerts about audits, each with its severity and meaning. docs/alerts.md has a page's part for each."""

from __future__ import annotations

from typing import Final

from monitor.alert_kind import AlertKind


class AuditKind(AlertKind):
    """What can be told about audits."""

    SEPARATION_FELL = (
        "separation_fell",
        "warning",
        "Safe and unsafe prompts have come closer inside the model: critical where half of the separation or more is gone in a layer.",
    )
    SEPARATION_ROSE = (
        "separation_rose",
        "info",
        "Safe and unsafe prompts lie further apart inside the model than before.",
    )
    LIVE_SEPARATION_SHIFT = (
        "live_separation_shift",
        "info",
        "Prompts of live traffic lie otherwise apart inside the model: other traffic or another model.",
    )
    AUDIT_REFUSED = "audit_refused", "warning", "An audit could not be made, and the reason won't pass."
    AUDIT_SERIES_BEGAN = (
        "audit_series_began",
        "info",
        "Audits can't be compared with those before: the probe, the anchors or a setting is another.",
    )
    AUDIT_OVERDUE = "audit_overdue", "warning", "An audit is due and has not been made for a long time."


CHANGES: Final = (AuditKind.SEPARATION_FELL, AuditKind.SEPARATION_ROSE, AuditKind.LIVE_SEPARATION_SHIFT)
"""What holds against an audit before, and what acknowledging takes for the baseline."""
KINDS: Final = frozenset(kind.value for kind in AuditKind)
