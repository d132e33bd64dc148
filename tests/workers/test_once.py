"""What is done once in the fleet is checked before anything starts, and stopped together: none keeps another from ending."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mode import Service
from structlog.testing import capture_logs

from monitor.errors import Misconfigured
from monitor.settings import load
from tests.waiting import until
from workers.once import stop_together, told_reports
from workers.reports import FOLDER


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


def test_a_report_that_nobody_takes_is_known_before_anything_is_started() -> None:
    assert told_reports(load({})) == {}
    with pytest.raises(Misconfigured, match="nobody takes the report"):
        told_reports(load({"WATCHKEEPER_REPORT__ENABLED": "1"}))
    settings = load({"WATCHKEEPER_REPORT__ENABLED": "1", "WATCHKEEPER_REPORT__FOLDER": "reports"})
    assert list(told_reports(settings)) == [FOLDER]
