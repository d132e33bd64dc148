"""`watchkeeper tail`: verdicts as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.cli.choices import chosen, said
from monitor.cli.console import notes, output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.times import SYNTAX, parse_time
from monitor.cli.verdict_line import Filter, tail_line, verdict_line
from monitor.kafka_settings import KafkaSettings
from schemas.events import Verdict
from schemas.taxonomy import CATEGORIES


def tail(
    *,
    harmful: Annotated[
        bool, typer.Option("--harmful", help="Only where prompt or response is harmful.")
    ] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Only refusals.")] = False,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category; may be given again.", metavar="CATEGORY")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; may be given again.", metavar="MODEL")
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Only this tenant; may be given again.", metavar="TENANT")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help=f"Begin there: {SYNTAX}.", metavar="TIME", show_default="now")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Stop after so many.", min=1, metavar="N", show_default="never")
    ] = None,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Stop at the end of what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a verdict.")] = False,
) -> None:
    """Verdicts as they arrive, one line each, until Ctrl-C.

    Excerpts are masked and bounded. Characters that control a terminal, hide text or turn it around are shown as what
    they are. Reading joins no consumer group, so it changes nothing for the workers.

    Examples:
        watchkeeper tail --harmful
        watchkeeper tail --refused --category benign
        watchkeeper tail --since 1h --no-follow --json | jq .category
    """
    wanted = Filter(
        frozenset(tenant or ()),
        frozenset(model or ()),
        chosen(category, CATEGORIES, option="--category", what="category"),
        is_harmful=harmful,
        is_refused=refused,
    )
    begin = parse_time(since, datetime.now(UTC), option="--since") if since else None
    settings = parts_here().settings.kafka
    asyncio.run(_tail(settings, wanted, begin, limit=limit, follow=not no_follow, as_json=as_json))


async def _tail(
    settings: KafkaSettings,
    wanted: Filter,
    begin: datetime | None,
    *,
    limit: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    console = output()
    width = console.width if console.is_terminal else None
    left = limit
    shown = unreadable = 0
    async with KafkaAdmin.connect(settings) as admin:
        if follow:
            notes().print(Text(waiting_text(settings, wanted, begin), style="dim"), soft_wrap=True)
        async for record in _records(admin, settings.verdicts_topic, begin, follow=follow):
            try:
                verdict = Verdict.from_bytes(record.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError):
                unreadable += 1
                continue
            if not wanted.takes(verdict):
                continue
            if as_json:
                print_json(tail_line(verdict))
            else:
                console.print(verdict_line(verdict, width), soft_wrap=True)
            shown += 1
            if left is not None:
                left -= 1
                if left == 0:
                    break
    if not shown:
        when = _since(begin) or ": it began just now, and --since 1h would begin an hour ago"
        notes().print(Text(f"No verdict{_of(wanted)} arrived{when}.", style="yellow"), soft_wrap=True)
    if unreadable:
        notes().print(
            Text(f"{unreadable:,} records were no verdicts; see `watchkeeper dlq list`.", style="yellow")
        )


def waiting_text(settings: KafkaSettings, wanted: Filter, begin: datetime | None) -> str:
    """What a follower waits for, and where."""
    since = _since(begin) or " from now on"
    return f"Verdicts{_of(wanted)}{since}, on {settings.verdicts_topic} at {settings.bootstrap}; Ctrl-C ends."


def _of(wanted: Filter) -> str:
    names = said(tenant=wanted.tenants, model=wanted.models, category=wanted.categories)
    only = [*["harmful"] * wanted.is_harmful, *["refused"] * wanted.is_refused, *([names] if names else [])]
    return f" ({', '.join(only)})" if only else ""


def _since(begin: datetime | None) -> str:
    return f" since {begin:%Y-%m-%d %H:%M:%S} UTC" if begin is not None else ""


async def _records(
    admin: KafkaAdmin, topic: str, begin: datetime | None, *, follow: bool
) -> AsyncIterator[Record]:
    """Records from `begin`, else from now; until the present end, or without end."""
    ranges = await admin.ranges(topic)
    starts = {n: r.end for n, r in ranges.items()} if begin is None else await admin.offsets_at(topic, begin)
    if not follow:
        past = {n: Range(max(starts[n], r.start), r.end) for n, r in ranges.items()}
        async for record in admin.read(topic, past):
            yield record
        return
    async for records in admin.follow(topic, starts):
        for record in records:
            yield record
