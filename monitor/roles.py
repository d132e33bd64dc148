"""The roles that a worker can play, by name, and which of them a deployment needs."""

from __future__ import annotations

from typing import Final

from monitor.settings import Settings

MODERATING: Final = ("moderation", "backfill", "storage", "alert_rows", "dead_letter_rows")
"""alert_rows: what stands on the alerts topic to rows. dead_letter_rows: where messages were that could not be read, to rows."""
AUDITING: Final = ("audit_rows",)
"""audit_rows: what stands on the audits topic to rows."""
JUDGING: Final = ("judging", "judging_backfill", "judgements")
"""judging: questions about live traffic to judgements. judging_backfill: the same for what is replayed, when no live question
waits. judgements: judgements to rows."""
RECALIBRATING: Final = ("calibration_rows",)
"""calibration_rows: verified calibrations to rows; needs the secret that they are signed with."""
ROLES: Final = (*MODERATING, *JUDGING, *AUDITING, *RECALIBRATING)


def needed_roles(settings: Settings) -> tuple[str, ...]:
    """All that has something to do."""
    judging = () if settings.judging.judge == "off" else JUDGING
    recalibrating = RECALIBRATING if settings.recalibration.secret.get_secret_value() else ()
    auditing = AUDITING if settings.audit.enabled else ()
    return (*MODERATING, *judging, *auditing, *recalibrating)
