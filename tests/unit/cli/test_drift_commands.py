"""How the watch is said to stand, and its state made anew from history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import pytest

from monitor.adapters.windows import WatchTables
from monitor.alerts.log import Done
from monitor.cli.drift import is_late, status_document
from monitor.cli.drift_rebuild import Made, document_of, remake
from monitor.cli.drift_view import status_view, told_view
from monitor.cli.watch_state import nothing_kept
from monitor.drift.kept import Kept
from monitor.drift.needs import Need
from monitor.drift.policy import DriftPolicy
from monitor.drift.ports import Checkpoint
from monitor.drift.remembering import Memory
from monitor.drift.watch import Watch
from monitor.drift_settings import DriftSettings
from monitor.settings import Settings
from schemas.alert_actions import AlertAction
from schemas.windows import Window
from tests.unit.cli.rendering import rendered
from tests.unit.drift.windows import BEGIN, shifting

NOW = BEGIN + timedelta(hours=5)
SETTINGS = Settings()


def kept(state: bytes | None) -> Kept:
    return Kept(Checkpoint(0, NOW - timedelta(minutes=1), "0.1.0", NOW, 10_240), state)


@dataclass
class FakeTables:
    """Closed windows by a plan, which answer needs as the store does."""

    given: list[Window]
    fleet: str = "watchkeeper"

    async def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        for window in self.given:
            if since <= window.begins_at < until:
                yield window

    async def history(self, need: Need) -> tuple[Window, ...]:
        memory = Memory()
        for window in self.given:
            if window.begins_at < need.until:
                memory.take(window)
        return memory.history(need)


async def made(*actions: Done, since: datetime = BEGIN) -> Made | None:
    tables = FakeTables(list(shifting(300, 240)))
    watch = Watch.new(DriftPolicy(), "watchkeeper")
    return await remake(cast(WatchTables, tables), watch, actions, since, on_progress=lambda _: None)


async def test_a_state_is_made_anew_from_the_windows_and_says_what_fires() -> None:
    found = await made()

    assert found is not None
    assert (found.windows, found.since, found.position) == (300, BEGIN, BEGIN + timedelta(minutes=300))
    document = document_of(found, is_written=False)
    assert [told.place.get("model") for told in document.firing] == ["atlas"]
    assert document.over == 0
    assert "rose" in rendered(told_view(document.firing, "Alerts that fire in it"), 80)
    again = Watch.from_bytes(found.watch.to_bytes(), DriftPolicy(), "watchkeeper")
    assert [alert.id for alert in again.firing()] == [alert.id for alert in found.watch.firing()]


async def test_what_people_did_is_done_again_at_its_time() -> None:
    found = await made()
    assert found is not None
    (alert,) = found.watch.firing()
    action = AlertAction(
        alert_id=alert.id, fleet="watchkeeper", verb="acknowledge", by="ada", note="", until=None
    )
    acknowledged = await made(Done(action, alert.started_at + timedelta(minutes=3)))

    assert acknowledged is not None
    assert acknowledged.ledger.told[alert.id].last.state == "acknowledged"
    assert [one.id for one in acknowledged.watch.firing() if one.id == alert.id] == []
    assert document_of(acknowledged, is_written=False).over >= 1


async def test_without_windows_there_is_nothing_to_make() -> None:
    assert await made(since=NOW + timedelta(days=1)) is None


async def test_the_state_is_shown_with_its_lag_and_streams() -> None:
    found = await made()
    assert found is not None
    document = status_document(SETTINGS, kept(found.watch.to_bytes()), NOW - timedelta(seconds=7), NOW)

    assert (document.readable, document.firing, document.lag_s) == (True, 1, 7.0)
    assert not is_late(document)
    shown = rendered(status_view(document, is_late=False), 80)
    assert "windows closed until  2026-03-02 04:59:53 UTC, 7 s ago" in shown
    assert "last checkpoint       2026-03-02 04:59:00 UTC, 10 KiB, by release 0.1.0" in shown
    assert "1 shift firing: `watchkeeper alerts`." in shown
    assert sum(document.streams["refusal"].values()) == 3


@pytest.mark.parametrize("state", [None, b"", b"nonsense", b"\x00" * 500])
def test_a_damaged_state_names_the_rebuild(state: bytes | None) -> None:
    document = status_document(SETTINGS, kept(state), NOW, NOW)

    assert not document.readable
    assert "drift rebuild" in document.trouble
    assert "→" in rendered(status_view(document, is_late=False), 60)


def test_without_a_state_it_is_said_why() -> None:
    assert "no window has been closed yet" in status_document(SETTINGS, None, None, NOW).trouble
    off = SETTINGS.model_copy(update={"drift": DriftSettings(enabled=False)})
    document = status_document(off, None, None, NOW)
    assert "WATCHKEEPER_DRIFT__ENABLED is false" in document.trouble
    shown = rendered(status_view(document, is_late=False), 60)
    assert "aren't watched by these settings" in shown
    assert "no state of the watch is kept yet" in str(nothing_kept(SETTINGS, NOW))


def test_a_watch_that_is_behind_says_who_to_ask() -> None:
    document = status_document(SETTINGS, None, NOW - timedelta(minutes=3), NOW)

    assert is_late(document)
    assert "`watchkeeper check` names the part" in rendered(status_view(document, is_late=True), 80)
    assert status_document(SETTINGS, None, NOW + timedelta(hours=1), NOW).lag_s == 0.0
