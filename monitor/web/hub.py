"""News for all open pages: one source, many streams of server-sent events, none of which can hold up another."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

REMEMBERED: Final = 256
"""So many of the last news are sent again to a page that lost its connection."""
WAITING: Final = 64
"""So many wait for a slow page at most; then it is told to look at everything anew."""
HEARTBEAT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class News:
    """Something that pages want to know. `topic`: alert, changed or anew. `number` counts from 1."""

    number: int
    topic: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Hub:
    """`publish` never waits. `most`: streams at the same time."""

    most: int
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    """Tells our numbers from those of a process before."""
    _last: int = 0
    _past: deque[News] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _streams: set[asyncio.Queue[News]] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        """Whether no further stream is taken."""
        return len(self._streams) >= self.most

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    @property
    def position(self) -> str:
        """The id of the last news: who has seen the store as it is now wants what comes after it."""
        return f"{self.epoch}-{self._last}"

    def publish(self, topic: str, **data: Any) -> None:
        """Tell all open pages."""
        self._last += 1
        news = News(self._last, topic, data)
        self._past.append(news)
        for queue in self._streams:
            if queue.full():  # it has missed too much to go on from there
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(News(self._last, "anew", {}))
            else:
                queue.put_nowait(news)

    @contextmanager
    def subscribed(self, last_event_id: str = "") -> Iterator[asyncio.Queue[News]]:
        """A queue that holds what came after that id, and gets all that comes."""
        queue: asyncio.Queue[News] = asyncio.Queue(WAITING)
        for news in self.since(last_event_id):
            queue.put_nowait(news)
        self._streams.add(queue)
        try:
            yield queue
        finally:
            self._streams.discard(queue)

    def since(self, last_event_id: str) -> list[News]:
        """What came after that id; where that isn't known any more, one that says to look at everything anew."""
        if not last_event_id:
            return []
        epoch, _, number = last_event_id.partition("-")
        is_ours = epoch == self.epoch and number.isascii() and number.isdigit() and len(number) < 16
        missed = [news for news in self._past if is_ours and news.number > int(number)]
        is_whole = is_ours and (not missed or missed[0].number == int(number) + 1)
        return missed if is_whole and len(missed) < WAITING else [News(self._last, "anew", {})]

    async def stream(
        self, last_event_id: str = "", *, heartbeat_s: float = HEARTBEAT_S
    ) -> AsyncIterator[bytes]:
        """The bytes of one event stream, without end; where there are too many by now, when to come again."""
        if self.is_full:
            yield b"retry: 30000\n\n"
            return
        with self.subscribed(last_event_id) as queue:
            yield b"retry: 2000\n\n" + self._bytes(News(self._last, "hello", {}))
            while True:
                try:
                    async with asyncio.timeout(heartbeat_s):
                        news = await queue.get()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                yield self._bytes(news)

    def _bytes(self, news: News) -> bytes:
        data = json.dumps(news.data, ensure_ascii=True, default=str)
        return f"id: {self.epoch}-{news.number}\nevent: {news.topic}\ndata: {data}\n\n".encode()
