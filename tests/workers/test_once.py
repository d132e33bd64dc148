"""What is done once in the fleet is stopped together: each may take its time, and none keeps another from ending."""

from __future__ import annotations

import asyncio
from typing import Any

from mode import Service
from structlog.testing import capture_logs

from tests.waiting import until
from workers.once import stop_together


class Slow(Service):
    """Takes its time to stop, and may fail."""

    def __init__(self, gate: asyncio.Event, failure: Exception | None = None) -> None:
        super().__init__()
        self._gate, self._failure = gate, failure
        self.asked = self.ended = False

    async def on_stop(self) -> None:
        self.asked = True
        await self._gate.wait()
        if self._failure is not None:
            raise self._failure
        self.ended = True


async def test_all_are_asked_to_stop_before_any_has_and_a_failure_of_one_is_said() -> None:
    gate = asyncio.Event()
    services = [Slow(gate), Slow(gate, ZeroDivisionError()), Slow(gate)]
    for service in services:
        await service.start()
    with capture_logs() as logs:
        stopping = asyncio.create_task(stop_together(services))
        await until(lambda: all(one.asked for one in services), "that all are asked")
        gate.set()
        await stopping
    assert [one.ended for one in services] == [True, False, True]
    said: list[Any] = [(line["event"], line["service"]) for line in logs if line["log_level"] == "warning"]
    assert said == [("stopping failed", "Slow")]
