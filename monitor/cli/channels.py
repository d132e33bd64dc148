"""`watchkeeper channels`: who is told of alerts, and a test alert through each."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from monitor.adapters.channels.connect import alert_channel
from monitor.cli.channel_shapes import ChannelLine, ChannelsDocument, SecretLine, TriedDocument, TriedLine
from monitor.cli.console import notes, output, print_json
from monitor.cli.exits import ExitCode
from monitor.cli.parts import parts_here
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.notifying.channels import Alertmanager, Channel, Email, Takes
from monitor.notifying.channels_file import read_channels
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import News
from monitor.notifying.quiet_hours import DAYS, QuietHours
from monitor.notifying.references import Secrets, is_reference
from monitor.ports import AlertChannel
from monitor.settings import Settings, variable
from monitor.version import watchkeeper_version
from monitor.wording.visible import visible
from schemas.alerts import Alert, Source, alert_id

TEST_KIND: Final = "channel_test"
_SECRETS: Final = ("url", "secret", "routing_key", "bearer_token", "password", "proxy")
_MARKS: Final = {"told": ("✓", "green"), "retryable": ("!", "yellow")}


def channels(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
) -> None:
    """Who is told of alerts and who gets the weekly report: the channels of the file, what each takes, when it is left alone, and
    where its secrets are.

    The file is named by WATCHKEEPER_CHANNELS__FILE; docs/channels.md says how to write it. What is wrong with it is told
    all at once, with its lines. Secrets are shown as what they are in the file: references.

    Examples:
        watchkeeper channels
        watchkeeper channels test
        watchkeeper channels --json | jq '.channels[] | select(.takes == [])'
    """
    settings = parts_here().settings
    secrets = Secrets(os.environ)
    found = [channel_line(one, secrets) for one in _configured(settings)]
    if as_json:
        file = settings.channels.file
        print_json(ChannelsDocument(file=None if file is None else str(file), channels=found))
    elif settings.channels.file is None:
        output().print(
            f"No file of channels is set ({variable('channels', 'file')}): alerts go to the topic "
            f"{settings.kafka.alerts_topic} and to the log alone.",
            soft_wrap=True,
        )
    else:
        output().print(channels_view(found))


def try_out(
    name: Annotated[
        str | None, typer.Argument(help="The channel; all of them unless given.", metavar="NAME")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Send a test alert through each channel, or through one, and say what came back.

    It is sent from here, with the secrets of this machine's environment and files: where the workers run with others, run it
    there. Routing, quiet hours and mutes don't count. The alert says in its first words that it is a test; at PagerDuty it is
    resolved at once, at Alertmanager it ends by itself. Exit code 1 if a channel didn't take it.

    Examples:
        watchkeeper channels test
        watchkeeper channels test oncall --json
    """
    settings = parts_here().settings
    chosen = [one for one in _configured(settings) if name is None or one.name == name]
    if not chosen:
        raise Misconfigured(
            "there is no channel to try"
            if name is None
            else f"there is no channel {visible(name)!r} in the file",
            f"name it in the file that {variable('channels', 'file')} names; `watchkeeper channels` lists them",
        )
    secrets = Secrets(os.environ)
    with notes().status("telling the channels…"):
        tried = asyncio.run(try_all([(one, alert_channel(one, secrets)) for one in chosen], settings))
    if as_json:
        print_json(TriedDocument(channels=tried))
    else:
        output().print(tried_view(tried))
    if any(one.outcome != "told" for one in tried):
        raise typer.Exit(ExitCode.PROBLEM)


async def try_all(pairs: list[tuple[Channel, AlertChannel]], settings: Settings) -> list[TriedLine]:
    """A test alert through each, side by side."""
    alert = tried_out(settings.kafka.group_prefix, datetime.now(UTC))
    return list(await asyncio.gather(*(_tried(channel, adapter, alert) for channel, adapter in pairs)))


def tried_out(fleet: str, now: datetime) -> Alert:
    """The test alert."""
    place = {"part": "channels"}
    return Alert(
        id=alert_id(fleet, TEST_KIND, place, now),
        fleet=fleet,
        kind=TEST_KIND,
        severity="info",
        state="firing",
        started_at=now,
        at=now,
        ended_at=None,
        title="a test of this channel: nothing is wrong",
        place=place,
        facts={},
        remedy="nothing is to be done: somebody has run `watchkeeper channels test`",
        source=Source("command line", watchkeeper_version()),
    )


