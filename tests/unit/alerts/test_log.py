"""Alerts are found by the beginning of an id, a mute ends, and what comes again is no news."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor.alerts.log import Mute, is_news
from monitor.errors import Misconfigured
from schemas.alerts import Alert
from tests.unit.cli.alerts_fixture import (
    NOTICED_AT,
    NOW,
    done,
    log,
    shift,
)


def test_the_beginning_of_an_id_is_enough_if_there_is_one() -> None:
    one, other = shift(id="abc1" * 8), shift(id="abd2" * 8)
    known = log(one, other)
    assert known.find("abc") is one
    assert known.find(" ABD2") is other
    with pytest.raises(Misconfigured, match=r"2 alerts begin with 'ab'"):
        known.find("ab")
    with pytest.raises(Misconfigured, match=r"there is no alert 'ff'"):
        known.find("ff")
    with pytest.raises(Misconfigured, match="there is no alert ''"):
        known.find("")
    with pytest.raises(Misconfigured, match="3 records are of a newer release"):
        log(one, unreadable=3).find("ff")


def test_an_id_that_is_the_beginning_of_another_is_itself() -> None:
    one, other = shift(id="abcd"), shift(id="abcdef")
    assert log(one, other).find("abcd") is one


def test_a_mute_holds_until_its_end_or_an_unmute_or_the_end_of_the_alert() -> None:
    alert = shift()
    later = NOW + timedelta(hours=1)

    def mute_of(*actions: Any, of: Alert = alert) -> Mute | None:
        return log(of, actions=actions).mute_of(of, NOW)

    assert mute_of() is None
    assert mute_of(done(alert, "mute")) == Mute(None)
    assert mute_of(done(alert, "mute", until=later)) == Mute(later)
    assert mute_of(done(alert, "mute", until=NOW - timedelta(seconds=1))) is None
    assert mute_of(done(alert, "mute"), done(alert, "unmute")) is None
    assert mute_of(done(alert, "unmute"), done(alert, "mute"), done(alert, "acknowledge")) == Mute(None)
    assert mute_of(done(alert, "mute"), of=shift(state="resolved")) is None


def test_a_record_that_comes_again_is_no_news() -> None:
    before = shift()
    assert not is_news(before, before)
    assert not is_news(shift(at=NOTICED_AT - timedelta(seconds=1)), before)
    assert is_news(shift(at=NOTICED_AT + timedelta(seconds=1)), before)
    assert is_news(shift(state="resolved"), before)
