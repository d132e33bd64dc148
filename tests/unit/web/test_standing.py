"""The one sentence at the top of the overview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.settings import load
from monitor.web.standing import PIPELINE, Pulse, Standing, Tone, late_after, standing
from schemas.alerts import Alert
from tests.unit.cli.alerts_fixture import shift, stalled

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
LATE = timedelta(minutes=1)
WELL = Pulse(NOW - timedelta(seconds=9), 1_200)


def said(going: tuple[Alert, ...] = (), pulse: Pulse = WELL, trouble: str = "") -> Standing:
    return standing(going, pulse, alerts_trouble=trouble, now=NOW, late=LATE)


def test_all_is_well_only_where_alerts_are_read_and_the_watch_follows_what_arrives() -> None:
    assert said() == Standing("good", "All is well: no alert goes on, and the watch looks at what arrives.")


@pytest.mark.parametrize(
    ("going", "tone", "words"),
    [
        ((shift(),), "warn", "1 alert goes on."),
        ((stalled(),), "bad", "1 alert goes on, critical."),
        ((stalled(), shift(), shift()), "bad", "3 alerts go on, 1 of them critical."),
    ],
)
def test_alerts_come_first_and_critical_ones_are_counted(
    going: tuple[Alert, ...], tone: Tone, words: str
) -> None:
    assert said(going) == Standing(tone, words)
    assert said(going, Pulse(trouble="away")) == Standing(tone, words)


def test_alerts_that_may_not_be_all_are_said_to_be() -> None:
    found = said((shift(),), trouble="Kafka is away")
    assert (found.tone, found.words) == (
        "warn",
        "1 alert goes on, as far as is known: the alerts can't be read now.",
    )


@pytest.mark.parametrize(
    ("pulse", "trouble", "tone", "words"),
    [
        (WELL, "Kafka is away", "warn", "isn't known"),
        (Pulse(trouble="away"), "", "warn", "the store doesn't say"),
        (Pulse(None, 0), "", "quiet", "Nothing is watched yet"),
        (Pulse(NOW - timedelta(minutes=2), 50), "", "warn", "the watch stands still"),
        (Pulse(NOW - timedelta(seconds=9), 0), "", "quiet", "nothing has arrived"),
    ],
)
def test_silence_is_never_taken_for_well(pulse: Pulse, trouble: str, tone: str, words: str) -> None:
    found = said(pulse=pulse, trouble=trouble)
    assert (found.tone, found.opens) == (tone, PIPELINE)
    assert words in found.words


def test_a_clock_that_is_behind_the_workers_is_no_trouble() -> None:
    assert said(pulse=Pulse(NOW + timedelta(seconds=30), 5)).tone == "good"


def test_windows_that_are_long_are_waited_for() -> None:
    assert late_after(load({})) == timedelta(minutes=1)
    assert late_after(load({"WATCHKEEPER_DRIFT__WINDOW_S": "900"})) == timedelta(seconds=2703)
