"""What a loop makes of an exception: whether it is to end, and what a log line says of it: never its message, which could hold user
text, unless it is one of ours."""

from __future__ import annotations

import asyncio

from monitor.errors import WatchkeeperError


def said(trouble: Exception) -> str:
    """Ours, whose messages hold no user text, as they are; of others the class and place."""
    return str(trouble) if isinstance(trouble, WatchkeeperError) else where(trouble)


def where(trouble: BaseException) -> str:
    """Class and place of an unexpected exception."""
    frame = trouble.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame is not None else ""
    return f"{type(trouble).__name__}{place}"


def is_cancelled() -> bool:
    """Whether this task is to end. A CancelledError alone doesn't say so: aiokafka lets out what it did to its own tasks."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
