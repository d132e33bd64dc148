"""A batch is durable or abandoned, never half; and written in its turn."""

from __future__ import annotations

import asyncio

from monitor.errors import Misconfigured, Retryable
from monitor.ledger import Ledger
from tests.fakes.intake import FakeIntake
from workers.batch import Abandoned, Batch


async def test_a_batch_is_tried_until_it_is_durable() -> None:
    intake = FakeIntake()
    batch = intake.batch([b"a"])
    troubles: list[Exception] = [Retryable("away"), ZeroDivisionError()]

    async def handle(_: Batch) -> Ledger:
        if troubles:
            raise troubles.pop(0)
        return Ledger(0, messages=1)

    await batch.settle(handle)

    assert (intake.waits, intake.order, batch.counts) == (
        ["Retryable", "ZeroDivisionError"],
        [batch],
        Ledger(0, messages=1),
    )


async def test_a_wrong_setting_halts_and_acknowledges_nothing() -> None:
    intake = FakeIntake()
    batch = intake.batch([b"a"])

    async def handle(_: Batch) -> Ledger:
        raise Misconfigured("too many bad messages")

    await batch.settle(handle)

    assert (intake.halted, intake.order, batch.counts) == (["too many bad messages"], [], None)


async def test_a_later_batch_writes_after_an_earlier_one_even_if_it_is_ready_first() -> None:
    intake = FakeIntake()
    first = intake.batch([b"a"])
    second = intake.batch([b"b"], first_offset=1, previous=first)
    first_may_go_on = asyncio.Event()
    written: list[Batch] = []

    async def handle(batch: Batch) -> Ledger:
        if batch is first:
            await first_may_go_on.wait()
        await batch.turn()
        written.append(batch)
        return Ledger(0, messages=1)

    tasks = [asyncio.ensure_future(batch.settle(handle)) for batch in (second, first)]
    await asyncio.sleep(0)
    first_may_go_on.set()
    await asyncio.gather(*tasks)

    assert written == [first, second]


async def test_an_abandoned_batch_writes_nothing_and_says_nothing() -> None:
    intake = FakeIntake()
    first = intake.batch([b"a"])
    second = intake.batch([b"b"], first_offset=1, previous=first)
    written: list[Batch] = []

    async def handle(batch: Batch) -> Ledger:
        await batch.turn()
        written.append(batch)
        return Ledger(0, messages=1)

    waiting = asyncio.ensure_future(second.settle(handle))
    await asyncio.sleep(0)
    second.abandon()
    first.abandon()
    await waiting

    assert (written, intake.order, intake.waits) == ([], [], [])


async def test_turn_raises_once_the_partition_is_gone() -> None:
    batch = FakeIntake().batch([b"a"])
    batch.abandon()

    raised = False
    try:
        await batch.turn()
    except Abandoned:
        raised = True

    assert raised
