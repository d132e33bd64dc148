"""What workers say adds up to rates, whoever comes, goes or says it twice."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from monitor.judging.traffic import Traffic
from schemas.status import RoleStatus, WorkerStatus

AT = datetime(2026, 3, 3, tzinfo=UTC)


def said(
    worker: str, count: int, *, asked: int = 0, role: str = "moderation", fleet: str = "f"
) -> WorkerStatus:
    one = RoleStatus(
        role=role,
        topic="t",
        group="g",
        partitions=(),
        in_flight=0,
        in_flight_limit=1,
        spent_s={},
        messages=count,
        exchanges=count,
        unanswered=0,
        dead=0,
        breaker="",
        strata={"uncertain": count},
        asked=asked,
    )
    return WorkerStatus(
        worker=worker,
        fleet=fleet,
        version="1",
        started_at=AT,
        at=AT,
        state="running",
        waits_for="",
        cpu_s=0.0,
        roles=(one,),
    )


def test_what_workers_did_between_two_words_is_added_up_over_the_time() -> None:
    traffic = Traffic("f")
    for at_s in range(0, 1_205, 5):
        traffic.hear(said("a", 1_000 + 3 * at_s), at_s)
        traffic.hear(said("b", 6 * at_s), at_s)

    assert traffic.rates(1_200) == {"uncertain": pytest.approx(9.0, rel=0.02)}


def test_a_worker_that_starts_counts_from_nothing_and_one_unheard_before_from_its_first_word() -> None:
    traffic = Traffic("f")
    traffic.hear(msgspec.structs.replace(said("new", 0), state="starting", roles=()), 0)
    traffic.hear(said("old", 10_000), 0)
    traffic.hear(said("new", 60), 60)
    traffic.hear(said("old", 10_000), 60)

    assert traffic.rates(60) == {"uncertain": pytest.approx(1.0)}


def test_backfill_and_other_fleets_count_for_nothing() -> None:
    traffic = Traffic("f")
    for at_s in (0, 60):
        traffic.hear(said("a", 100 * at_s, asked=at_s, role="backfill"), at_s)
        traffic.hear(said("b", 100 * at_s, asked=at_s, fleet="other"), at_s)

    assert traffic.rates(60) == {}
    assert traffic.asked_in_hour(60) == 0


def test_what_was_not_heard_is_taken_to_have_used_the_budget() -> None:
    traffic = Traffic("f")
    traffic.hear(said("a", 0), 0)
    assert traffic.asked(0, 3_600) == pytest.approx(3_000)

    traffic.hear(said("a", 50, asked=50), 1_000)
    assert traffic.asked(1_000, 3_600) == pytest.approx(50 + 2_000)
    assert traffic.asked(4_100, 3_600) == 0


def test_rates_are_of_late() -> None:
    traffic = Traffic("f")
    traffic.hear(said("a", 0), 0)
    traffic.hear(said("a", 9_000), 60)
    traffic.hear(said("a", 9_600), 1_100)

    assert traffic.rates(1_200) == {"uncertain": pytest.approx(1.0)}


def test_a_rise_is_believed_at_once() -> None:
    traffic = Traffic("f")
    for at_s in range(0, 605, 5):
        traffic.hear(said("a", at_s + 9 * max(0, at_s - 540)), at_s)

    assert traffic.rates(600)["uncertain"] == pytest.approx(10.0, rel=0.1)
