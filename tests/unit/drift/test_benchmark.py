"""The drift benchmark: its detectors are what they are called, its bookkeeping is right, and its short version passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift import ADWIN

from benchmarks.drift.__main__ import main
from benchmarks.drift.adwin import Adwin
from benchmarks.drift.cells import CELLS, Cell, Floats, Shift
from benchmarks.drift.detectors import Cusum, Every, Never, Ours
from benchmarks.drift.fleets import unadjusted
from benchmarks.drift.gates import Gate
from benchmarks.drift.peers import Focus, FocusLearning
from benchmarks.drift.replay import MONDAY, as_one_model, exchanges, thinned, windows
from benchmarks.drift.running import Figure, delays, quiet, realised, threshold
from benchmarks.drift.told import CATEGORY, CHANGE, holds, is_of
from benchmarks.drift.traffic import Fleet, bursts, mix, season
from benchmarks.drift.watching import told
from monitor.drift.policy import DriftPolicy

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "chatlogs"
SMALL = Cell(0.2, 200, 2, 400)
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the shared chat logs are not beside this checkout")


def first_at_least(found: list[float], at: float) -> int | None:
    return next((place for place, value in enumerate(found) if value > at), None)


@pytest.mark.parametrize("delta", [0.5, 0.05, 0.002])
@pytest.mark.parametrize("seed", range(4))
def test_adwin_alarms_when_rivers_does(delta: float, seed: int) -> None:
    chance = np.random.default_rng(seed)
    events = np.concatenate([chance.binomial(1, 0.1, 900), chance.binomial(1, 0.3, 900)])
    theirs = ADWIN(delta=delta, clock=1)  # type: ignore[no-untyped-call]  # river has no types
    ours, evidence = Adwin(1, block=1, every=1), []
    expected = None
    for place, event in enumerate(events):
        ours.insert(np.array([float(event)]))
        evidence.append(float(ours.evidence()[0]) if ours.n > 10 else -np.inf)
        theirs.update(int(event))  # type: ignore[no-untyped-call]  # the same
        if theirs.drift_detected:
            expected = place
            break
    assert first_at_least(evidence, -np.log(delta)) == expected


def log_likelihood(k: float, n: float, rate: float) -> float:
    return (k * np.log(rate) if k else 0.0) + ((n - k) * np.log1p(-rate) if n > k else 0.0)


def every_change_time(k: Floats, cell: Cell, known: float, *, is_rate_known: bool) -> float:
    """The same as FOCuS by trying all."""
    n, best = float(cell.window), 0.0
    rate = (known + 0.5) / (cell.reference + 1.0)
    for change in range(len(k)):
        before, since = float(k[:change].sum()), float(k[change:].sum())
        n_before, n_since = n * change, n * (len(k) - change)
        after = log_likelihood(since, n_since, since / n_since)
        if is_rate_known:
            gain = after - log_likelihood(since, n_since, rate)
        else:
            all_k, all_n = known + before, cell.reference + n_before
            whole_k, whole_n = all_k + since, all_n + n_since
            gain = after + log_likelihood(all_k, all_n, all_k / all_n)
            gain -= log_likelihood(whole_k, whole_n, whole_k / whole_n)
        best = max(best, gain)
    return best


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=40),
    st.integers(1, 60),
    st.sampled_from([Focus, FocusLearning]),
)
def test_focus_is_the_best_of_all_change_times(
    counts: list[int], known: int, kind: type[Focus | FocusLearning]
) -> None:
    k = np.array(counts, np.float64)
    detector = kind(SMALL, np.array([float(known)]), np.random.default_rng(0))
    for place, count in enumerate(k):
        found = float(detector.take(np.array([count]))[0])
        expected = every_change_time(k[: place + 1], SMALL, float(known), is_rate_known=kind is Focus)
        assert found == pytest.approx(expected, abs=1e-8)


def test_the_threshold_keeps_the_interval_that_is_asked_for() -> None:
    found = quiet(Ours, SMALL, 2000, np.random.default_rng(1)).highest
    kept = realised(found, threshold(found))
    assert kept.value == pytest.approx(1.0, abs=0.01)
    assert kept.error == pytest.approx(0.03, abs=0.005)


def test_the_dummies_do_what_they_say() -> None:
    chance = np.random.default_rng(1)
    every = quiet(Every, SMALL, 4000, chance)
    assert realised(every.highest, 0.0).value == pytest.approx(1.0, abs=0.1)
    assert not np.isfinite(quiet(Never, SMALL, 10, chance).highest).any()


def test_who_knows_both_rates_is_first() -> None:
    shift, chance = Shift("x3", 3.0), np.random.default_rng(1)
    mean = {}
    for name, made in (("oracle", Cusum.knowing(3.0)), ("ours", Ours)):
        of = quiet(made, SMALL, 1500, chance)
        mean[name] = delays(of, SMALL, shift, at=threshold(of.highest), chance=chance).mean()
    assert mean["oracle"] < mean["ours"] < 3 * mean["oracle"]


def test_a_ramp_ends_at_its_rate() -> None:
    ramp = Shift("ramp", 3.0, 50.0)
    assert [ramp.rate(0.1, events) for events in (0, 250, 500, 5000)] == pytest.approx([0.1, 0.2, 0.3, 0.3])


def test_the_grid_is_the_one_of_the_design() -> None:
    assert {(cell.rate, cell.reference) for cell in CELLS} == {
        (rate, reference) for rate in (0.001, 0.01, 0.05, 0.2) for reference in (2_000, 20_000)
    }


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (1.0, 0.05, "pass"),
        (1.3, 0.01, "FAIL"),
        (0.7, 0.01, "FAIL"),
        (1.2, 0.05, "open (in)"),
        (1.3, 0.05, "open (out)"),
    ],
)
def test_a_gate_decides_only_beyond_doubt(value: float, error: float, verdict: str) -> None:
    assert Gate("gate", Figure(value, error), 0.8, 1.25).verdict == verdict


def test_clumps_vary_four_times_as_much_and_keep_the_rate() -> None:
    fleet = bursts(168 * 8, np.random.default_rng(3))
    rate = fleet.k.sum(axis=0) / fleet.n.sum(axis=0)
    assert rate == pytest.approx(fleet.rates, rel=0.2)
    pearson = (fleet.k - fleet.n * rate) ** 2 / (fleet.n * rate * (1 - rate))
    assert 2.5 < pearson.mean() < 4.5


@pytest.mark.parametrize("made", [season, mix, bursts])
def test_each_fleet_alone_is_a_certain_false_alarm_for_the_detector_alone(
    made: Callable[[int, np.random.Generator], Fleet],
) -> None:
    fleet = made(168 * 6, np.random.default_rng(2))
    assert unadjusted(fleet, 0.1, merged=made is mix) > 10


@needs_data
def test_thinning_takes_half_of_the_refusals_before_the_change_and_nothing_else() -> None:
    week = exchanges(DATA)
    change = MONDAY + CHANGE
    left = thinned(week, CATEGORY, change, np.random.default_rng(1))
    gone = [one for one in week if one not in set(left)]
    assert {(one.category, one.refusal, one.at < change) for one in gone} == {(CATEGORY, 1, True)}
    assert (
        0.3
        < len(gone) / sum(one.category == CATEGORY and one.refusal == 1 and one.at < change for one in week)
        < 0.7
    )
    assert len(gone) < 0.02 * sum(one.category == CATEGORY for one in week)


@needs_data
def test_the_windows_hold_every_exchange_of_the_week_once() -> None:
    week = exchanges(DATA)
    found = list(windows(week))
    rows = [row for window in found for row in window.rows]
    assert sum(row.events for row in rows) == sum(window.messages for window in found) == len(week)
    assert sum(row.refused for row in rows) == sum(one.refusal == 1 for one in week)
    assert sum(row.responded for row in rows) == sum(one.refusal is not None for one in week)
    assert {window.ends_at - window.begins_at for window in found} == {timedelta(minutes=10)}


@needs_data
@pytest.mark.parametrize("width", [timedelta(minutes=10), timedelta(hours=1)])
def test_the_real_week_gives_no_alert(width: timedelta) -> None:
    week = exchanges(DATA)
    assert told(windows(week, width), DriftPolicy()) == {}
    assert told(windows(as_one_model(week), width), DriftPolicy()) == {}


@needs_data
def test_doubled_refusals_of_a_category_give_one_alert_in_its_cell() -> None:
    week, change = as_one_model(exchanges(DATA)), MONDAY + CHANGE
    found = list(
        told(windows(thinned(week, CATEGORY, change, np.random.default_rng(1))), DriftPolicy()).values()
    )
    assert [one.first.place for one in found] == [
        {"measure": "refusal", "tenant": "chat", "model": "gateway", "category": CATEGORY}
    ]
    assert is_of(found[0], CATEGORY)
    assert found[0].first.at > change
    assert holds(found[0], change, 2.0)


@pytest.mark.timeout(900)
def test_the_short_version_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--short"])
    printed = capsys.readouterr().out
    assert code == 0, printed
