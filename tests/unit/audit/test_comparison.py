"""Two audits on the same anchors."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.audit.anchors import Floats
from monitor.audit.comparison import Floor, changed, compared
from monitor.audit.estimates import Estimate, estimates
from monitor.audit.faults import AuditFault
from monitor.audit.geometry import Gram
from monitor.audit.measures import OF_PAIRS, USUAL, AuditMeasure
from monitor.audit.resampling import bootstrap_weights
from monitor.errors import Rejected
from tests.unit.audit.drawn import matched, rows_of

ANCHORS = matched(100)
WEIGHTS = bootstrap_weights(ANCHORS, 999)


def audit(**layers: Floats) -> dict[str, dict[AuditMeasure, Estimate]]:
    return {
        name: estimates(Gram.of(rows, 100), ANCHORS, WEIGHTS, measures=(*USUAL, *OF_PAIRS), chi_max=100.0)
        for name, rows in layers.items()
    }


ROWS = rows_of(ANCHORS, 20, shift=0.4)
BLURRED = rows_of(ANCHORS, 20, shift=0.2)
BEFORE = audit(first=ROWS, second=ROWS)
AFTER = audit(first=ROWS, second=BLURRED)


def test_the_same_model_has_not_changed() -> None:
    for one in compared(BEFORE, BEFORE):
        assert (one.change, one.p) == (0.0, 1.0), one.measure
    assert not any(one.has_changed or one.is_significant for one in changed(BEFORE, BEFORE))


def test_a_blurred_layer_has_changed_and_the_other_has_not() -> None:
    first, second = changed(BEFORE, AFTER)
    assert (first.change.layer, second.change.layer) == ("first", "second")
    assert (first.has_changed, second.has_changed) == (False, True)
    assert second.is_fall
    assert second.change.low <= second.change.change <= second.change.high < 0
    assert second.p_adjusted <= 0.01


def test_every_measure_is_compared_in_its_own_direction() -> None:
    found = {one.measure: one for one in compared(BEFORE, AFTER) if one.layer == "second"}
    assert set(found) == set(AuditMeasure) - {AuditMeasure.AQI_RELEASED}
    for measure in (
        AuditMeasure.J,
        AuditMeasure.CHI,
        AuditMeasure.XBI,
        AuditMeasure.DBI,
        AuditMeasure.AQI_SECTION_3,
        AuditMeasure.SILHOUETTE,
    ):
        assert (found[measure].change < 0) == measure.is_rising, measure
        assert found[measure].p <= 0.01, measure


def test_a_turn_and_a_common_scale_of_the_space_change_nothing() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0]
    after = audit(first=ROWS @ turn, second=ROWS @ turn * 7 + 100)
    assert not any(one.is_significant for one in changed(BEFORE, after))
    assert [one.change.change for one in changed(BEFORE, after)] == pytest.approx([0.0, 0.0], abs=1e-10)


def test_a_pair_is_sharper_than_two_audits_apart() -> None:
    after = audit(first=ROWS + 0.1 * rows_of(ANCHORS, 20, seed=9), second=ROWS)
    change = next(one for one in compared(BEFORE, after) if one.measure is AuditMeasure.J)
    low, high = BEFORE["first"][AuditMeasure.J].interval
    assert change.high - change.low < 0.5 * (high - low)


@pytest.mark.parametrize(
    ("change", "before", "passes"),
    [(0.019, 0.0, False), (-0.02, 0.0, True), (0.05, 1.0, False), (-0.1, 1.0, True), (-0.1, -1.0, True)],
)
def test_the_floor_is_absolute_and_relative(change: float, before: float, *, passes: bool) -> None:
    assert Floor().passed_by(change, before) is passes


def test_a_small_change_is_significant_and_no_alert() -> None:
    found = changed(BEFORE, AFTER, floor=Floor(absolute=0.5))
    assert found[1].is_significant
    assert not found[1].has_changed


def test_few_draws_are_not_enough_for_an_alert() -> None:
    few = {"first": {AuditMeasure.J: Estimate(1.0, np.arange(100.0))}}
    with pytest.raises(Rejected, match=AuditFault.NOT_ENOUGH):
        changed(few, few)


def test_audits_of_other_draws_or_layers_are_not_compared() -> None:
    other = {"first": {AuditMeasure.J: Estimate(1.0, np.arange(1000.0))}}
    one = {"first": {AuditMeasure.J: Estimate(1.0, np.arange(999.0))}}
    with pytest.raises(Rejected, match=AuditFault.OTHER_DRAWS):
        compared(one, other)
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        compared(one, {"second": other["first"]})


def test_a_measure_that_is_infinite_has_no_figure_for_its_change() -> None:
    endless = {"first": {AuditMeasure.DBI: Estimate(np.inf, np.full(999, np.inf))}}
    finite = {"first": {AuditMeasure.DBI: Estimate(1.0, np.arange(999.0))}}
    for pair in ((endless, finite), (finite, endless), (endless, endless)):
        (change,) = compared(*pair)
        assert (change.low, change.high, change.p) == (-np.inf, np.inf, 1.0)
