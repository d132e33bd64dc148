"""`watchkeeper dashboard`: the pages in a browser, until Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
import signal
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.text import Text

from monitor.cli.console import notes, output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.shapes import DashboardDocument
from monitor.logs import configure
from monitor.settings import Settings
from monitor.web.serving import Dashboard, serving


def dashboard(
    *,
    port: Annotated[
        int | None,
        typer.Option(help="Serve it there.", min=0, max=65_535, metavar="PORT", show_default="the setting"),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Serve it on that address.", metavar="HOST", show_default="the setting")
    ] = None,
    login: Annotated[
        bool,
        typer.Option(
            "--login",
            help="Make a token for this run, where none is set, and print the address that logs in with it.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON when it is served, then keep serving.")
    ] = False,
) -> None:
    """The dashboard in a browser: live rates with intervals and baselines, events, alerts, audits, calibrations, the pipeline.

    It asks ClickHouse and Kafka, and waits for either that is away. Anybody who reaches the address can read; to acknowledge,
    mute or approve takes the token in WATCHKEEPER_WEB__TOKEN. `watchkeeper up` serves it by itself.

    Examples:
        watchkeeper dashboard
        watchkeeper dashboard --port 9000 --login
    """
    settings = parts_here().settings
    changes: dict[str, object] = {}
    if port is not None:
        changes["port"] = port
    if host is not None:
        changes["host"] = host
    settings = settings.model_copy(update={"web": settings.web.model_copy(update=changes)})
    if login:
        settings = with_token(settings)
    configure(settings.worker)
    asyncio.run(_serve(settings, as_json=as_json, is_shown=login))


def with_token(settings: Settings) -> Settings:
    """The settings with a token to log in with: a new one, where none is set."""
    if settings.web.token.get_secret_value():
        return settings
    token = SecretStr(secrets.token_urlsafe(24))
    return settings.model_copy(update={"web": settings.web.model_copy(update={"token": token})})


async def _serve(settings: Settings, *, as_json: bool, is_shown: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    async with serving(settings) as served:
        if as_json:
            print_json(DashboardDocument(url=served.url, login_url=served.login_url if is_shown else ""))
        else:
            output().print(address_text(served, is_shown=is_shown), soft_wrap=True)
        await ended.wait()
    notes().print(Text("The dashboard has stopped.", style="dim"))


def address_text(served: Dashboard, *, is_shown: bool) -> Text:
    """Where it is, and how to log in."""
    text = Text("Dashboard: ", style="bold").append(served.url, style="cyan")
    if is_shown and served.login_url:
        text.append("\nto act:    ", style="bold").append(served.login_url, style="cyan")
    elif not served.token:
        text.append("  (for reading; --login or WATCHKEEPER_WEB__TOKEN lets you act)", style="dim")
    return text
