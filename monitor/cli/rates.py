"""`watchkeeper rates`: refusal and harm rates, with intervals and coverage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.live import Live
from rich.text import Text

from monitor.cli.console import notes, output, print_json
from monitor.cli.corrected_view import corrected_view
from monitor.cli.parts import parts_here
from monitor.cli.rates_query import look
from monitor.cli.rates_shapes import RatesDocument
from monitor.cli.rates_view import View, rates_view
from monitor.cli.times import SYNTAX, parse_time
from monitor.errors import Misconfigured, Retryable
from monitor.rates import Dimension
from monitor.settings import ClickHouseSettings

DIMENSIONS: Final[tuple[Dimension, ...]] = ("tenant", "model", "category", "window")


def rates(
    *,
    by: Annotated[
        str,
        typer.Option(
            help="Cells by any of tenant, model, category and window, with commas between.",
            metavar="DIMENSIONS",
        ),
    ] = "category",
    since: Annotated[
        str | None, typer.Option(help=f"From then on: {SYNTAX}.", metavar="TIME", show_default="the first")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before then.", metavar="TIME", show_default="the last")
    ] = None,
    window: Annotated[
        str, typer.Option(help="Length of a window, with --by window: 1m, 15m, 1h, 1d.", metavar="LENGTH")
    ] = "1h",
    corrected: Annotated[
        bool,
        typer.Option(
            "--corrected",
            help="Beside the guard's rates those that the judge's answers correct, with their intervals.",
        ),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between looks, with --watch.", min=0.2, metavar="SECONDS")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, or one a look.")] = False,
) -> None:
    """Refusal and harm rates, with their counts, 95 % intervals (Wilson) and coverage.

    Refusal: refused of all that were answered. Over-refusal: refused of the harmless prompts. Compliance: answered of the
    harmful prompts. Response harm, prompt harm: harmful of all. What the guard couldn't answer is in no rate; coverage
    says how much that is. Times are those of arrival:
    nothing is ever late.

    With --corrected: what the judge makes of it, from its sample of the exchanges. "Judge alone" weights each judged exchange
    by what it stands for (Horvitz-Thompson). "Guard and judge" takes the guard's opinion of all exchanges and corrects it by
    where the judge differs (prediction-powered inference), and says how much narrower that makes the interval. Which answer
    corrects what, and how far the intervals can be trusted: docs/estimates.md.

    Examples:
        watchkeeper rates
        watchkeeper rates --by model,category --since 1d
        watchkeeper rates --by window --window 15m --since 6h
        watchkeeper rates --corrected --by none --since 1d
        watchkeeper rates --watch
        watchkeeper rates --json | jq .total
    """
    dimensions = read_dimensions(by)
    now = datetime.now(UTC)
    window_s = read_length(window)
    for option, text in (("--since", since), ("--until", until)):
        if text:
            parse_time(text, now, option=option)  # a mistake is told before anything is asked
    settings = parts_here().settings.clickhouse

    def bounds() -> tuple[datetime | None, datetime | None]:
        """Anew at each look: `--since 15m` moves on with --watch."""
        at = datetime.now(UTC)
        return (
            parse_time(since, at, option="--since") if since else None,
            parse_time(until, at, option="--until") if until else None,
        )

    asyncio.run(
        _run(
            settings,
            dimensions,
            bounds,
            window_s=window_s,
            every_s=every if watch else None,
            as_json=as_json,
            is_corrected=corrected,
        )
    )


def read_dimensions(text: str) -> list[Dimension]:
    """The dimensions in `--by`. Raises Misconfigured for one that doesn't exist or comes twice."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if names == ["none"]:
        return []
    unknown = [name for name in names if name not in DIMENSIONS]
    if unknown:
        raise Misconfigured(
            f"--by {unknown[0]!r} is no dimension",
            f"choose among {', '.join(DIMENSIONS)}; none: the total alone",
        )
    if len(set(names)) < len(names):
        raise Misconfigured(f"--by {text!r} names a dimension twice", "name each once")
    return [dimension for name in names for dimension in DIMENSIONS if dimension == name]


def read_length(text: str) -> int:
    """Seconds in `15m`, `1h` and the like. Raises Misconfigured."""
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    try:
        length_s = int((epoch - parse_time(text, epoch, option="--window")).total_seconds())
    except Misconfigured:
        length_s = 0
    if not 60 <= length_s <= 366 * 86_400 or not text.strip()[0].isdigit():
        raise Misconfigured(
            f"--window {text!r} is no length of a minute to a year", "write 1m, 15m, 1h, 1d or 1w"
        )
    return length_s


async def _run(
    settings: ClickHouseSettings,
    by: Sequence[Dimension],
    bounds: Callable[[], tuple[datetime | None, datetime | None]],
    *,
    window_s: int,
    every_s: float | None,
    as_json: bool,
    is_corrected: bool,
) -> None:
    view = corrected_view if is_corrected else rates_view
    async with look(settings) as store:

        async def document() -> RatesDocument:
            since, until = bounds()
            return await store.at(by, since, until, window_s=window_s, is_corrected=is_corrected)

        if every_s is None:
            _show(await document(), view, as_json=as_json)
        elif as_json or not output().is_terminal:
            while True:
                _show(await document(), view, as_json=as_json)
                await asyncio.sleep(every_s)
        else:
            await _watch(document, view, every_s)


def _show(document: RatesDocument, view: View, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    console = output()
    if document.total.events:
        console.print(view(document, console.width))
    else:
        notes().print(_nothing(document))


async def _watch(document: Callable[[], Awaitable[RatesDocument]], view: View, every_s: float) -> None:
    console = output()
    said = Text()
    shown: RatesDocument | None = None
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            try:
                shown = await document()
                said = Text(f"{shown.at:%H:%M:%S} UTC, every {every_s:g} s; Ctrl-C ends", style="dim")
            except Retryable as exc:
                said = Text(f"{exc}; looking again", style="yellow")
            if shown is None:
                live.update(said, refresh=True)
            elif not shown.total.events:
                live.update(_nothing(shown), refresh=True)
            else:
                live.update(view(shown, console.width, console.height, title=said), refresh=True)
            await asyncio.sleep(every_s)


def _nothing(document: RatesDocument) -> Text:
    if document.since is None and document.until is None:
        return Text(
            "No verdicts are stored yet. Send some chat logs: `watchkeeper replay FILE.jsonl`.",
            style="yellow",
        )
    return Text("No exchange arrived in this time; without --since all are shown.", style="yellow")
