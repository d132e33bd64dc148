"""The report of a week from the store: asked, and put together beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from monitor.rates import Queries
from monitor.reporting.building import build
from monitor.reporting.document import Report
from monitor.reporting.gathering import STEPS, gather, quiet
from monitor.reporting.weeks import Week


async def make(
    store: Queries,
    week: Week,
    *,
    fleet: str,
    now: datetime,
    tenant: str | None = None,
    model: str | None = None,
    tell: Callable[[int, str], None] = quiet,
) -> Report:
    """The report of a week. `tell` is called before each step with its number, from 0 to STEPS. Raises as `Queries` does."""
    facts = await gather(store, week, fleet=fleet, now=now, tenant=tenant, model=model, tell=tell)
    tell(STEPS, "drawing")
    return await asyncio.to_thread(build, facts)
