"""Waiting for an effect, never for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def until(effect: Callable[[], Awaitable[T]], what: str = ..., *, within_s: float = ...) -> T: ...


@overload
async def until(effect: Callable[[], T], what: str = ..., *, within_s: float = ...) -> T: ...


async def until(effect: Callable[[], Any], what: str = "the effect", *, within_s: float = 30.0) -> Any:
    """Poll `effect` (plain or async) until its answer is truthy; return that answer.

    Raises TimeoutError naming `what` and the last answer when it doesn't happen in time. What `effect` raises passes.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = effect()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within_s:g} s; last answer {value!r}")
        await asyncio.sleep(0.02)
