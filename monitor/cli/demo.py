"""`watchkeeper demo`: a synthetic day of chat traffic through the real parts, from nothing, in two minutes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from monitor.accounting import Account
from monitor.cli import demo_report
from monitor.cli.account import account_document
from monitor.cli.account_view import summary
from monitor.cli.activation import activation
from monitor.cli.console import notes, output, print_json
from monitor.cli.dashboard import address_text
from monitor.cli.exits import ExitCode
from monitor.cli.failures import Interrupted
from monitor.cli.parts import ADDRESSES
from monitor.cli.shapes import DemoAlert, DemoDocument, Estimate
from monitor.cli.stack_progress import StackProgress
from monitor.cli.stock_taking import take_account
from monitor.cli.up import dashboard_beside
from monitor.demo.alarm_view import alert_lines
from monitor.demo.playing import Played, play
from monitor.demo.traffic import DRIFTING, Day
from monitor.demo.view import Moment, final_view, live_view, next_steps, plain_line
from monitor.embedded.progress import OnProgress, Progress
from monitor.embedded.stack import STACK_DEFAULTS, Stack
from monitor.settings import Settings, load, variable

WATCH_DEFAULTS = {
    # A day in a minute: a window of a second is 24 minutes of it.
    variable("drift", "window_s"): "1",
    variable("drift", "settle_s"): "0.2",
    # There is one day alone: none to learn its rhythm from.
    variable("drift", "learn_days"): "0",
}
"""What the watch is set to where the environment is silent, other than a deployment."""
_PLAIN_EVERY_S = 5.0
_ACCOUNT_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class _Plan:
    day: Day
    stream_s: float
    data: Path | None
    is_kept: bool
    as_json: bool
    report: Path | None


def demo(
    *,
    events: Annotated[
        int, typer.Option(help="Exchanges in the synthetic day.", min=500, max=1_000_000, metavar="N")
    ] = 24_000,
    seconds: Annotated[
        float, typer.Option(help="Stream the day in about so many seconds.", min=1, metavar="SECONDS")
    ] = 60,
    seed: Annotated[int, typer.Option(help="Another number is another day.", metavar="N")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave all running afterwards, until Ctrl-C.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Keep the data in this folder.",
            metavar="FOLDER",
            show_default="a temporary folder, removed at the end",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write the report of the demo's week there, as .html, .md, .json or .pdf.",
            metavar="FILE",
            show_default="none",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
) -> None:
    """See it work: a synthetic day of chat traffic through Kafka, Triton and the ClickHouse engine, on this machine.

    Starts the whole embedded stack, streams a day of chat logs in four formats (two tenants, three models, harmless and
    harmful prompts, repeats, a few broken messages) at many times its speed, and shows refusal and harm rates per
    category as they come in. At a known minute one model begins to refuse harmless questions: watch it appear, and the
    watch over the rates find it. It ends with the rates, the alert held against what was injected (which cell, since when,
    how much, and nothing else), the account (every message and exchange, counted), and what to try next.

    All texts were written for this demo. Everything it starts is gone when it ends. The first run downloads Kafka
    (43 MB) and keeps it.

    Examples:
        watchkeeper demo
        watchkeeper demo --keep
        watchkeeper demo --report report.html
        watchkeeper demo --events 5000 --seconds 10 --json
    """
    if report is not None:
        demo_report.require(report)
    plan = _Plan(Day(events, seed, datetime.now(UTC)), seconds, data, keep, as_json, report)
    # The demo's parts are its own: addresses in the environment are other parts'.
    environ = {name: value for name, value in os.environ.items() if name.upper() not in ADDRESSES}
    if not asyncio.run(_until_signal(plan, environ)):
        raise typer.Exit(ExitCode.PROBLEM)


@dataclass(slots=True)
class _Ending:
    """A signal, once: it ends what runs, or the wait for it. Further ones change nothing while all is stopped."""

    asked: asyncio.Event
    running: asyncio.Future[bool] | None = None
    is_awaited: bool = False

    def __call__(self) -> None:
        """Called by the loop on a signal."""
        if not self.asked.is_set() and self.running is not None and not self.is_awaited:
            self.running.cancel()
        self.asked.set()

    async def wait(self) -> None:
        """From here on a signal is what was waited for, and interrupts nothing."""
        self.is_awaited = True
        await self.asked.wait()


async def _until_signal(plan: _Plan, environ: Mapping[str, str]) -> bool:
    """Run the demo, and say whether all was as it should be; a signal ends it in order, wherever it is."""
    ending = _Ending(asyncio.Event())
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ending)
    ending.running = asyncio.ensure_future(_demo(plan, environ, ending))
    try:
        return await ending.running
    except asyncio.CancelledError:
        raise Interrupted("interrupted: everything that the demo started has been stopped") from None


async def _demo(plan: _Plan, environ: Mapping[str, str], ending: _Ending) -> bool:
    console = notes()
    with ExitStack() as cleanup:
        data = plan.data or Path(tempfile.mkdtemp(prefix="watchkeeper-demo-"))
        if plan.data is None:
            cleanup.callback(shutil.rmtree, data, ignore_errors=True)
        progress = StackProgress(console)
        _say(console, "Starting Kafka, Triton and the ClickHouse engine, all on this machine")
        with progress:
            stack = Stack(
                data,
                load(environ, {**STACK_DEFAULTS, **WATCH_DEFAULTS}),
                on_progress=_without_stops(progress),
            )
            await stack.__aenter__()
        try:
            settings = load({**environ, **stack.environment()}, WATCH_DEFAULTS)
            _say(console, _facts(stack))
            day = plan.day
            _say(
                console,
                f"Streaming a day of {day.exchanges:,} exchanges in about {plan.stream_s:.0f} s; at "
                f"{day.drift_at:%H:%M} UTC of it {DRIFTING.model} of {DRIFTING.tenant} begins to refuse harmless questions",
            )
            with _Screen(console, day, plan.as_json) as show:
                played = await play(settings, day, stream_s=plan.stream_s, show=show)
            _say(console, "Counting every message and exchange")
            account = await _settled(settings)
            _report(plan, played, account)
            if plan.report is not None:
                _say(console, "Writing the report of its week")
                written = await demo_report.write_week(settings, plan.report)
                _say(console, f"{written.first}\n  {written.path}")
            if plan.is_kept:
                async with dashboard_beside(settings, stack.environment(), console) as dashboard:
                    console.print(next_steps("It keeps running. In another terminal:", activation()))
                    if dashboard is not None:
                        console.print(address_text(dashboard, is_shown=True), soft_wrap=True)
                    console.print(Text("Ctrl-C stops it.", style="dim"))
                    await ending.wait()
            is_sound = account.state not in ("unbalanced", "unproven")
            return is_sound and played.is_watched and played.judged.holds
        finally:
            _say(console, "Stopping all that the demo started")
            await stack.__aexit__(None, None, None)


def _without_stops(progress: StackProgress) -> OnProgress:
    """One line says that all is stopped; eight more would push the figures off the screen."""

    def tell(step: Progress) -> None:
        if step.phase not in ("stopping", "stopped"):
            progress(step)

    return tell


def _report(plan: _Plan, played: Played, account: Account) -> None:
    if plan.as_json:
        print_json(_document(plan.day, played, account))
        return
    console = output()
    console.print(
        final_view(plan.day, played.figures, played.drift, judged=played.judged, account=summary(account))
    )
    if not played.is_watched:
        console.print(Text("✗ The watch over the rates didn't see all of the day in time.", style="bold red"))
    console.print()
    if not plan.is_kept:
        console.print(
            next_steps("Where to look next: `watchkeeper demo --keep`, and in another terminal", activation())
        )
        console.print(Text("Your own chat logs: README.md, “Point it at your stack”.", style="dim"))


async def _settled(settings: Settings) -> Account:
    """The account once the last commits are in."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ACCOUNT_WITHIN_S
    while True:
        taken = await take_account(settings)
        if taken.state != "on the way" or loop.time() >= deadline:
            return taken
        await asyncio.sleep(0.5)


