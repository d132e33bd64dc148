"""The three forms of AQI, each by its own formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.audit.aqi import appendix_b, chi_max, released, section_3
from monitor.audit.axioms import released_by_axiom
from monitor.audit.estimates import Estimate
from monitor.audit.faults import AuditFault
from monitor.audit.measures import AuditMeasure
from monitor.errors import Rejected

POSITIVE = st.floats(1e-3, 1e3)


def test_section_3_weighs_the_inverse_of_xbi_with_lambda() -> None:
    assert section_3(np.array(20.0), np.array(0.1)) == pytest.approx(0.5 * 10 + 0.5 * 20)
    assert section_3(np.array(20.0), np.array(0.1), weight=0.8) == pytest.approx(0.8 * 10 + 0.2 * 20)


def test_appendix_b_weighs_chi_with_lambda() -> None:
    value = appendix_b(np.array(20.0), np.array(0.3), chi_max=80.0, weight=0.8)
    assert value == pytest.approx(0.25**0.8 * np.exp(-0.3) ** 0.2)


def test_chi_max_is_the_99th_percentile_of_the_pool() -> None:
    assert chi_max(np.arange(101.0)) == pytest.approx(99.0)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=2, max_size=8))
def test_the_released_form_is_what_its_code_computes(pairs: list[tuple[float, float]]) -> None:
    chi, xbi = np.array(pairs, np.float64).T
    scale = np.percentile(xbi, 75) - np.percentile(xbi, 25) + 1e-9
    wanted = []
    for one, other in pairs:
        spread = chi.max() - chi.min()
        of_chi = 50.0 if spread < 1e-9 else 100.0 * (one - chi.min()) / spread
        z = min(max((other - np.median(xbi)) / scale, -500.0), 500.0)
        of_xbi = max(100.0 * (1.0 - 1.0 / (1.0 + np.exp(-z))), 10.0)
        wanted.append(0.5 * of_chi + 0.5 * of_xbi)
    assert released(chi, xbi) == pytest.approx(wanted, rel=1e-9)


def test_the_released_form_cannot_see_a_model_grow_worse_as_a_whole() -> None:
    chi, xbi = np.array([10.0, 20.0, 30.0]), np.array([0.3, 0.2, 0.1])
    assert released(chi / 10.0, xbi * 10.0) == pytest.approx(released(chi, xbi))


def test_axioms_without_spread_have_the_middle() -> None:
    assert released(np.full(3, 7.0), np.full(3, 0.1)) == pytest.approx(50.0)
    assert released(np.zeros(3), np.full(3, 0.1)) == pytest.approx(25.0)


def test_every_draw_of_the_axioms_is_normalised_within_itself() -> None:
    draws = np.array([[1.0, 2.0], [3.0, 5.0], [9.0, 8.0]])
    axioms = {
        name: {
            AuditMeasure.CHI: Estimate(float(one.mean()), one),
            AuditMeasure.XBI: Estimate(float(1 / one.mean()), 1 / one),
        }
        for name, one in zip("abc", draws, strict=True)
    }
    found = released_by_axiom(axioms)
    for draw in range(2):
        assert [found[name].draws[draw] for name in "abc"] == pytest.approx(
            released(draws[:, draw], 1 / draws[:, draw])
        )


def test_one_axiom_alone_has_no_released_form() -> None:
    one = Estimate(1.0, np.ones(2))
    with pytest.raises(Rejected, match=AuditFault.NOT_ENOUGH):
        released_by_axiom({"a": {AuditMeasure.CHI: one, AuditMeasure.XBI: one}})
    never = Estimate(np.inf, np.ones(2))
    with pytest.raises(Rejected, match=AuditFault.NOT_FINITE):
        released_by_axiom({name: {AuditMeasure.CHI: one, AuditMeasure.XBI: never} for name in "ab"})
