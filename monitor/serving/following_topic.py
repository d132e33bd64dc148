"""Follows the compacted topic of calibrations, in a thread and event loop of its own: generation never waits for it."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Mapping
from typing import Any, Final

from monitor.serving.thresholds import InForce
from schemas.topics import CALIBRATIONS

_log: Final = logging.getLogger("watchkeeper.serving")
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0


class TopicFollower:
    """Reads the topic's one partition from its beginning, then what comes. Belongs to no consumer group and commits nothing.

    A broker that is away changes nothing: what is in force stays, and it is tried again after 0.5 s, and twice that each time, up
    to 30 s (with a random part, so that a fleet of servers doesn't come at once). `kafka`: further arguments of
    aiokafka.AIOKafkaConsumer (security_protocol, ssl_context, sasl_mechanism, ...).

    Messages about other models are passed over; a model is told by what is signed, never by a message's key.
    """

    def __init__(
        self,
        in_force: InForce,
        servers: str,
        *,
        topic: str = CALIBRATIONS.name,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        self.caught_up = threading.Event()
        """Set once all that the topic held was read."""
        self._in_force = in_force
        self._servers = servers
        self._topic = topic
        self._kafka = dict(kafka or {})
        self._next: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._is_away = False

    def start(self) -> None:
        """Begin to follow; returns at once."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="refusal-token-topic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        if self._thread is None or self._loop is None or not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        loop = self._loop
        if loop is None:
            return
        self._task = loop.create_task(self._follow())
        try:
            loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(_end_others(loop))
            loop.close()

    async def _follow(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._read()
            except Exception as exc:  # noqa: BLE001 - whatever it is: what is in force stays, and it is tried again
                if self._is_away is False:
                    _log.warning(
                        "refusal tokens: the topic can't be read (%s): what is in force stays, trying again",
                        type(exc).__name__,
                    )
                    wait_s = FIRST_WAIT_S
                self._is_away = True
            await asyncio.sleep(wait_s * (0.5 + random.random()))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _read(self) -> None:
        from aiokafka import AIOKafkaConsumer, TopicPartition

        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **self._kafka,
        )
        try:
            await consumer.start()
            place = TopicPartition(self._topic, 0)
            consumer.assign([place])
            if self._next is None:
                await consumer.seek_to_beginning(place)
                end = (await consumer.end_offsets([place]))[place]
            else:
                consumer.seek(place, self._next)
                end = self._next
            while True:
                position = await consumer.position(place)
                if position >= end:
                    self._come()
                batch = await consumer.getmany(place, timeout_ms=1000)
                for record in batch.get(place, ()):
                    self._next = record.offset + 1
                    if record.value is None:  # a tombstone
                        continue
                    if record.offset < end:
                        self._in_force.catch_up([record.value])
                    else:
                        self._in_force.hear(record.value)
        finally:
            await consumer.stop()

    def _come(self) -> None:
        if not self.caught_up.is_set():
            self.caught_up.set()
        if self._is_away:
            self._is_away = False
            _log.info("refusal tokens: the topic is read again")


async def _end_others(loop: asyncio.AbstractEventLoop) -> None:
    """What aiokafka leaves behind when a broker goes away while it connects."""
    others = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
