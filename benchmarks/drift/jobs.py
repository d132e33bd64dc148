"""Work that is shared out to processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Of = TypeVar("Of")
Made = TypeVar("Made")


def mapped(work: Callable[[Of], Made], things: Iterable[Of], jobs: int) -> Iterator[Made]:
    """`work` on each of `things`, in their order, `jobs` at a time; in this process where that is one."""
    if jobs == 1:
        yield from map(work, things)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(work, things)
