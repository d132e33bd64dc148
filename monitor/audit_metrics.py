"""What the worker that oversees counts of the audits of a model, and who stores them.

They are members of monitor.metrics.Metric under the same names.
"""

from __future__ import annotations

from typing import Final

from monitor.metric_spec import DELAYS, Label, counter, gauge, histogram

AUDITS: Final = counter(
    "audits",
    "audits",
    "Audits that were made, or refused. Only the worker that oversees makes any.",
    Label.AUDIT,
)
AUDIT_TRIES_FAILED: Final = counter(
    "audit_tries_failed", "tries", "Tries of an audit that failed; it is tried again."
)
AUDIT_SECONDS: Final = histogram(
    "audit_duration_seconds",
    "seconds",
    "Time that an audit took, from the probe's first answer to the last value.",
    DELAYS,
)
AUDITS_WAITING: Final = gauge(
    "audits_waiting",
    "audits",
    "Audits that are due, the one that is being made too; 0 where another oversees, as the next two.",
)
AUDIT_DUE_FOR: Final = gauge(
    "audit_due_for_seconds", "seconds", "For how long the oldest of them has been due."
)
AUDIT_PROGRESS: Final = gauge(
    "audit_progress_ratio", "", "How much of its texts the audit that is being made has probed, 0 to 1."
)
AUDIT_REQUESTS_LEFT_OUT: Final = counter(
    "audit_requests_left_out",
    "requests",
    "Records of the requests for audits that nothing is made of.",
    Label.AUDIT_LEFT_OUT,
)
AUDITS_STORED: Final = counter(
    "audits_stored",
    "records",
    "Records of the audits topic that have been made rows of. One that is delivered again counts again; its rows don't.",
)
