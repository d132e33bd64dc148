"""Whether what the watch told of the demo's drift is right, decided from what was injected and what is stored."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from monitor.demo.alarm_view import judged_view
from monitor.demo.alarms import PLACE, Judged, judge
from monitor.demo.traffic import Day
from schemas.alerts import Alert
from schemas.evidence import Interval
from tests.unit.cli.alerts_fixture import CHANGED_AT, NOTICED_AT, evidence, shift, stalled

DAY = Day(24_000, 5, datetime(2026, 3, 3, 20, tzinfo=UTC))
SPEED = 1440.0


@dataclass
class FakeStore:
    """Answers with the two sides of the drifting cell."""

    before: int = 2_700
    after: int = 1_350
    first_arrived_at: datetime = CHANGED_AT
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def query(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        assert name == "shift_of_cell"
        self.asked.append(parameters)
        rows = []
        for is_after, count, rate in ((0, self.before, 0.05), (1, self.after, 0.21)):
            if count:
                rows.append(
                    {
                        "is_after": is_after,
                        "first_arrived_at": self.first_arrived_at - timedelta(seconds=0 if is_after else 40),
                        "exchanges": count,
                        "exchanges_until": 61 if is_after else count,
                        "responded": count,
                        "refused_n": round(count * rate),
                        "harmless": count,
                        "harmless_refused": round(count * rate),
                    }
                )
        return rows


async def judged(*told: Alert, store: FakeStore | None = None) -> Judged:
    return await judge(store or FakeStore(), DAY, told, learn_events=200, speed=SPEED)


def lines(result: Judged) -> list[str]:
    console = Console(file=io.StringIO(), width=130, color_system=None)
    console.print(judged_view(DAY, result))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


async def test_the_alert_that_names_the_cell_holds() -> None:
    store = FakeStore()
    result = await judged(shift(), store=store)

    assert result.holds
    assert (result.is_cell_right, result.is_start_within, result.is_size_within) == (True, True, True)
    assert result.noticed_after == timedelta(seconds=95)
    assert store.asked == [{**PLACE, "split_at": DAY.drift_at, "until": NOTICED_AT}]
    assert lines(result) == [
        "  rate_shift: refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %",
        "  ✓ noticed 2280 min of the day after it began (95.0 s here), after 61 exchanges of that cell",
        "  ✓ where: northwind · atlas-mini · benign",
        "  ✓ since when: between 09:12 and 13:36 of the day (95 %); it was 12:00",
        "  ✓ how much: +16.1 points (13.3 to 19.1); all of the day's rows say +16.0 points",
        "  ✓ nothing else was told",
    ]


async def test_an_alert_that_is_wrong_is_said_to_be() -> None:
    place = {"measure": "refusal", "tenant": "northwind", "model": "atlas-mini"}
    given = evidence(
        changed_from=CHANGED_AT - timedelta(seconds=9),
        changed_until=CHANGED_AT - timedelta(seconds=5),
        rate_change=Interval(0.05, 0.03, 0.07),
    )
    result = await judged(shift(place=place, drift=given))

    assert not result.holds
    assert (result.is_cell_right, result.is_start_within, result.is_size_within) == (False, False, False)
    assert [line[2] for line in lines(result)[1:]] == ["✓", "✗", "✗", "✗", "✓"]
    assert "where: northwind · atlas-mini, not northwind · atlas-mini · benign" in lines(result)[2]


async def test_an_estimate_that_just_misses_is_said_to_and_is_no_fault() -> None:
    given = evidence(
        changed_from=CHANGED_AT - timedelta(seconds=9),
        changed_until=CHANGED_AT - timedelta(seconds=4),
        rate_change=Interval(0.13, 0.11, 0.15),
    )
    result = await judged(shift(drift=given))

    assert result.holds
    assert (result.is_cell_right, result.is_start_within, result.is_size_within) == (True, False, False)
    assert [line[2] for line in lines(result)[1:]] == ["✓", "✓", "≈", "≈", "✓"]
    assert lines(result)[3].endswith("(just outside, as one in twenty is)")


async def test_any_other_alert_is_one_too_many() -> None:
    elsewhere = shift(id="ab" * 16, place={"measure": "refusal", "tenant": "acme-support"})
    result = await judged(elsewhere, shift(), stalled())

    assert result.alert == shift()
    assert result.others == (elsewhere, stalled())
    assert not result.holds
    assert "2 more were told, and should not have been:" in lines(result)[-3]


async def test_of_two_alerts_about_the_model_the_one_that_names_the_cell_is_ours() -> None:
    wider = shift(id="ab" * 16, place={"measure": "refusal", "model": "atlas-mini"})
    result = await judged(wider, shift())
    assert (result.alert, result.others) == (shift(), (wider,))


async def test_a_drift_that_was_not_told_fails_a_day_that_is_large_enough() -> None:
    result = await judged()
    assert (result.is_expected, result.holds) == (True, False)
    assert lines(result)[0] == "  ✗ not told: the drift wasn't noticed"


async def test_of_a_day_too_small_nothing_is_expected() -> None:
    for store in (FakeStore(before=399), FakeStore(after=149), FakeStore(before=0, after=0)):
        result = await judged(store=store)
        assert (result.is_expected, result.holds) == (False, True)
        assert "too small" in lines(result)[0]


async def test_an_alert_of_a_measure_that_is_not_counted_has_no_true_size() -> None:
    result = await judged(shift(drift=evidence(measure="response_harm")))
    assert (result.true_change, result.is_size_within) == (None, False)


async def test_where_the_rates_are_not_watched_that_is_said() -> None:
    result = await judge(FakeStore(), DAY, (), learn_events=200, speed=SPEED, is_watching=False)
    assert (result.is_expected, result.holds) == (False, True)
    assert lines(result)[0] == "  the rates aren't watched: WATCHKEEPER_DRIFT__ENABLED is false"
