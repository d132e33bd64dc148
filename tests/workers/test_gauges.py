"""The gauges show what each role says of itself, and nothing of a partition that has left."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from monitor.metrics import Metric, Metrics
from tests.fakes.taker import HALTED, RESTING, WELL, FakeTaker
from tests.waiting import until
from workers.gauges import Gauges
from workers.pulse import pulse
from workers.vitals import Vitals


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def of_partitions(metrics: Metrics) -> set[str]:
    lines = metrics.exposition().decode().splitlines()
    return {line for line in lines if line.startswith("watchkeeper_partition_")}


def test_every_role_and_partition_is_shown_as_it_stands(metrics: Metrics) -> None:
    taker = FakeTaker(partitions=(WELL, RESTING, HALTED), breaker="half-open")
    Gauges(metrics).show([taker.status()])

    role = {"role": "moderation"}
    assert {
        "in flight": metrics.value(Metric.BATCHES_IN_FLIGHT, **role),
        "limit": metrics.value(Metric.BATCHES_IN_FLIGHT_LIMIT, **role),
        "owned": metrics.value(Metric.PARTITIONS, topic="chat.logs", **role),
        "set aside": metrics.value(Metric.SET_ASIDE, **role),
        "halted": metrics.value(Metric.HALTED, **role),
        "breaker": [
            metrics.value(Metric.BREAKER_STATE, state=state, **role)
            for state in ("closed", "open", "half-open")
        ],
    } == {"in flight": 1, "limit": 3, "owned": 3, "set aside": 2, "halted": 1, "breaker": [0, 0, 1]}
    place: dict[str, str | int] = {"topic": "chat.logs", "partition": 1, **role}
    assert [metrics.value(m, **place) for m in (Metric.LAG, Metric.POSITION, Metric.STILL_SECONDS)] == [
        5,
        10,
        12,
    ]


def test_a_partition_that_has_left_leaves_no_series(metrics: Metrics) -> None:
    gauges = Gauges(metrics)
    taker = FakeTaker(partitions=(WELL, WELL))
    gauges.show([taker.status()])
    both = len(of_partitions(metrics))
    taker.partitions = (WELL,)
    gauges.show([taker.status()])
    one = of_partitions(metrics)
    gauges.show([])
    assert (both, len(one), of_partitions(metrics)) == (6, 3, set())
    assert all('partition="0"' in line for line in one)


def test_a_role_without_a_breaker_shows_none(metrics: Metrics) -> None:
    Gauges(metrics).show([FakeTaker("storage").status()])
    assert b"watchkeeper_guard_breaker_state{" not in metrics.exposition()


def test_before_the_end_of_the_log_was_heard_there_is_no_lag(metrics: Metrics) -> None:
    taker = FakeTaker(partitions=(msgspec.structs.replace(WELL, end=-1),))
    Gauges(metrics).show([taker.status()])
    assert metrics.value(Metric.LAG, role="moderation", topic="chat.logs", partition=0) == 0


async def test_the_pulse_goes_on_over_a_fault_of_what_it_shows(metrics: Metrics) -> None:
    taker = FakeTaker(last_turn_s=float("inf"))
    vitals = Vitals([], live_within_s=30.0)
    vitals.watch([taker])
    beating = asyncio.ensure_future(pulse(vitals, Gauges(metrics), every_s=0.01))
    try:
        taker.trouble = RuntimeError("a defect")
        asked = taker.asked
        await until(lambda: taker.asked > asked + 2, "beats that fail")
        during = {check.state for check in vitals.live()}
        taker.trouble, taker.partitions = None, (WELL, WELL)
        await until(lambda: metrics.value(Metric.BATCHES_IN_FLIGHT, role="moderation") == 2, "a beat")
        assert during == {"ok"}
    finally:
        beating.cancel()
