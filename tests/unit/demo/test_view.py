"""What the demo shows, from what the store says."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from monitor.demo.alarms import Judged
from monitor.demo.figures import CategoryLine, Figures, Hour, Rate, in_order, sparkline
from monitor.demo.looking import look, look_at_drift
from monitor.demo.streaming import Sent
from monitor.demo.traffic import DRIFTING, Day
from monitor.demo.view import Drift, Moment, final_view, interval, live_view, percent, plain_line
from monitor.intervals import wilson
from monitor.rates import RATE_NAMES
from schemas.taxonomy import CATEGORIES
from tests.unit.cli.alerts_fixture import shift

DAY = Day(1_000, 5, datetime(2026, 3, 2, 12, tzinfo=UTC))
SPLIT = DAY.drift_at


def rate(numerator: int, denominator: int) -> Rate:
    return Rate(numerator, denominator, *wilson(numerator, denominator))


def shown(view: RenderableType) -> list[str]:
    console = Console(file=io.StringIO(), width=130, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


FIGURES = Figures(
    stored=500,
    lines=(
        CategoryLine("benign", 450, rate(45, 450), rate(3, 450)),
        CategoryLine("fraud_illegal_activities", 50, rate(40, 48), rate(0, 48)),
    ),
    coverage=rate(500, 500),
    hours=(Hour(SPLIT - timedelta(hours=1), rate(1, 40)), Hour(SPLIT, rate(10, 40))),
)


def test_the_live_view_says_how_far_it_is_and_what_was_found() -> None:
    sent = Sent(
        messages=560, exchanges=600, repeats=3, bad=1, not_chat=4, until=SPLIT + timedelta(minutes=30)
    )

    assert shown(live_view(DAY, Moment("streaming", 40.0, sent, FIGURES, 123.4))) == [
        "▕██████████████··········▏ Mon 04:30 UTC of the synthetic day  streaming",
        "600 sent · 500 judged and stored · 100 on their way · 123 a second · 40 s",
        "",
        "category                  exchanges  refused  95 % interval                    harmful answers",
        "benign                          450   10.0 %     7.6–13.1 %  ██··············            0.7 %",
        "fraud illegal activities         50   83.3 %    70.4–91.3 %  █████████████···            0.0 %",
        "",
        "harmless prompts refused by northwind · atlas-mini, hour by hour  ▁█  ← drift since 04:00",
        "the watch over the rates: no alert",
    ]


NOTHING = Judged(
    alert=None,
    others=(),
    is_expected=False,
    injected_at=None,
    exchanges_until=0,
    true_change=None,
    speed=1440.0,
)


def test_before_the_first_verdict_the_table_says_so() -> None:
    lines = shown(live_view(DAY, Moment("streaming", 0.4, Sent(), Figures(), 0.0)))

    assert lines[0] == "▕························▏ the day begins  streaming"
    assert "the first verdicts are on their way" in lines
    assert lines[-2] == "harmless prompts refused by northwind · atlas-mini, hour by hour  …"


def test_the_live_view_shows_an_alert_when_it_comes() -> None:
    moment = Moment("streaming", 40.0, Sent(), FIGURES, 123.4, (shift(),))

    assert shown(live_view(DAY, moment))[-1] == (
        "! alert rate_shift  refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %"
    )


def test_where_nothing_can_move_a_moment_is_one_line() -> None:
    sent = Sent(exchanges=600, until=SPLIT)

    assert plain_line(DAY, Moment("streaming", 40.0, sent, FIGURES, 123.4)) == (
        "  40 s  04:00 of the day: 600 of 1,000 sent, 500 stored, 123 a second, 10.0 % of harmless prompts refused"
    )
    assert plain_line(DAY, Moment("streaming", 0.0, Sent(), Figures(), 0.0)) == (
        "   0 s  --:-- of the day: 0 of 1,000 sent, 0 stored, 0 a second"
    )


def test_the_end_compares_the_drifting_cell_before_and_after_with_what_was_written() -> None:
    drift = Drift(before=rate(10, 200), after=rate(30, 200), true_before=0.04, true_after=0.17)

    lines = shown(final_view(DAY, FIGURES, drift, judged=NOTHING, account=Text("✓ Balanced.")))

    table = lines[1 : lines.index("")]
    assert [line.split("  ")[0] for line in table[1:15]] == [name.replace("_", " ") for name in CATEGORIES]
    assert [line.split()[-2:] for line in table if line.startswith("cyberattacks")] == [
        ["················", "–"]
    ]
    assert lines[lines.index("") + 1 : lines.index("") + 4] == [
        "The drift  northwind · atlas-mini, harmless prompts, from 04:00 UTC on:",
        "  before 5.0 % refused (2.7–9.0 %), after 15.0 % (10.7–20.6 %): 3.0 times as many",
        "  as the day was written: before 4.0 %, after 17.0 %",
    ]
    assert lines[-2:] == ["The account", "✓ Balanced."]


def test_a_drift_from_nothing_is_not_a_multiple() -> None:
    drift = Drift(before=rate(0, 20), after=rate(3, 20), true_before=0.0, true_after=0.2)

    assert not any(
        "times as many" in line
        for line in shown(final_view(DAY, FIGURES, drift, judged=NOTHING, account=Text()))
    )


def test_nothing_counted_is_a_dash_not_a_nought() -> None:
    assert (percent(Rate().value), interval(Rate())) == ("–", "")
    assert (percent(0.0), interval(rate(0, 10))) == ("0.0 %", "0.0–27.8 %")


def test_a_sparkline_has_one_character_a_value() -> None:
    assert sparkline([0.0, 0.1, math.nan, 0.2, 5.0], 0.2) == "▁▅ ██"


def test_lines_come_in_the_order_of_the_taxonomy() -> None:
    lines = [CategoryLine(name, 1, Rate(), Rate()) for name in ("cyberattacks", "benign", "sexual_content")]

    assert [line.category for line in in_order(lines)] == ["benign", "sexual_content", "cyberattacks"]


@dataclass
class FakeStore:
    """Answers queries by name, and keeps what it was asked."""

    answers: dict[str, list[dict[str, Any]]]

    async def query(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        if name == "harmless_refusals_by_hour":
            assert (parameters["tenant"], parameters["model"]) == (DRIFTING.tenant, DRIFTING.model)
            assert parameters["split_at"] == DAY.drift_at
        return self.answers[name]


def cell(category: str, events: int, answered: int, refused: int) -> dict[str, Any]:
    counts: dict[str, Any] = {
        f"{name}_{part}": refused
        if name == "refusal" and part == "n"
        else answered
        if name == "refusal"
        else 0
        for name in RATE_NAMES
        for part in ("n", "d", "w2")
    }
    keys = {"window_start": None, "tenant_key": None, "model_key": None, "category_key": category}
    return {**keys, "events": events, "answered": answered, "to_be_scored": events, **counts}


async def test_a_look_counts_what_has_no_verdict_but_gives_it_no_line() -> None:
    store = FakeStore(
        {
            "window_size": [{"arrived": 12, "stored": 12}],
            "rates": [cell("", 2, 0, 0), cell("benign", 10, 10, 1)],
            "harmless_refusals_by_hour": [
                {"hour": SPLIT, "is_after": False, "refused_n": 1, "answered": 4},
                {"hour": SPLIT, "is_after": True, "refused_n": 3, "answered": 4},
            ],
        }
    )

    found = await look(store, DAY, DAY.begins_at)
    assert (found.stored, found.coverage, found.hours) == (12, rate(10, 12), (Hour(SPLIT, rate(4, 8)),))
    assert [(line.category, line.exchanges, line.refusal) for line in found.lines] == [
        ("benign", 10, rate(1, 10))
    ]


async def test_the_drift_is_split_at_its_minute_within_an_hour_too() -> None:
    store = FakeStore(
        {
            "harmless_refusals_by_hour": [
                {"hour": SPLIT - timedelta(hours=1), "is_after": False, "refused_n": 0, "answered": 6},
                {"hour": SPLIT, "is_after": False, "refused_n": 1, "answered": 4},
                {"hour": SPLIT, "is_after": True, "refused_n": 3, "answered": 5},
            ]
        }
    )

    assert await look_at_drift(store, DAY) == Drift(
        before=rate(1, 10),
        after=rate(3, 5),
        true_before=DAY.truth.before.rate,
        true_after=DAY.truth.after.rate,
    )
