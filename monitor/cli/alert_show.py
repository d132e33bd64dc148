"""`watchkeeper alerts show`: one alert, explained."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.adapters.alert_log import EVER, read_alerts
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.alerts.log import AlertLog
from monitor.cli.alert_explained import explained
from monitor.cli.alerts_shapes import ActionLine, AlertDocument, EvidenceDocument
from monitor.cli.alerts_view import alert_line
from monitor.cli.console import output, print_json
from monitor.cli.parts import parts_here
from monitor.kafka_settings import KafkaSettings
from schemas.alerts import Alert


def show(
    alert: Annotated[
        str,
        typer.Argument(help="The alert's id, from `alerts`; its beginning is enough.", metavar="ID"),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """One alert, explained: what shifted, where, by how much and since when, each with its interval, and what that rests on.

    Shows the rate over time against its baseline, the cells that contribute, whether the mix of the traffic explains it,
    what else says the same, how soon such a shift is noticed, whose labels are counted, ids of some of the exchanges,
    and the SQL that brings the rows. Nothing of what people wrote is in it.

    Examples:
        watchkeeper alerts show 98ddc0f4
        watchkeeper alerts show 98ddc0f4 --json | jq -r .drift.query
    """
    log = asyncio.run(_log(parts_here().settings.kafka))
    found = log.find(alert)
    now = datetime.now(UTC)
    if as_json:
        print_json(alert_document(found, log, now))
        return
    console = output()
    console.print(
        explained(
            found, now, console.width, mute=log.mute_of(found, now), actions=log.actions.get(found.id, ())
        )
    )


def alert_document(alert: Alert, log: AlertLog, now: datetime) -> AlertDocument:
    """What `--json` prints."""
    return AlertDocument(
        alert=alert_line(alert, log.mute_of(alert, now)),
        drift=EvidenceDocument.model_validate(alert.drift) if alert.drift is not None else None,
        actions=[
            ActionLine(
                at=done.at,
                verb=done.action.verb,
                by=done.action.by,
                note=done.action.note,
                until=done.action.until,
            )
            for done in log.actions.get(alert.id, ())
        ],
    )


async def _log(settings: KafkaSettings) -> AlertLog:
    async with KafkaAdmin.connect(settings) as admin:
        return await read_alerts(admin, settings, EVER)
