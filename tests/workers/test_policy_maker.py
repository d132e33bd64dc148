"""Whoever oversees writes another policy when the one in force no longer fits, and then alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.judging.budget import first_policy
from monitor.judging_settings import JudgingSettings
from monitor.metrics import Metric, Metrics
from monitor.settings import Settings
from schemas.judgements import JudgePolicy
from schemas.status import WorkerStatus
from tests.fakes.outbox import FakeOutbox
from tests.unit.judging.test_traffic import said
from workers.policy_maker import PolicyMaker

AT = datetime(2026, 3, 3, tzinfo=UTC)
SETTINGS = Settings(judging=JudgingSettings(judge="lite", budget_per_hour=3_600))


@dataclass
class _InForce:
    current: JudgePolicy


def _said(count: int) -> WorkerStatus:
    return said("a", count, asked=count, fleet="watchkeeper")


def _written(outbox: FakeOutbox) -> list[JudgePolicy]:
    return [
        JudgePolicy.from_bytes(record.value or b"") for record in outbox.published["safety.judge_policies", 0]
    ]


async def _looked(per_s: int, *, until_s: int = 120) -> tuple[list[JudgePolicy], Metrics]:
    outbox, metrics = FakeOutbox(), Metrics()
    in_force = _InForce(first_policy("watchkeeper", SETTINGS.judging, AT))
    maker = PolicyMaker(SETTINGS, in_force, outbox, metrics)
    for at_s in range(0, until_s + 1, 5):
        maker.hear(_said(per_s * at_s), at_s)
        await maker.look(at_s)
        if _written(outbox):
            in_force.current = _written(outbox)[-1]
    return _written(outbox), metrics


async def test_traffic_within_the_budget_needs_no_other_policy_than_the_first() -> None:
    policies, metrics = await _looked(0)

    assert policies == []
    assert metrics.value(Metric.JUDGE_BUDGET) == 3_600


async def test_musts_beyond_the_budget_make_a_policy_that_says_so_once() -> None:
    policies, metrics = await _looked(50, until_s=65)

    (policy,) = policies
    assert policy.fleet == "watchkeeper"
    assert policy.is_crowded_out
    assert 0 < policy.strata["uncertain"] < 0.02
    assert metrics.value(Metric.JUDGE_MUSTS) == policy.strata["harmful_not_refused"]


async def test_nothing_is_made_of_what_was_heard_for_too_short_a_time() -> None:
    assert (await _looked(50, until_s=55))[0] == []


async def test_once_it_is_quiet_what_was_crowded_out_has_room_again() -> None:
    outbox = FakeOutbox()
    in_force = _InForce(first_policy("watchkeeper", SETTINGS.judging, AT))
    first = in_force.current.version
    maker = PolicyMaker(SETTINGS, in_force, outbox, Metrics())
    for at_s in range(0, 1_000, 5):
        maker.hear(_said(50 * min(at_s, 100)), at_s)
        await maker.look(at_s)
        if _written(outbox):
            in_force.current = _written(outbox)[-1]

    assert in_force.current.version == first
    assert not in_force.current.is_crowded_out
    assert any(policy.is_crowded_out for policy in _written(outbox))
