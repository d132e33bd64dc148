"""`watchkeeper alerts`: what fires, and what fired lately."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.adapters.alert_log import read_alerts
from monitor.adapters.control import alert_in
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.alerts.log import AlertLog, is_news
from monitor.cli.alerts_shapes import AlertsDocument
from monitor.cli.alerts_view import alert_line, alert_text, alerts_view
from monitor.cli.console import output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.times import SYNTAX, parse_time
from monitor.kafka_settings import KafkaSettings


def alerts(
    *,
    since: Annotated[str, typer.Option(help=f"Begin there: {SYNTAX}.", metavar="TIME")] = "24h",
    watch: Annotated[bool, typer.Option("--watch", help="Go on, with a line for each change.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document; with --watch one an alert.")
    ] = False,
) -> None:
    """Alerts from the alerts topic: those that fire first, each with the next step, then those that are over.

    An alert about the rates fires until they are as before, or until a person takes the new level for normal (`alerts
    ack`). One about the stream itself fires until its cause is gone: a worker without progress, a partition that nobody
    owns, a guard without answers, too many dead letters. docs/alerts.md lists all kinds. Reading joins no consumer group.

    Examples:
        watchkeeper alerts
        watchkeeper alerts --watch
        watchkeeper alerts --since 7d
        watchkeeper alerts --json | jq '.alerts[] | select(.state == "firing")'
        watchkeeper alerts show 98ddc0f4
    """
    begin = parse_time(since, datetime.now(UTC), option="--since")
    settings = parts_here().settings.kafka
    asyncio.run(_alerts(settings, begin, watch=watch, as_json=as_json))


async def _alerts(settings: KafkaSettings, begin: datetime, *, watch: bool, as_json: bool) -> None:
    async with KafkaAdmin.connect(settings) as admin:
        ends = {
            number: offsets.end for number, offsets in (await admin.ranges(settings.alerts_topic)).items()
        }
        log = await read_alerts(admin, settings, begin)
        now = datetime.now(UTC)
        lines = [alert_line(alert, log.mute_of(alert, now)) for alert in log.alerts]
        if as_json and watch:
            for line in lines:
                print_json(line)
        elif as_json:
            print_json(
                AlertsDocument(
                    since=begin,
                    firing=sum(line.state == "firing" for line in lines),
                    stale=sum(line.state == "stale" for line in lines),
                    alerts=lines,
                    unreadable=log.unreadable,
                )
            )
        else:
            output().print(alerts_view(log, now))
        if watch:
            await _watch(admin, settings, ends, log, as_json=as_json)


async def _watch(
    admin: KafkaAdmin,
    settings: KafkaSettings,
    ends: dict[int, int],
    log: AlertLog,
    *,
    as_json: bool,
) -> None:
    known = {alert.id: alert for alert in log.alerts}
    async for records in admin.follow(settings.alerts_topic, ends):
        for record in records:
            alert = alert_in(record)
            if alert is None or alert.fleet != settings.group_prefix:
                continue
            before = known.get(alert.id)
            if before is not None and not is_news(alert, before):
                continue  # told once before
            known[alert.id] = alert
            if as_json:
                print_json(alert_line(alert, log.mute_of(alert, datetime.now(UTC))))
            elif before is None or before.state != alert.state or before.title != alert.title:
                output().print(alert_text(alert, datetime.now(UTC)), soft_wrap=True)
