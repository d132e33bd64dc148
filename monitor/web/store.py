"""The store as the pages ask it: connected when it is there, asked once for what many want, never waited for too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.errors import Retryable
from monitor.settings import ClickHouseSettings

MOST_KEPT: Final = 512
AT_ONCE: Final = 8
"""Queries: what many pages ask waits for its turn, within the time that each has."""
CONNECT_WITHIN_S: Final = 3.0

Rows = list[dict[str, Any]]


@dataclass(slots=True)
class Store:
    """Implements monitor.rates.Queries. An answer is given to all who ask within `fresh_s`; who asks while one is on its way
    waits for that. Nobody may change the rows."""

    settings: ClickHouseSettings
    within_s: float
    fresh_s: float
    now_s: Callable[[], float] = time.monotonic
    connect: Callable[[ClickHouseSettings], Awaitable[ClickHouse]] = connect
    _client: ClickHouse | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _kept: dict[tuple[str, str], tuple[float, asyncio.Task[Rows]]] = field(default_factory=dict)

    async def query(self, name: str, **parameters: Any) -> Rows:
        """The rows of a query by name. Raises Retryable where the store is away or slow, Misconfigured where a person has to
        change something."""
        key = (name, repr(sorted(parameters.items())))
        asked_s, task = self._kept.get(key, (0.0, None))
        if task is None or (task.done() and (self.now_s() - asked_s > self.fresh_s or _has_failed(task))):
            self._forget()
            task = asyncio.create_task(self._ask(name, parameters))
            self._kept.pop(key, None)
            self._kept[key] = (self.now_s(), task)
        return await asyncio.shield(task)

    async def client(self) -> ClickHouse:
        """The connection. Raises as `query`."""
        async with self._lock:
            if self._client is None:
                quick = self.settings.model_copy(
                    update={
                        "connect_timeout_s": min(self.settings.connect_timeout_s, CONNECT_WITHIN_S),
                        "timeout_s": min(self.settings.timeout_s, self.within_s),
                    }
                )
                self._client = await self.connect(quick)
            return self._client

    def _forget(self) -> None:
        """Answers that nobody is given any more, which may be large; and of very many the oldest."""
        now = self.now_s()
        while self._kept:
            key, (asked_s, task) = next(iter(self._kept.items()))
            is_old = task.done() and now - asked_s > self.fresh_s
            if not is_old and len(self._kept) < MOST_KEPT:
                return
            del self._kept[key]

    async def _ask(self, name: str, parameters: dict[str, Any]) -> Rows:
        try:
            async with asyncio.timeout(self.within_s), self._turn:
                return await (await self.client()).query(name, **parameters)
        except TimeoutError as exc:
            raise Retryable(
                f"ClickHouse: the query {name} brought no answer within {self.within_s:g} s"
            ) from exc

    async def aclose(self) -> None:
        """Give up what is on its way, and close the connection."""
        tasks = [task for _, task in self._kept.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _has_failed(task: asyncio.Task[Rows]) -> bool:
    return task.cancelled() or task.exception() is not None
