from __future__ import annotations

import numpy as np

from monitor.recalibration.exceedance import exceedance
from monitor.recalibration.learn_then_test import COARSE, GRID, Risk, certify, miss, over_refusal

P = np.array


def test_a_chain_stops_at_the_first_that_cannot_be_rejected() -> None:
    falling = Risk(P([0.9, 0.01, 0.2, 0.01, 0.001]), "falling")
    assert certify((falling,), 0.05, "fixed_sequence").tolist() == [False, False, False, True, True]
    rising = Risk(P([0.01, 0.02, 0.04, 0.9, 0.001]), "rising")
    assert certify((rising,), 0.05, "fixed_sequence").tolist() == [True, True, True, False, False]


def test_two_chains_share_delta_and_what_both_reach_is_certified() -> None:
    falling = Risk(P([0.9, 0.02, 0.02, 0.001]), "falling")
    rising = Risk(P([0.001, 0.02, 0.02, 0.04]), "rising")
    assert certify((falling, rising), 0.05, "fixed_sequence").tolist() == [False, True, True, False]


def test_bonferroni_pays_for_every_threshold_and_takes_the_worse_risk() -> None:
    falling = Risk(P([0.9, 0.012, 0.001, 0.001]), "falling")
    rising = Risk(P([0.001, 0.001, 0.02, 0.012]), "rising")
    assert certify((falling, rising), 0.05, "bonferroni").tolist() == [False, True, False, True]


def test_the_grids_cover_everything_and_are_fixed() -> None:
    for grid in (GRID, COARSE):
        assert (grid[0], grid[-1]) == (0.0, 1.0)
        assert (np.diff(grid) > 0).all()
    assert np.isin(COARSE, GRID).all()


def test_the_risks_are_those_of_the_rule() -> None:
    """Refused is score >= T, missed score < T: at T = 0 all are refused and none missed."""
    scores = np.full(200, 0.5)
    over = over_refusal(exceedance(scores, np.ones(200)), 0.1, P([0.0, 0.5, np.nextafter(0.5, 1), 1.0]))
    missed = miss(exceedance(-scores, np.ones(200)), 0.1, P([0.0, 0.5, np.nextafter(0.5, 1), 1.0]))
    assert (over.p < 0.05).tolist() == [False, False, True, True]
    assert (missed.p < 0.05).tolist() == [True, True, False, False]
