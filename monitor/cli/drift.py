"""`watchkeeper drift status`: how the watch over the rates stands."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from monitor.cli.console import output, print_json
from monitor.cli.drift_shapes import CheckpointLine, DriftStatusDocument
from monitor.cli.drift_view import status_view
from monitor.cli.exits import ExitCode
from monitor.cli.parts import parts_here
from monitor.cli.watch_state import nothing_kept, watch_tables
from monitor.drift.kept import Kept, newest
from monitor.drift.policy import policy_of
from monitor.drift.watch import Watch
from monitor.errors import Misconfigured
from monitor.settings import Settings

LATE_WINDOWS: Final = 12
"""So many windows behind, and at least LATE_S, is late."""
LATE_S: Final = 60.0


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """How the watch over the rates stands: until when its windows are closed, and what state it would go on from.

    Windows close once all that arrived before their end is judged and stored, so the watch is as late as the workers are:
    `watchkeeper check` says who it waits for.

    Examples:
        watchkeeper drift status
        watchkeeper drift status --json | jq .lag_s
    """
    document = asyncio.run(_status(parts_here().settings))
    if as_json:
        print_json(document)
    else:
        output().print(status_view(document, is_late=is_late(document)))
    if not document.readable and document.checkpoint is not None:
        raise typer.Exit(ExitCode.PROBLEM)


async def _status(settings: Settings) -> DriftStatusDocument:
    async with watch_tables(settings) as tables:
        kept = await newest(tables)
        position = await tables.last_end()
    return status_document(settings, kept, position, datetime.now(UTC))


def status_document(
    settings: Settings, kept: Kept | None, position: datetime | None, now: datetime
) -> DriftStatusDocument:
    """What is known of it."""
    watch: Watch | None = None
    trouble = ""
    try:
        if kept is None:
            raise nothing_kept(settings, position)
        watch = kept.watch(policy_of(settings.drift), settings.kafka.group_prefix)
    except Misconfigured as exc:
        trouble = str(exc)
    return DriftStatusDocument(
        enabled=settings.drift.enabled,
        position=position,
        lag_s=max((now - position).total_seconds(), 0.0) if position is not None else None,
        window_s=settings.drift.window_s,
        checkpoint=CheckpointLine(
            position=kept.checkpoint.position,
            written_at=kept.checkpoint.written_at,
            version=kept.checkpoint.version,
            bytes=kept.checkpoint.size_bytes,
        )
        if kept is not None
        else None,
        readable=watch is not None,
        trouble=trouble,
        streams=watch.streams_by_state() if watch is not None else {},
        firing=len(watch.firing()) if watch is not None else 0,
    )


def is_late(document: DriftStatusDocument) -> bool:
    """Whether the watch is further behind than closing a few windows takes."""
    limit_s = max(LATE_S, LATE_WINDOWS * document.window_s)
    return document.lag_s is not None and document.lag_s > limit_s
