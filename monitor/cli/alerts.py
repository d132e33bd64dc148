"""`watchkeeper alerts`: what fires, and what fired lately."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.adapters.control import alert_in, alert_log, newest
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.cli.alerts_view import alert_line, alert_text, alerts_view
from monitor.cli.console import output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.shapes import AlertsDocument
from monitor.cli.times import SYNTAX, parse_time
from monitor.settings import KafkaSettings
from schemas.alerts import Alert


def alerts(
    *,
    since: Annotated[str, typer.Option(help=f"Begin there: {SYNTAX}.", metavar="TIME")] = "24h",
    watch: Annotated[bool, typer.Option("--watch", help="Go on, with a line for each change.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document; with --watch one an alert.")
    ] = False,
) -> None:
    """Alerts from the alerts topic: those that fire first, each with the next step, then those that are over.

    An alert fires until its cause is gone: a worker without progress, a partition that nobody owns, a guard without
    answers, too many dead letters. docs/alerts.md lists all kinds. Reading joins no consumer group.

    Examples:
        watchkeeper alerts
        watchkeeper alerts --watch
        watchkeeper alerts --since 7d --json | jq '.alerts[] | select(.state == "firing") | .title'
    """
    begin = parse_time(since, datetime.now(UTC), option="--since")
    settings = parts_here().settings.kafka
    asyncio.run(_alerts(settings, begin, watch=watch, as_json=as_json))


async def _alerts(settings: KafkaSettings, begin: datetime, *, watch: bool, as_json: bool) -> None:
    async with KafkaAdmin.connect(settings) as admin:
        ends = {
            number: offsets.end for number, offsets in (await admin.ranges(settings.alerts_topic)).items()
        }
        log = await alert_log(admin, settings.alerts_topic, begin)
        stand = sorted(newest(log, settings.group_prefix), key=lambda alert: alert.state != "firing")
        if as_json and watch:
            for alert in stand:
                print_json(alert_line(alert))
        elif as_json:
            firing = sum(alert.state == "firing" for alert in stand)
            print_json(AlertsDocument(since=begin, firing=firing, alerts=list(map(alert_line, stand))))
        else:
            output().print(alerts_view(stand, datetime.now(UTC)))
        if watch:
            await _watch(admin, settings, ends, {alert.id: alert for alert in stand}, as_json=as_json)


async def _watch(
    admin: KafkaAdmin,
    settings: KafkaSettings,
    ends: dict[int, int],
    known: dict[str, Alert],
    *,
    as_json: bool,
) -> None:
    async for records in admin.follow(settings.alerts_topic, ends):
        for record in records:
            alert = alert_in(record)
            if alert is None or alert.fleet != settings.group_prefix:
                continue
            before = known.get(alert.id)
            known[alert.id] = alert
            if before is not None and (before.state, before.at) >= (alert.state, alert.at):
                continue  # told once before
            if as_json:
                print_json(alert_line(alert))
            elif before is None or before.state != alert.state or before.title != alert.title:
                output().print(alert_text(alert, datetime.now(UTC)), soft_wrap=True)