def _document(day: Day, played: Played, account: Account) -> DemoDocument:
    drift = played.drift
    return DemoDocument(
        exchanges=played.sent.exchanges,
        messages=played.sent.messages,
        repeats=played.sent.repeats,
        bad=played.sent.bad,
        stored=played.figures.stored,
        first_figures_after_s=played.first_after_s,
        elapsed_s=played.elapsed_s,
        drift_at=day.drift_at,
        drift_tenant=DRIFTING.tenant,
        drift_model=DRIFTING.model,
        refused_before=drift.before.value if drift.before.denominator else None,
        refused_after=drift.after.value if drift.after.denominator else None,
        alert=_alert(played),
        account=account_document(account),
    )


def _alert(played: Played) -> DemoAlert:
    judged = played.judged
    alert, evidence, after = judged.alert, judged.evidence, judged.noticed_after
    return DemoAlert(
        holds=judged.holds and played.is_watched,
        expected=judged.is_expected,
        detected=alert is not None,
        id=alert.id if alert else None,
        kind=alert.kind if alert else None,
        title=alert.title if alert else None,
        place=alert.place if alert else {},
        noticed_after_s=after.total_seconds() if after is not None else None,
        noticed_after_day_s=after.total_seconds() * judged.speed if after is not None else None,
        noticed_after_exchanges=judged.exchanges_until if alert else None,
        cell_right=judged.is_cell_right,
        injected_at=judged.injected_at,
        changed_from=evidence.changed_from if evidence else None,
        changed_until=evidence.changed_until if evidence else None,
        start_within=judged.is_start_within,
        rate_change=Estimate.model_validate(evidence.rate_change) if evidence else None,
        true_change=judged.true_change,
        size_within=judged.is_size_within,
        others=[f"{one.kind}: {one.title}" for one in judged.others],
        watched=played.is_watched,
    )


def _facts(stack: Stack) -> str:
    facts = stack.triton.facts
    kind = facts.get("server", facts.get("version", ""))
    return f"Ready: Kafka {stack.kafka.facts.get('version', '')}, Triton {kind}, ClickHouse engine over HTTP, workers".replace(
        "  ", " "
    )


def _say(console: Console, text: str) -> None:
    console.print(Text("▸ ", style="cyan").append(text, style="default"))


class _Screen(AbstractContextManager[Callable[[Moment], None]]):
    """The live table on a terminal; a line every few seconds elsewhere."""

    def __init__(self, console: Console, day: Day, as_json: bool) -> None:  # noqa: FBT001  # one place, one meaning
        self._console = console
        self._day = day
        is_live = console.is_terminal and not as_json
        self._live = Live(console=console, auto_refresh=False, transient=True) if is_live else None
        self._said_s = -_PLAIN_EVERY_S
        self._told: set[str] = set()

    def __enter__(self) -> Callable[[Moment], None]:
        (self._live or nullcontext()).__enter__()
        return self._show

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, moment: Moment) -> None:
        if self._live is not None:
            self._live.update(live_view(self._day, moment), refresh=True)
            return
        if moment.elapsed_s - self._said_s >= _PLAIN_EVERY_S:
            self._said_s = moment.elapsed_s
            self._console.print(plain_line(self._day, moment), soft_wrap=True)
        for alert in moment.alerts:
            if alert.id not in self._told:
                self._told.add(alert.id)
                self._console.print(*alert_lines([alert]), soft_wrap=True)
