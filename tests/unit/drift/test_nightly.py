"""Once a day: seasons, over-dispersion, and what they explain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.drift.measures import Measure
from monitor.drift.needs import SeasonNeed
from monitor.drift.nightly import AT_US, is_due, need_at
from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch
from schemas.windows import Window
from tests.unit.drift.traffic import START, Cell, Memory, Told, row_of, window_of

HOUR_US = 3_600_000_000
POLICY = DriftPolicy(shares={Measure.OVER_REFUSAL: 1.0}, stale_after_s=1e6)


def _hour(number: int, *, wave: float, seed: int = 3, factor: float = 1.0) -> Window:
    """An hour of three cells whose rate of refusal rises and falls with the time of day."""
    rng = np.random.default_rng([seed, number])
    odds = 0.08 / 0.92 * np.exp(wave * np.sin(2 * np.pi * number / 24.0)) * factor
    cells = [
        Cell(
            tenant="a",
            model="m",
            category=name,
            rate=80.0,
            harmful=0.0,
            refuses_harmless=float(odds / (1 + odds)),
        )
        for name in "xyz"
    ]
    return window_of([row_of(cell, rng) for cell in cells], START + timedelta(hours=number), 3600.0)


def _told() -> Told:
    return Told(Watch.new(POLICY, "fleet"), Memory(has_seasons=True))


@pytest.mark.parametrize(
    ("done", "now", "due"),
    [
        (-1, 10**9, False),
        (AT_US - 1, AT_US, True),
        (AT_US, AT_US + 23 * HOUR_US, False),
        (AT_US, AT_US + 24 * HOUR_US, True),
        (AT_US + 5 * HOUR_US, AT_US + 24 * HOUR_US - 1, False),
        (AT_US, AT_US + 24 * 100 * HOUR_US, True),
    ],
)
def test_it_is_due_once_after_each_three_in_the_morning(done: int, now: int, due: bool) -> None:  # noqa: FBT001  # a case
    assert is_due(done, now) is due


def test_the_hours_of_the_last_four_weeks_are_needed() -> None:
    now = datetime(2026, 3, 30, 3, 0, 5, tzinfo=UTC)
    assert need_at(now) == SeasonNeed(
        datetime(2026, 3, 2, 3, tzinfo=UTC), datetime(2026, 3, 30, 3, tzinfo=UTC)
    )


def test_a_night_asks_once() -> None:
    told, asked = _told(), []
    for number in range(60):
        step = told.watch.take(_hour(number, wave=0.0))
        asked += [step.window.ends_at for need in step.needs if isinstance(need, SeasonNeed)]
        told.watch.finish(step, {})
    assert asked == [START + timedelta(days=day, hours=3) for day in (1, 2)] or asked == [
        START + timedelta(days=day, hours=3) for day in (0, 1, 2)
    ]


def test_a_season_is_learned_and_is_no_drift_though_it_seemed_to_be_at_first() -> None:
    """The waves are of 0.7 in log-odds: from a half to twice the odds within half a day, seen each hour by 240 exchanges. Of
    them a part stays unexplained, as the season is shrunk, so that one or two alerts may come yet."""
    told = _told()
    told.see(_hour(number, wave=0.7) for number in range(24 * 28))
    learned_at = START + timedelta(days=8)
    assert len([alert for alert in told.begun if alert.started_at < learned_at]) >= 3
    assert len([alert for alert in told.begun if alert.started_at >= learned_at]) <= 2
    assert [view.rate for view in told.watch.streams()] == pytest.approx([0.09] * 3, abs=0.012)


def test_a_shift_on_a_season_is_found_and_stays_over_the_night() -> None:
    told = _told()
    told.see(_hour(number, wave=0.5) for number in range(24 * 21))
    before = len(told.begun)
    told.see(_hour(number, wave=0.5, factor=1.8) for number in range(24 * 21, 24 * 24))
    (alert,) = told.begun[before:]
    assert {name: part for name, part in alert.place.items() if name != "measure"} == {
        "tenant": "a",
        "model": "m",
    }
    assert [firing.id for firing in told.watch.firing()] == [alert.id]
    assert alert.started_at - (START + timedelta(days=21)) < timedelta(hours=12)


def test_a_watch_that_was_carried_over_the_night_tells_the_same() -> None:
    one, two = _told(), _told()
    for number in range(24 * 16):
        one.see([_hour(number, wave=0.7)])
        if number % 24 in (2, 3):
            two = Told(Watch.from_bytes(two.watch.to_bytes(), POLICY, "fleet"), two.memory, two.alerts)
        two.see([_hour(number, wave=0.7)])
    assert one.watch.to_bytes() == two.watch.to_bytes()
    assert one.alerts == two.alerts
