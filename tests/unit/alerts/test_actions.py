"""What a person may do with an alert, and what is said of it."""

from __future__ import annotations

from typing import get_args

import pytest

from monitor.alerts.actions import check_action, what_happens
from monitor.errors import Misconfigured
from schemas.alert_actions import Verb
from tests.unit.cli.alerts_fixture import (
    NOW,
    done,
    log,
    shift,
    stalled,
)


@pytest.mark.parametrize("verb", ["acknowledge", "resolve", "mute", "unmute"])
def test_an_alert_that_is_over_takes_no_action(verb: Verb) -> None:
    alert = shift(state="resolved", ended_at=NOW)
    with pytest.raises(Misconfigured, match=r"is over since 2026-03-03 12:13:35 UTC: resolved"):
        check_action(alert, verb, log(alert), NOW)


@pytest.mark.parametrize("verb", ["acknowledge", "resolve"])
def test_an_alert_about_the_stream_ends_with_its_cause_alone(verb: Verb) -> None:
    with pytest.raises(Misconfigured, match="ends when its cause is gone"):
        check_action(stalled(), verb, log(stalled()), NOW)
    check_action(stalled(), "mute", log(stalled()), NOW)


def test_an_alert_of_the_audits_can_be_ended_by_hand() -> None:
    fell = stalled(kind="separation_fell", place={"model": "atlas", "anchor_set": "matched"})
    refused = stalled(kind="audit_refused")
    for verb in get_args(Verb):
        if verb != "unmute":
            check_action(fell, verb, log(fell), NOW)
            check_action(refused, verb, log(refused), NOW)
    assert "becomes the baseline" in what_happens(fell, "acknowledge", NOW, None, within_s=6)
    assert "becomes the baseline" not in what_happens(refused, "acknowledge", NOW, None, within_s=6)
    assert "a new alert will say so" in what_happens(fell, "resolve", NOW, None, within_s=6)


def test_what_is_not_muted_can_not_be_unmuted() -> None:
    with pytest.raises(Misconfigured, match="isn't muted"):
        check_action(shift(), "unmute", log(shift()), NOW)
    check_action(shift(), "unmute", log(shift(), actions=(done(shift(), "mute"),)), NOW)


def test_a_shift_without_data_can_be_acted_on() -> None:
    for verb in ("acknowledge", "resolve", "mute"):
        check_action(shift(state="stale"), verb, log(), NOW)


def test_an_action_says_what_will_happen_and_when() -> None:
    assert what_happens(shift(), "acknowledge", NOW, None, within_s=6) == (
        "The new level (21.3 %) is normal, with the first window that ends after 2026-03-03 12:13:35 UTC, within about 12 s "
        "while data come. The alert ends as acknowledged, and its cells are watched from there."
    )
    assert "the level before (5.2 %)" in what_happens(shift(), "resolve", NOW, None, within_s=6)
    assert "until 2026-03-03 12:13:35 UTC" in what_happens(shift(), "mute", NOW, NOW, within_s=6)
    assert "until it is over" in what_happens(stalled(), "mute", NOW, None, within_s=6)
    assert "told of it again" in what_happens(stalled(), "unmute", NOW, None, within_s=6)