def channel_line(channel: Channel, secrets: Secrets) -> ChannelLine:
    """A channel as it is shown."""
    again_s = channel.resend_every_s if isinstance(channel, Alertmanager) else channel.remind_every_s
    return ChannelLine(
        name=channel.name,
        type=channel.type,
        target=channel.host if isinstance(channel, Email) else _host_of(channel.url),
        alerts=channel.alerts,
        reports=channel.reports,
        takes=[_way(one) for one in channel.takes],
        group_by=list(channel.group_by),
        quiet=[_hours(one) for one in channel.quiet],
        again_every_s=again_s,
        allow_private=channel.allow_private,
        secrets=[
            SecretLine(setting=name, reference=value, is_there=_is_there(secrets, value))
            for name in _SECRETS
            if isinstance(value := getattr(channel, name, None), str) and is_reference(value)
        ],
    )


def channels_view(lines: list[ChannelLine]) -> Group:
    """Each channel with what it takes, as a person reads it."""
    rows: list[RenderableType] = []
    for line in lines:
        rows.append(
            Text(visible(line.name), style="bold").append(
                f"  {line.type}, {visible(line.target)}", style="dim"
            )
        )
        facts = [
            _taken(line),
            *(["gets the weekly report"] if line.reports else []),
            *([f"in groups by {', '.join(line.group_by)}"] if line.group_by else []),
            *(f"quiet {one}" for one in line.quiet),
            *([f"told again every {line.again_every_s:g} s"] if line.again_every_s else []),
            *(["may be on a private network"] if line.allow_private else []),
        ]
        rows += [Padding(Text(visible(fact)), (0, 0, 0, 2)) for fact in facts]
        for secret in line.secrets:
            mark, style = ("✓", "green") if secret.is_there else ("!", "yellow")
            said = f"{secret.setting}: {visible(secret.reference)}{'' if secret.is_there else ', which is not there'}"
            rows.append(Padding(Text(f"{mark} ", style=style).append(said, style="default"), (0, 0, 0, 2)))
    rows.append(Text(f"{len(lines)} channel{'' if len(lines) == 1 else 's'}.", style="bold"))
    return Group(*rows)


def tried_view(lines: list[TriedLine]) -> Group:
    """What came back, channel by channel."""
    rows: list[RenderableType] = []
    for line in lines:
        mark, style = _MARKS.get(line.outcome, ("✗", "bold red"))
        what, _, remedy = line.error.partition("\n  → ")
        said = f"{line.name}  {line.outcome} in {line.seconds:.1f} s{f': {what}' if what else ''}"
        rows.append(Text(f"{mark} ", style=style).append(visible(said), style="default"))
        if remedy:
            rows.append(
                Padding(Text("→ ", style="bold green").append(visible(remedy), style="default"), (0, 0, 0, 2))
            )
    return Group(*rows)


async def _tried(channel: Channel, adapter: AlertChannel, alert: Alert) -> TriedLine:
    began_s = time.monotonic()
    telling = Telling(alert, News.BEGAN, "test", due_s=alert.at.timestamp())
    outcome, error = "told", ""
    try:
        await adapter.tell(Message(channel.name, (telling,), is_test=True))
    except Rejected as exc:
        outcome, error = "refused", str(exc)
    except Retryable as exc:
        outcome, error = "retryable", str(exc)
    except Misconfigured as exc:
        outcome, error = "misconfigured", str(exc)
    return TriedLine.model_validate(
        {
            "name": channel.name,
            "type": channel.type,
            "outcome": outcome,
            "seconds": round(time.monotonic() - began_s, 3),
            "error": error,
        }
    )


def _configured(settings: Settings) -> tuple[Channel, ...]:
    return () if settings.channels.file is None else read_channels(settings.channels.file)


def _taken(line: ChannelLine) -> str:
    if not line.alerts:
        return "takes no alerts"
    return f"takes {'; or '.join(line.takes)}" if line.takes else "takes all alerts"


def _host_of(url: str) -> str:
    return url if is_reference(url) else url.partition("://")[2].partition("/")[0]


def _way(takes: Takes) -> str:
    parts = [
        *(["/".join(takes.severities)] if takes.severities else []),
        *([f"kind {'/'.join(takes.kinds)}"] if takes.kinds else []),
        *([f"tenant {'/'.join(takes.tenants)}"] if takes.tenants else []),
        *(
            f"{key} {value if isinstance(value, str) else '/'.join(value)}"
            for key, value in takes.place.items()
        ),
    ]
    return ", ".join(parts) or "all"


def _hours(hours: QuietHours) -> str:
    days = "" if hours.days == DAYS else f" on {', '.join(hours.days)}"
    passes = f", but for {'/'.join(hours.passes)}" if hours.passes else ""
    return f"{hours.begins:%H:%M} to {hours.ends:%H:%M} {hours.time_zone}{days}{passes}"


def _is_there(secrets: Secrets, reference: str) -> bool:
    try:
        secrets.look_up(reference)
    except Misconfigured:
        return False
    return True
