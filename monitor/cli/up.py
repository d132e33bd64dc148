"""`watchkeeper up`: the embedded stack until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from monitor.cli.activation import activation
from monitor.cli.console import notes, output, print_json
from monitor.cli.dashboard import with_token
from monitor.cli.failures import Interrupted
from monitor.cli.parts import ADDRESSES
from monitor.cli.shapes import UpDocument
from monitor.cli.stack_progress import StackProgress
from monitor.embedded.registry import Addresses
from monitor.embedded.stack import STACK_DEFAULTS, Stack
from monitor.errors import Misconfigured
from monitor.settings import Settings, load
from monitor.web.serving import Dashboard, serving
from monitor.wording.visible import visible

_TRY: Final = (
    ("watchkeeper replay FILE.jsonl", "send chat logs through it"),
    ("watchkeeper rates --watch", "refusal and harm rates, live"),
    ("watchkeeper tail", "verdicts as they arrive"),
    ("watchkeeper account", "prove that nothing was lost"),
)


def up(
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; kept between runs.", metavar="FOLDER", show_default="the user's data folder"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON when all is ready, then keep running.")
    ] = False,
) -> None:
    """Run the embedded stack until Ctrl-C: Kafka, Triton, the ClickHouse engine, the workers and the dashboard.

    It prints the dashboard's address, which logs a browser in: whoever has it may acknowledge, mute and approve. All listen on this machine only, on free ports. The other commands find them by themselves. Data stays in the
    folder; one stack can run on a folder at a time. The first start downloads Kafka (43 MB) and keeps it.

    Examples:
        watchkeeper up
        watchkeeper up --data /tmp/try
        watchkeeper up --json > stack.json &
    """
    settings = load(os.environ, STACK_DEFAULTS)
    asyncio.run(_run(settings, data, show=_print_line if as_json else _print_panel))


def _print_line(addresses: Addresses, dashboard: Dashboard | None) -> None:
    print_json(up_document(addresses, dashboard))


def _print_panel(addresses: Addresses, dashboard: Dashboard | None) -> None:
    output().print(panel(addresses, dashboard), soft_wrap=True)


async def _run(
    settings: Settings, data: Path | None, *, show: Callable[[Addresses, Dashboard | None], None]
) -> None:
    """Start, show where all is, wait for a signal, stop. A signal while parts still start gives up at once."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    console = notes()
    with StackProgress(console) as progress:
        stack = Stack(data, settings, on_progress=progress)
        starting = asyncio.ensure_future(stack.__aenter__())
        waiting = asyncio.ensure_future(ended.wait())
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
    if starting.cancelled():
        raise Interrupted("interrupted while the parts were starting: all that was started has been stopped")
    await starting  # raises what kept it from starting
    try:
        async with dashboard_beside(settings, stack.environment(), console) as dashboard:
            if not ended.is_set():
                _warn_of_settings(console)
                show(stack.addresses, dashboard)
            await waiting
        console.print(Text("stopping: the workers drain first…", style="dim"))
    finally:
        await stack.__aexit__(None, None, None)


@asynccontextmanager
async def dashboard_beside(
    settings: Settings, environment: Mapping[str, str], console: Console
) -> AsyncIterator[Dashboard | None]:
    """The dashboard of a stack that runs, in this process, with a token of this start unless one is set. None where it is
    switched off, or can't be served, which is said and stops nothing."""
    if not settings.web.enabled:
        yield None
        return
    own = {name: value for name, value in os.environ.items() if name.upper() not in ADDRESSES}
    found = load({**own, **environment}, STACK_DEFAULTS)
    async with AsyncExitStack() as stack:
        try:
            served = await stack.enter_async_context(
                serving(with_token(found.model_copy(update={"drift": settings.drift})))
            )
        except Misconfigured as exc:
            console.print(Text("no dashboard: ", style="bold yellow").append(str(exc), style="default"))
            served = None
        yield served


def _warn_of_settings(console: Console) -> None:
    given = [name for name in ADDRESSES if os.environ.get(name)]
    if given:
        console.print(
            Text("note: ", style="bold yellow").append(
                f"{', '.join(given)} is set here, so other commands in this shell use that instead of this stack.",
                style="default",
            )
        )


def up_document(addresses: Addresses, dashboard: Dashboard | None = None) -> UpDocument:
    """What `up --json` prints."""
    return UpDocument(
        kafka=addresses.kafka,
        triton=addresses.triton,
        clickhouse=addresses.clickhouse,
        workers=addresses.workers,
        dashboard=dashboard.url if dashboard is not None else "",
        dashboard_login=dashboard.login_url if dashboard is not None else "",
        data=str(addresses.data),
        pids=dict(addresses.pids),
        environment=addresses.environment,
    )


def panel(addresses: Addresses, dashboard: Dashboard | None = None) -> Group:
    """Where all is, and what to do next."""
    places = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    places.add_column(style="bold", no_wrap=True)
    places.add_column(overflow="fold")
    for part, place in (
        ("Kafka", addresses.kafka),
        (
            "Triton",
            f"{addresses.triton} (gRPC)"
            + (f", {addresses.triton_http} (HTTP)" if addresses.triton_http else ""),
        ),
        ("ClickHouse", addresses.clickhouse),
        ("metrics", f"{addresses.workers}/metrics"),
        ("data", str(addresses.data)),
        *((("dashboard", dashboard.login_url or dashboard.url),) if dashboard is not None else ()),
    ):
        places.add_row(part, Text(visible(place), style="cyan"))
    steps = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    steps.add_column(style="cyan", no_wrap=True)
    steps.add_column(style="dim")
    for command, what in (*activation(), *_TRY):
        steps.add_row(command, what)
    return Group(
        Text("Watchkeeper is up.", style="bold green"),
        Text(),
        places,
        Text(),
        Text("In another terminal:"),
        steps,
        Text(),
        Text("Ctrl-C stops it; the data is kept.", style="dim"),
    )
