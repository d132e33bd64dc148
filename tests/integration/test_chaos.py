"""The short form of the long chaos run (`python -m benchmarks.chaos`): the same code, fewer events, fewer faults."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chaos.checking import Figures
from benchmarks.chaos.kinds import Kind
from benchmarks.chaos.run import Plan, run

KINDS = (
    Kind.WORKER_KILL,
    Kind.WORKER_STOP,
    Kind.WORKER_ADD,
    Kind.BROKER_KILL,
    Kind.KAFKA_CUT,
    Kind.TRITON_KILL,
    Kind.TRITON_CUT,
    Kind.GUARD_REQUESTS,
    Kind.GUARD_BATCHES,
    Kind.STORE_KILL,
    Kind.STORE_APPLIED_SILENT,
    Kind.STORE_HALF_BODY,
    Kind.STORE_FULL,
)


async def test_nothing_is_lost_counted_twice_or_wrong_under_faults_of_every_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # What the harness's own clients say of a broker that it has killed.
    caplog.set_level(logging.CRITICAL, logger="aiokafka")
    plan = Plan(
        seed=11, events=5_000, faults=len(KINDS), workers=2, most_workers=3, folder=tmp_path, kinds=KINDS
    )
    said: list[str] = []
    outcome = await run(plan, said.append)

    # How often a batch is written again, which counts nowhere, depends on what was under way when a fault came.
    figures = replace(outcome.figures, rewritten_verdicts=0, rewritten_letters=0)
    assert (figures, outcome.faults) == (
        Figures(
            produced=4_537,
            events=5_547,
            stored=5_547,
            letters=39,
            dead_lettered=39,
            lost=0,
            duplicated=0,
            wrong=0,
            errors=0,
            repeats=93,
            rewritten_verdicts=0,
            rewritten_letters=0,
            findings=(),
        ),
        (),
    ), "\n".join(said)
    assert sorted(one.injection.kind for one in outcome.endured) == sorted(KINDS)
