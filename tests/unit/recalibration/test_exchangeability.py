from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import kstwobign  # type: ignore[import-untyped]  # ships no types

from benchmarks.calibration.population import Population
from benchmarks.calibration.text_bounds import drift_seen
from monitor.recalibration.exchangeability import compare, kolmogorov
from monitor.recalibration.pieces import Piece
from monitor.recalibration.readiness import Limits, Objection, Obstacle, objections
from monitor.recalibration.windows import Sample, Window
from tests.unit.recalibration.logs import AT, sample

OF = Population()
CHANCE = np.random.default_rng(6)
THEN, NOW = OF.draw(1000, CHANCE), OF.draw(1000, CHANCE)
HOUR = timedelta(hours=1)


def window(of: Sample, **fields: object) -> Window:
    whole = {"begins_at": AT, "ends_at": AT, "rows": len(of), "unidentified": {}}
    return Window(of, **(whole | fields))  # type: ignore[arg-type]  # fields are given by name


def found(then: Window, now: Window) -> list[Obstacle]:
    return [one.obstacle for one in objections(then, now, at=AT + HOUR, limits=Limits())]


@pytest.mark.parametrize("x", [0.1, 0.3, 0.8, 1.3581, 2.5])
def test_the_p_value_is_kolmogorovs(x: float) -> None:
    assert kolmogorov(x) == pytest.approx(kstwobign.sf(x), abs=1e-9)


def test_windows_of_one_population_pass_and_of_two_do_not() -> None:
    other = Population(harmful=0.6).draw(1000, CHANCE)
    assert found(window(THEN), window(NOW)) == []
    assert found(window(THEN), window(other)) == [Obstacle.DRIFTED]


def test_drift_is_seen_as_often_as_said_where_there_is_none() -> None:
    for of in (OF, Population(rare=0.2)):
        assert drift_seen(of, of, n=400, times=500, seed=7) <= 0.01 + 3 * (0.01 * 0.99 / 500) ** 0.5


def test_the_least_distance_that_is_seen_is_told() -> None:
    one = compare(THEN, NOW, level=0.01)[0]
    assert kolmogorov((500**0.5 + 0.12 + 0.11 / 500**0.5) * one.detectable) == pytest.approx(0.01, abs=1e-4)


def test_each_groups_scores_and_share_are_looked_at() -> None:
    then = replace(THEN, group=np.where(np.arange(1000) % 2, "[a]", "[b]"))
    now = replace(NOW, group=np.where(np.arange(1000) % 5, "[a]", "[b]"))
    comparisons = compare(then, now, level=0.01)
    assert [one.what for one in comparisons] == [
        "scores of [a]",
        "share of [a]",
        "scores of [b]",
        "share of [b]",
    ]
    assert [one.p < 0.0025 for one in comparisons] == [False, True, False, True]
    obstacles = objections(window(then), window(now), at=AT, limits=Limits())
    assert [one.obstacle for one in obstacles] == [Obstacle.DRIFTED, Obstacle.DRIFTED]
    assert obstacles[0].detail.startswith("share of [a]: 0.300 apart, p = ")


def test_a_present_window_that_overlaps_is_refused() -> None:
    early = window(NOW, begins_at=AT - timedelta(minutes=1))
    assert objections(window(THEN, begins_at=AT - HOUR), early, at=AT, limits=Limits()) == (
        Objection(
            Obstacle.OVERLAP,
            "calibrated until 2026-01-05T12:00:00+00:00, present from 2026-01-05T11:59:00+00:00",
        ),
    )


def test_old_logs_are_refused() -> None:
    old = window(THEN, ends_at=AT - timedelta(days=8))
    assert objections(old, window(NOW), at=AT, limits=Limits()) == (
        Objection(Obstacle.STALE, "the newest prompt is 192.0 h old, at most 168.0 h"),
    )


def test_few_logs_are_refused() -> None:
    few = THEN.where(np.arange(1000) < 50)
    assert Obstacle.TOO_FEW in found(window(few), window(NOW))
    assert found(window(sample([])), window(NOW)) == [Obstacle.TOO_FEW, Obstacle.INCOMPLETE]
    assert found(window(THEN), window(sample([]), rows=0)) == [Obstacle.INCOMPLETE, Obstacle.UNTESTABLE]


def test_a_present_window_that_could_show_no_drift_does_not_pass_for_none() -> None:
    few = NOW.where(np.arange(1000) < 40)
    assert found(window(THEN), window(few)) == [Obstacle.UNTESTABLE]


def test_logs_of_which_a_part_is_not_identified_may_be_unlike_the_rest() -> None:
    holes = window(THEN, rows=1500, unidentified={Piece.OTHER_TOKENIZER: 500})
    assert objections(holes, window(NOW), at=AT, limits=Limits()) == (
        Objection(
            Obstacle.INCOMPLETE,
            "67% of the calibration window identified, 90% needed; not identified: 500 of 1500 "
            "(other_tokenizer: The record's tokenizer is another one, or not named.)",
        ),
    )


def test_a_group_that_is_new_is_drift_by_its_share() -> None:
    now = replace(NOW, group=np.where(np.arange(1000) % 5, "", "[new]"))
    obstacles = found(window(THEN), window(now))
    assert Obstacle.DRIFTED in obstacles


@pytest.mark.parametrize(
    "fields",
    [
        {"level": 0.0},
        {"level": 1.0},
        {"least_identified": 2.0},
        {"detectable": 0.0},
        {"max_age_s": 0},
        {"least_prompts": 0},
    ],
)
def test_limits_that_cannot_be_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Limits(**fields)  # type: ignore[arg-type]  # on purpose


def test_without_variance_the_same_shares_are_the_same() -> None:
    one = replace(sample([0.5] * 50), group=np.full(50, "[a]"))
    two = replace(sample([0.5] * 50), group=np.full(50, "[b]"))
    shares = {c.group: (c.distance, c.p) for c in compare(one, two, level=0.01) if c.of == "share"}
    assert shares == {"[a]": (1.0, 0.0), "[b]": (1.0, 0.0)}
