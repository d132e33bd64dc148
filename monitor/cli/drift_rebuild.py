"""`watchkeeper drift rebuild`: the watch's state made anew from the closed windows, after it was damaged."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.text import Text

from monitor.adapters.alert_log import EVER, read_alerts
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.alerts.log import Done
from monitor.cli.backtest import told_line
from monitor.cli.console import notes, output, print_json
from monitor.cli.drift_shapes import RebuildDocument, ToldLine
from monitor.cli.drift_view import streams_table, told_view
from monitor.cli.parts import parts_here
from monitor.cli.times import SYNTAX, parse_time
from monitor.cli.watch_state import nothing_kept, watch_tables
from monitor.drift.policy import policy_of
from monitor.drift.replaying import Ledger
from monitor.drift.watch import Watch
from monitor.errors import Misconfigured
from monitor.settings import Settings
from monitor.wording.figures import moment

_SAY_EVERY: Final = 50


def rebuild(
    *,
    since: Annotated[str, typer.Option(help=f"Replay from there: {SYNTAX}.", metavar="TIME")] = "30d",
    yes: Annotated[bool, typer.Option("--yes", help="Write it without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document; asks nothing.")] = False,
) -> None:
    """Make the watch's state anew from the closed windows, and what people did with alerts: after damage, or for a fresh start.

    Shows which alerts fire in it, sends none, and writes it as the newest checkpoint once you agree (or with --yes; with
    --json alone nothing is written). A worker that waits because its state is damaged goes on from it by itself; one that
    runs well keeps its own state, so end the worker that oversees, or all, and start them again. An alert that fires in it
    and has been told keeps its id.

    Examples:
        watchkeeper drift rebuild
        watchkeeper drift rebuild --since 90d --yes
    """
    begin = parse_time(since, datetime.now(UTC), option="--since")
    settings = parts_here().settings
    made = asyncio.run(_make(settings, begin))
    document = document_of(made, is_written=False)
    if not as_json:
        _show(document)
        if not yes:
            if not sys.stdin.isatty():
                raise Misconfigured("nothing was written: nobody can be asked here", "say --yes")
            yes = typer.confirm("Write it as the newest state?", default=False)
    if yes:
        asyncio.run(_write(settings, made))
        document = document.model_copy(update={"written": True})
    if as_json:
        print_json(document)
    else:
        output().print(
            Text("✓ Written; the watch goes on from there.", style="green")
            if yes
            else Text("Nothing was written.", style="yellow")
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A watch made from history. `ledger`: what it told on its way."""

    watch: Watch
    ledger: Ledger
    since: datetime
    position: datetime
    windows: int


async def _make(settings: Settings, since: datetime) -> Made:
    async with KafkaAdmin.connect(settings.kafka) as admin:
        log = await read_alerts(admin, settings.kafka, EVER)
    actions = sorted((done for several in log.actions.values() for done in several), key=lambda done: done.at)
    async with watch_tables(settings) as tables:
        watch = Watch.new(policy_of(settings.drift), settings.kafka.group_prefix)
        with notes().status("replaying…") as status:
            made = await remake(
                tables,
                watch,
                actions,
                since,
                on_progress=lambda at: status.update(f"replaying: {at:%Y-%m-%d %H:%M} UTC…"),
            )
        if made is None:
            last = await tables.last_end()
            if last is None:
                raise nothing_kept(settings, last)
            raise Misconfigured(
                f"no window was closed since {moment(since)}; the last one ended at {moment(last)}",
                "give an earlier --since",
            )
    return made


async def remake(
    tables: WatchTables,
    watch: Watch,
    actions: Sequence[Done],
    since: datetime,
    *,
    on_progress: Callable[[datetime], None],
) -> Made | None:
    """Give `watch` every closed window since then, and each action before the first window that ends after it, as the watch
    itself does. None where there is no window."""
    ledger = Ledger()
    waiting = list(actions)
    first: datetime | None = None
    position = since
    count = 0
    async for window in tables.windows(since, datetime.now(UTC)):
        first = first or window.begins_at
        while waiting and waiting[0].at < window.ends_at:
            done = waiting.pop(0)
            ledger.add(watch.act(done.action, done.at))
        step = watch.take(window)
        ledger.add(watch.finish(step, {need: await tables.history(need) for need in step.needs}))
        position = window.ends_at
        count += 1
        if count % _SAY_EVERY == 0:
            on_progress(position)
    return Made(watch, ledger, first, position, count) if first is not None else None


async def _write(settings: Settings, made: Made) -> None:
    async with watch_tables(settings) as tables:
        await tables.keep(made.position, made.watch.to_bytes(), slot=0)


def document_of(made: Made, *, is_written: bool) -> RebuildDocument:
    """What `--json` prints."""
    firing = {alert.id for alert in made.watch.firing()}
    return RebuildDocument(
        since=made.since,
        position=made.position,
        windows=made.windows,
        written=is_written,
        firing=[told_line(told) for id_, told in made.ledger.told.items() if id_ in firing],
        over=sum(id_ not in firing for id_ in made.ledger.told),
        streams=made.watch.streams_by_state(),
    )


def _show(document: RebuildDocument) -> None:
    console = output()
    console.print(
        Text(
            f"{document.windows:,} windows, {moment(document.since)} to {moment(document.position)}",
            style="bold",
        )
    )
    console.print(streams_table(document.streams))
    console.print(_firing(document.firing))
    if document.over:
        verb = "is" if document.over == 1 else "are"
        console.print(Text(f"{document.over:,} more fired in between, and {verb} over.", style="dim"))


def _firing(firing: Sequence[ToldLine]) -> RenderableType:
    if not firing:
        return Text("No alert fires in it.", style="green")
    return told_view(firing, "Alerts that fire in it")
