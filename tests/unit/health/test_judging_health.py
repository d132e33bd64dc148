"""A judge that stalls, or that nobody asks, is told like any other part; what waits on purpose isn't."""

from __future__ import annotations

from typing import get_args

import pytest

from monitor.conditions import Condition
from monitor.fleet import Fleet, GroupView, Offsets
from monitor.health import STAGE_PLACES, fleet_findings, worker_findings
from monitor.health_settings import HealthSettings
from monitor.roles import JUDGING, ROLES
from schemas.status import Stage
from tests.unit.health.statuses import TOPICS, partition, role, worker

SETTINGS = HealthSettings()


@pytest.mark.parametrize(
    ("name", "doing", "part"),
    [
        ("judging", "guard", "the judge"),
        ("judging", "write", "writing to Kafka"),
        ("judging_backfill", "guard", "the judge"),
        ("judgements", "write", "ClickHouse"),
    ],
)
def test_a_judging_role_that_makes_no_progress_is_told_with_the_part_it_waits_for(
    name: str, doing: Stage, part: str
) -> None:
    still = partition(2, position=5, end=9, in_flight=1, still_s=45.0, doing=doing)

    (finding,) = worker_findings(SETTINGS, worker(role(name, still)), 1_741_000_000)

    assert (finding.condition, dict(finding.place)["role"]) == (Condition.WORKER_STALLED, name)
    assert finding.title == (
        f"{name} has made no progress in partition 2 of {TOPICS[name]} for 45 s, waiting for {part}"
    )


def test_replayed_questions_that_wait_for_live_ones_are_no_stall() -> None:
    held_back = partition(0, position=5, end=9_000, still_s=3_600.0)

    assert worker_findings(SETTINGS, worker(role("judging_backfill", held_back)), 1_741_000_000) == []


@pytest.mark.parametrize("name", JUDGING)
def test_questions_that_nobody_takes_are_told_and_with_nothing_to_do_nobody_need_be_there(name: str) -> None:
    def found(waiting: int) -> list[tuple[str, str]]:
        fleet = Fleet("watchkeeper", SETTINGS)
        offsets = {0: Offsets(0, waiting, None)}
        view = GroupView(
            name,
            TOPICS[name],
            f"watchkeeper.{name}",
            is_settled=True,
            owned=frozenset(),
            offsets=offsets,
            must_be_owned=False,
        )
        for second in range(0, 60, 3):
            fleet.look([view], float(second))
        return [(one.condition.value, one.remedy) for one in fleet_findings(fleet, 57.0)]

    assert found(7) == [
        ("partition_unowned", f"start workers with this role: `python -m workers --roles {name}`")
    ]
    assert found(0) == []


def test_every_role_names_the_part_that_it_waits_for() -> None:
    assert {role_name for role_name, _ in STAGE_PLACES} == set(ROLES)
    assert {stage for _, stage in STAGE_PLACES} <= set(get_args(Stage))
