"""The report of the demo's week, once all of its day is stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from monitor.adapters.clickhouse import connect
from monitor.adapters.rollups import Rollups
from monitor.cli.report import read_format, write
from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Written:
    """Where it is, and its first sentence."""

    path: Path
    first: str


def require(path: Path) -> None:
    """Raises Misconfigured where such a report can't be made here: before the demo begins."""
    from monitor.reporting import as_pdf

    if read_format(None, path) == "pdf":
        as_pdf.require()


async def write_week(settings: Settings, path: Path) -> Written:
    """This week's report, of all that is stored by now. Raises what the store raises, and Misconfigured where it can't be written."""
    from monitor.reporting.formats import rendered
    from monitor.reporting.making import make
    from monitor.reporting.weeks import read_week

    now = datetime.now(UTC)
    async with await connect(settings.clickhouse) as store:
        await Rollups(store).refresh()
        week = read_week("this", ZoneInfo("UTC"), now)
        report = await make(store, week, fleet=settings.kafka.group_prefix, now=now)
    content = await asyncio.to_thread(rendered, report, read_format(None, path))
    first = report.findings[0].text if report.findings else report.summary
    return Written(await asyncio.to_thread(write, content, path), first)
