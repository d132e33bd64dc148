"""docs/alerts.md says of every kind what it is and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.alert_kind import AlertKind
from monitor.audit.kinds import AuditKind
from monitor.conditions import Condition
from monitor.drift.kinds import DriftKind
from monitor.health_settings import HealthSettings
from monitor.recalibration.kinds import CalibrationKind

KINDS: tuple[AlertKind, ...] = (*Condition, *DriftKind, *AuditKind, *CalibrationKind)
DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_the_table_lists_every_kind_with_its_severity_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(kind.value, kind.severity, kind.meaning) for kind in KINDS]


def test_every_kind_has_its_part_in_what_to_do() -> None:
    parts = re.findall(r"^### (\w+)\n\n\S", DOCUMENT, re.MULTILINE)
    assert parts == [kind.value for kind in KINDS]


def test_the_settings_that_it_names_are_settings() -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", DOCUMENT))
    assert named <= {name.upper() for name in HealthSettings.model_fields}
    assert {"STALLED_AFTER_S", "UNOWNED_AFTER_S", "SILENT_AFTER_S"} <= named


def test_the_thresholds_that_it_names_are_the_defaults() -> None:
    health = HealthSettings()
    for text in (
        f"moved for {health.stalled_after_s:.0f} s (`STALLED_AFTER_S`)",
        f"for {health.unowned_after_s:.0f} s in a group",
        f"for {health.rebalance_within_s:.0f} s in one that does",
        f"for {health.uncommitted_after_s:.0f} s (`UNCOMMITTED_AFTER_S`)",
        f"{health.unanswered_share:.0%}".replace("%", " %") + " (`UNANSWERED_SHARE`)",
        f"last {health.window_s:.0f} s (`WINDOW_S`), and at least {health.unanswered_least} of them",
        f"{health.dead_letter_share:.0%}".replace("%", " %") + " (`DEAD_LETTER_SHARE`)",
        f"of at least {health.dead_letter_least},",
        f"for {health.silent_after_s:.0f} s (`SILENT_AFTER_S`)",
        f"{health.forgotten_after_s / 60:.0f} minutes\n(`FORGOTTEN_AFTER_S`)",
        f"every {health.status_every_s:.0f} s on `safety.control`",
        f"within {health.leader_session_timeout_s:.0f} s if it was\nkilled",
    ):
        assert text in DOCUMENT
