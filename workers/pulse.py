"""The event loop's heartbeat: while it goes on, the worker lives, and its gauges are of this second."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from workers.gauges import Gauges
from workers.trouble import where
from workers.vitals import Vitals

log = structlog.get_logger("watchkeeper.pulse")

EVERY_S: Final = 1.0


async def pulse(vitals: Vitals, gauges: Gauges, *, every_s: float = EVERY_S) -> None:
    """Beat until cancelled."""
    while True:
        try:
            gauges.show(vitals.beat())
        except Exception as exc:  # noqa: BLE001  # a fault of what is shown is no reason to restart
            log.error("pulse failed", error=where(exc))
            vitals.turned()
        await asyncio.sleep(every_s)
