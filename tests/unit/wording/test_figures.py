"""Figures are rounded for people."""

from __future__ import annotations

import math

import pytest

from monitor.drift.units import change_text, rate_text
from monitor.wording.figures import number, times_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.2134, "21.3 %"),
        (0.052, "5.2 %"),
        (0.00082, "0.082 %"),
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (1e-12, "0.0 %"),
    ],
)
def test_rates_have_two_digits_that_count(value: float, shown: str) -> None:
    assert rate_text("refusal", value) == shown


def test_figures_are_rounded_for_people() -> None:
    assert change_text("refusal", -0.031) == "−3.1 points"
    assert [number(value) for value in (3.0, 12.34, 0.123456, 1234.5, 1e20)] == [
        "3",
        "12.3",
        "0.123",
        "1,234",
        "1e+20",
    ]
    assert [times_text(value) for value in (0.431, 4.94, 12.31, 431.0)] == ["0.43", "4.9", "12.3", "431"]
    assert (rate_text("refusal", math.inf), number(math.nan), times_text(math.inf)) == ("— %", "—", "—")
