"""The alerts as the dashboard holds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from monitor.adapters.alert_feed import Entry
from monitor.settings import load
from monitor.web.alert_book import SINCE, AlertBook
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert
from tests.unit.cli.alerts_fixture import shift

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def book() -> AlertBook:
    return AlertBook(load({}).kafka, lambda _: None, lambda: None)


def alert(number: int, at: datetime, *, is_over: bool) -> Alert:
    state = "resolved" if is_over else "firing"
    return replace(
        shift(), id=f"{number:032x}", state=state, started_at=at, at=at, ended_at=at if is_over else None
    )


def test_what_is_over_for_long_is_forgotten_and_what_fires_never() -> None:
    held = book()
    old, new = NOW - SINCE - timedelta(hours=1), NOW - timedelta(hours=1)
    alerts = (alert(1, old, is_over=True), alert(2, old, is_over=False), alert(3, new, is_over=True))
    for number, one in enumerate(alerts):
        held._take(Entry(one, number, one.at.timestamp()))
        action = AlertAction(alert_id=one.id, fleet=one.fleet, verb="mute", by="x", note="", until=None)
        held._take(Entry(action, 10 + number, one.at.timestamp()))

    held.forget(NOW)

    assert {one.id for one in held.log.alerts} == {alerts[1].id, alerts[2].id}
    assert set(held.log.actions) == {alerts[1].id, alerts[2].id}
    assert held.firing == 1
