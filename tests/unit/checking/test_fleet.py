"""What `watchkeeper check` and `watchkeeper alerts` say of the workers and their alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.adapters.control import Said, newest
from monitor.alerts.log import AlertLog
from monitor.checking.fleet import Backlog, alert_checks, unowned_checks, worker_checks
from monitor.checking.outcomes import PartCheck
from monitor.cli.alerts_view import alert_line, alerts_view
from monitor.kafka_settings import KafkaSettings
from schemas.alerts import Alert, Source
from schemas.status import RoleStatus
from tests.unit.cli.rendering import rendered
from tests.unit.health.statuses import partition, role, worker

NOW = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)
T = NOW.timestamp()
STALLED = Alert(
    id="a" * 32,
    fleet="watchkeeper",
    kind="worker_stalled",
    severity="critical",
    state="firing",
    started_at=NOW - timedelta(minutes=3),
    at=NOW - timedelta(minutes=2),
    ended_at=None,
    title="moderation has made no progress in partitions 0-3 of chat.logs for 45 s, waiting for the guard",
    place={"role": "moderation", "topic": "chat.logs", "group": "watchkeeper.moderation"},
    facts={"waiting": 1_200, "waits_for": "the guard"},
    remedy="see whether Triton answers",
    source=Source("host-1-abcd", "1"),
)
OVER = msgspec.structs.replace(
    STALLED,
    id="b" * 32,
    kind="dead_letter_share",
    severity="warning",
    state="resolved",
    started_at=NOW - timedelta(hours=3),
    ended_at=NOW - timedelta(hours=2, minutes=50),
    title="12% of the last 900 messages of chat.logs went to the dead letters",
)


def outcomes(checks: list[PartCheck]) -> list[tuple[str, str, str]]:
    return [(check.check, check.state, check.facts) for check in checks]


def moderation(**given: Any) -> RoleStatus:
    return role("moderation", *(partition(n, **given) for n in range(4)))


def said(at_s: float, *roles: RoleStatus, **given: Any) -> Said:
    return Said(worker(*roles, **given), T + at_s)


def test_workers_are_named_with_what_they_have_and_roles_that_keep_up_say_so() -> None:
    words = [
        said(at_s, moderation(), role("storage"), worker=name) for at_s in (-10, -5) for name in ("a", "b")
    ]
    backlogs = {"moderation": Backlog(0), "backfill": Backlog(7), "storage": Backlog(0)}
    assert outcomes(worker_checks(words, backlogs, T)) == [
        ("seen", "ok", "2 workers: a (moderation 0-3; storage none), b (moderation 0-3; storage none)"),
        ("pace of moderation", "ok", "moderation keeps up"),
        ("pace of storage", "ok", "storage keeps up"),
    ]


def test_a_role_that_is_behind_is_a_warning_that_names_the_slow_part() -> None:
    behind = {"position": 0, "end": 30_000}
    full = msgspec.structs.replace(moderation(**behind), in_flight=4)
    then, now = (
        said(-20, full),
        said(-5, msgspec.structs.replace(full, messages=150, spent_s={"guard": 40.0})),
    )
    (_, check) = worker_checks([then, now], {"moderation": Backlog(120_000)}, T)
    assert (check.state, check.facts) == (
        "warning",
        (
            "moderation is 120,000 messages behind (3 h at its pace) and waits for the guard: "
            "100% of its batches' time in the last 15 s"
        ),
    )
    assert check.remedy


def test_workers_that_wait_for_a_part_or_a_person_are_told() -> None:
    halted = partition(2, is_halted=True, trouble="200 bad messages in a row\n  → look at the last deploy")
    words = [said(-1, state="starting", waits_for="Triton", worker="a"), said(0, role("moderation", halted))]
    checks = worker_checks(words, {}, T)
    assert [(check.check, check.state, check.remedy) for check in checks[1:]] == [
        ("a", "warning", "it begins by itself once that part answers"),
        ("chat.logs/2", "failed", "look at the last deploy"),
    ]


def test_workers_that_say_nothing_or_have_left_are_told() -> None:
    assert [check.state for check in worker_checks([], {}, T)] == ["warning"]
    assert [check.facts for check in worker_checks([said(-61, moderation())], {}, T)] == [
        "no worker has said how it stands in the last 60 s"
    ]
    left = [said(-9, moderation()), said(-4, state="leaving")]
    assert [check.facts for check in worker_checks(left, {}, T)] == ["all workers have stopped"]


def test_partitions_that_nobody_owns_fail() -> None:
    (check,) = unowned_checks(
        KafkaSettings(), {"storage": Backlog(0), "moderation": Backlog(9, frozenset({1, 2}))}
    )
    assert (check.state, check.facts) == (
        "failed",
        "nobody in the group watchkeeper.moderation owns partitions 1-2",
    )


def test_a_critical_alert_fails_and_others_warn() -> None:
    assert [check.state for check in alert_checks([])] == ["ok"]
    assert [check.state for check in alert_checks([OVER])] == ["ok"]
    warning = msgspec.structs.replace(STALLED, severity="warning")
    assert [check.state for check in alert_checks([STALLED, warning, OVER])] == ["failed", "warning"]


def test_the_newest_record_of_an_alert_of_this_fleet_counts() -> None:
    log = [STALLED, OVER, msgspec.structs.replace(STALLED, fleet="staging", id="c" * 32)]
    over = msgspec.structs.replace(STALLED, state="resolved", ended_at=NOW)
    assert newest([*log, over], "watchkeeper") == [OVER, over]


def test_alerts_at_80_columns() -> None:
    assert (
        rendered(alerts_view(AlertLog((STALLED, OVER)), NOW), 80)
        == """\
✗ aaaaaaaa  worker_stalled  for 3 min  moderation has made no progress in
partitions 0-3 of chat.logs for 45 s, waiting for the guard
  → see whether Triton answers
✓ bbbbbbbb  dead_letter_share  over after 10 min, 3 h ago  12% of the last 900
messages of chat.logs went to the dead letters
1 alert firing."""
    )
    assert rendered(alerts_view(AlertLog(()), NOW), 80) == "No alert fires."


def test_an_alert_is_printed_whole() -> None:
    line = alert_line(STALLED)
    told = {name: getattr(STALLED, name) for name in type(line).model_fields if hasattr(STALLED, name)}
    assert line.model_dump() == {
        **told,
        "worker": "host-1-abcd",
        "version": "1",
        "muted": False,
        "muted_until": None,
    }
