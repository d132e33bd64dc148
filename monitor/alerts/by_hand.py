"""Which alerts a person can end; all others end with their cause alone."""

from __future__ import annotations

from monitor.audit.kinds import KINDS as OF_AUDITS
from schemas.alerts import Alert


def ends_by_hand(alert: Alert) -> bool:
    """Whether acknowledging or resolving it ends it: whoever tells it takes a person's word for that, and says so on the topic."""
    return alert.drift is not None or alert.kind in OF_AUDITS
