"""Rates of guard and judge side by side."""

from __future__ import annotations

from typing import Any

from monitor.cli.corrected_view import corrected_view
from monitor.cli.rates_shapes import CorrectedFigure, RatesDocument
from tests.unit.cli.rates_fixture import document
from tests.unit.cli.rendering import rendered


def estimate(rate: float | None, reason: str = "") -> dict[str, Any]:
    has = rate is not None
    return {
        "rate": rate,
        "low": rate * 0.8 if has and rate is not None else None,
        "high": rate * 1.2 if has and rate is not None else None,
        "reason": reason,
    }


def corrected(rate: float | None, reason: str = "") -> CorrectedFigure:
    given = {
        "horvitz_thompson": estimate(rate, reason),
        "prediction_powered": estimate(rate, reason),
        "tuning": None if rate is None else 0.9,
        "judged": 1234,
        "covered": 1.0,
        "narrower": None if rate is None else 2.31,
    }
    return CorrectedFigure.model_validate(given)


def judged(judges: list[str]) -> RatesDocument:
    plain = document()
    figures = [
        figure.model_copy(
            update={
                "corrected": corrected(0.25) if figure.name == "refusal" else corrected(None, "not judged")
            }
        )
        for figure in plain.total.rates
    ]
    total = plain.total.model_copy(update={"rates": figures})
    return plain.model_copy(update={"total": total, "judges": judges})


def test_a_rate_stands_three_times_with_intervals_and_the_gain() -> None:
    shown = rendered(corrected_view(judged(["judge"]), 120), 120)
    line = next(line for line in reversed(shown.splitlines()) if line.strip().startswith("refusal"))

    assert line.split() == [
        "refusal", "25.6", "%", "19.6–32.7", "25.0", "%", "20.0–30.0", "25.0", "%", "20.0–30.0", "1234", "2.31×",
    ]  # fmt: skip
    assert "not judged" in shown
    assert "Judged by judge." in shown
    assert "second opinion" not in shown


def test_a_judge_that_repeats_the_guard_is_called_what_it_is() -> None:
    assert "no second opinion" in rendered(corrected_view(judged(["judge_lite"]), 120), 120)


def test_without_judgements_it_says_where_they_are_turned_on() -> None:
    assert "Nothing is judged in this time" in rendered(corrected_view(document(), 120), 120)


def test_a_narrow_terminal_gets_intervals_below_the_rates() -> None:
    lines = rendered(corrected_view(judged(["judge"]), 80), 80).splitlines()

    assert max(map(len, lines)) <= 80
    assert any("25.6 %" in line and "25.0 %" in line for line in lines)
    assert any("19.6–32.7" in line for line in lines)


def test_a_low_terminal_shows_the_total_and_says_what_is_hidden() -> None:
    shown = rendered(corrected_view(judged(["judge"]), 120, 20), 120)

    assert "all" in shown
    assert "2 quieter cells aren't shown." in shown
