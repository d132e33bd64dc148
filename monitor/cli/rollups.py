"""`watchkeeper rollups rebuild`: the quarters of an hour counted anew from the verdicts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from monitor.adapters.clickhouse import connect
from monitor.adapters.rollups import Counted, Rollups
from monitor.cli.console import notes, output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.shapes import RollupsDocument
from monitor.cli.times import SYNTAX, parse_time
from monitor.settings import Settings
from monitor.wording.figures import moment


def rebuild(
    *,
    since: Annotated[
        str, typer.Option(help=f"Count quarters from there on: {SYNTAX}.", metavar="TIME")
    ] = "90d",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Count the quarters of an hour that reports are made of anew, from the verdicts: after a restored backup, or a fault.

    The worker that oversees keeps them counted by itself; this is safe beside it, and to run again. Where verdicts have
    expired since they were counted, the count stands.

    Examples:
        watchkeeper rollups rebuild
        watchkeeper rollups rebuild --since 2026-11-01
    """
    begin = parse_time(since, datetime.now(UTC), option="--since")
    with notes().status("counting quarters of an hour…"):
        counted = asyncio.run(_rebuild(parts_here().settings, begin))
    document = RollupsDocument(since=begin, quarters=counted.quarters, rows=counted.rows)
    if as_json:
        print_json(document)
    else:
        said = f"{document.quarters:,} quarters of an hour since {moment(begin)} counted anew, from {document.rows:,} rows."
        output().print(Text(said, style="green"))


async def _rebuild(settings: Settings, since: datetime) -> Counted:
    store = settings.clickhouse.model_copy(update={"timeout_s": settings.rollups.timeout_s})
    async with await connect(store) as client:
        counted = await Rollups(client).rebuild(since)
    if counted is None:
        raise TypeError("nobody can take over from a command")
    return counted
