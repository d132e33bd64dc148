"""`watchkeeper alerts ack | resolve | mute | unmute`: what a person does with an alert."""

from __future__ import annotations

import asyncio
import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from monitor.adapters.alert_log import EVER, read_alerts, write_action
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.alerts.actions import MOST_NOTE_CHARS, check_action, what_happens
from monitor.cli.alerts_shapes import ActionDocument
from monitor.cli.console import output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.times import parse_span, parse_time
from monitor.errors import Misconfigured
from monitor.settings import Settings
from monitor.wording.visible import visible
from schemas.alert_actions import AlertAction, Verb

_Id = Annotated[
    str, typer.Argument(help="The alert's id, from `alerts`; its beginning is enough.", metavar="ID")
]
_Note = Annotated[str, typer.Option(help="Why; kept with the alert.", metavar="TEXT", show_default=False)]
_By = Annotated[
    str | None,
    typer.Option(help="Who; kept with the alert.", metavar="NAME", show_default="your login name"),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def acknowledge(alert: _Id, *, note: _Note = "", by: _By = None, as_json: _Json = False) -> None:
    """Take the new level for normal: the alert ends as acknowledged, and its cells are armed again at the level that they have now.

    For a shift that is meant, a new system prompt or a new customer, say: the level moves by the shift, the season of the
    week stays. A further shift from there is a new alert. An alert about the stream itself ends when its cause is gone; it can be
    muted.

    Examples:
        watchkeeper alerts ack 98ddc0f4 --note "new system prompt since noon"
    """
    _run(alert, "acknowledge", note=note, by=by, until=None, as_json=as_json)


def resolve(alert: _Id, *, note: _Note = "", by: _By = None, as_json: _Json = False) -> None:
    """End an alert by hand: its cells are armed again at the level that they had before.

    For a cause that you know to be gone, before the data alone show it. If it isn't gone, a new alert says so soon. An
    alert about the stream itself ends when its cause is gone; it can be muted.

    Examples:
        watchkeeper alerts resolve 98ddc0f4 --note "rolled back"
    """
    _run(alert, "resolve", note=note, by=by, until=None, as_json=as_json)


def mute(
    alert: _Id,
    *,
    length: Annotated[
        str | None,
        typer.Option("--for", help="For so long: 30m, 2h, 3d, 1w.", metavar="LENGTH", show_default=False),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Until then: 2026-05-01 or 2026-05-01T10:30Z; UTC.",
            metavar="TIME",
            show_default="it is over",
        ),
    ] = None,
    note: _Note = "",
    by: _By = None,
    as_json: _Json = False,
) -> None:
    """Tell no channel of an alert for a while, or until it is over. It fires on, and is listed.

    Examples:
        watchkeeper alerts mute 98ddc0f4 --for 2h
        watchkeeper alerts mute 98ddc0f4 --until 2026-05-01 --note maintenance
    """
    now = datetime.now(UTC)
    if length is not None and until is not None:
        raise Misconfigured("both --for and --until are given", "give one of them")
    end = parse_time(until, now, option="--until") if until is not None else None
    if length is not None:
        end = now + parse_span(length, option="--for")
    if end is not None and end <= now:
        raise Misconfigured(f"--until {until!r} is over", "give a time to come, or --for 2h")
    _run(alert, "mute", note=note, by=by, until=end, as_json=as_json)


def unmute(alert: _Id, *, note: _Note = "", by: _By = None, as_json: _Json = False) -> None:
    """Tell the channels of a muted alert again.

    Examples:
        watchkeeper alerts unmute 98ddc0f4
    """
    _run(alert, "unmute", note=note, by=by, until=None, as_json=as_json)


def _run(
    prefix: str, verb: Verb, *, note: str, by: str | None, until: datetime | None, as_json: bool
) -> None:
    if len(note) > MOST_NOTE_CHARS:
        raise Misconfigured(
            f"--note has {len(note):,} characters, more than {MOST_NOTE_CHARS:,}", "say it shorter"
        )
    settings = parts_here().settings
    who = by if by is not None else login()
    document = asyncio.run(_act(settings, prefix, verb, note=note, by=who, until=until))
    if as_json:
        print_json(document)
        return
    said = Text("✓ ", style="green").append(visible(document.title), style="bold")
    output().print(said.append(f"\n  {document.what_happens}", style="default"))


async def _act(
    settings: Settings, prefix: str, verb: Verb, *, note: str, by: str, until: datetime | None
) -> ActionDocument:
    kafka = settings.kafka
    async with KafkaAdmin.connect(kafka) as admin:
        log = await read_alerts(admin, kafka, EVER)
        now = datetime.now(UTC)
        alert = log.find(prefix)
        check_action(alert, verb, log, now)
        await admin.require_topic(kafka.alert_actions_topic)
    action = AlertAction(
        alert_id=alert.id, fleet=kafka.group_prefix, verb=verb, by=by, note=note, until=until
    )
    await write_action(kafka, action)
    written_at = datetime.now(UTC)
    return ActionDocument(
        alert_id=alert.id,
        kind=alert.kind,
        title=alert.title,
        verb=verb,
        by=by,
        note=note,
        until=until,
        written_at=written_at,
        what_happens=what_happens(
            alert, verb, written_at, until, within_s=settings.drift.window_s + settings.drift.settle_s
        ),
    )


def login() -> str:
    """Who is logged in here; empty where nobody can tell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
