"""Whatever a client's `stop` does, whoever calls it goes on."""

from __future__ import annotations

import asyncio

import pytest

from monitor.adapters.closing import close


async def test_a_stop_that_raises_what_it_did_to_its_own_tasks_ends_nobody_else() -> None:
    async def stop() -> None:
        fetching = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        fetching.cancel()
        await fetching

    await close(stop(), 5)


async def test_a_stop_that_fails_is_over() -> None:
    async def stop() -> None:
        raise ConnectionError

    await close(stop(), 5)


async def test_a_stop_that_swallows_its_cancelling_is_left_behind() -> None:
    is_let_go = asyncio.Event()

    async def stop() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await is_let_go.wait()

    await close(stop(), 0.01)
    is_let_go.set()


async def test_who_is_cancelled_while_it_waits_is_cancelled() -> None:
    closing = asyncio.ensure_future(close(asyncio.sleep(0.05), 60))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
