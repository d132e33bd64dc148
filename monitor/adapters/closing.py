"""Closing an aiokafka client, whose `stop` can't be trusted to end as it should while the broker is away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def close(stop: Coroutine[Any, Any, Any], within_s: float) -> bool:
    """Await a client's `stop`, as long as that, and raise nothing of it. False where it hadn't ended by then.

    aiokafka 0.14 cancels its own tasks and awaits them: what they raise, a CancelledError among it, comes out of `stop` and
    would end the task that called it. It also swallows a cancelling now and then, so that `stop` hangs: it is left behind.
    """
    stopping = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait((stopping,), timeout=within_s)
    if not done:
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # looked at, so that nobody complains that it wasn't
    return bool(done)
