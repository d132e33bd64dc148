"""Figures are rounded for people."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.wording.figures import (
    duration,
    moment,
    number,
    pace_text,
    points_text,
    share_text,
    shares_apart,
    times_text,
)

SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.2134, "21.3 %"),
        (0.052, "5.2 %"),
        (0.05, "5.0 %"),
        (0.00082, "0.082 %"),
        (0.0996, "10.0 %"),
        (0.000996, "0.10 %"),
        (0.95, "95.0 %"),
        (0.9996, "99.96 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (1e-12, "0 %"),
        (math.inf, "—"),
        (math.nan, "—"),
    ],
)
def test_shares_have_two_digits_that_count(share: float, shown: str) -> None:
    assert share_text(share) == shown


@pytest.mark.parametrize(
    ("one", "two", "shown"),
    [
        (0.031, 0.21, ("3.1 %", "21.0 %")),
        (0.001, 0.0054, ("0.10 %", "0.54 %")),
        (0.999, 0.9995, ("99.9 %", "99.95 %")),
        (0.2, 0.2001, ("20.00 %", "20.01 %")),
        (0.0, 0.01, ("0 %", "1.0 %")),
        (0.95, 1.0, ("95.0 %", "100 %")),
        (0.5, 0.5, ("50.0 %", "50.0 %")),
        (1e-9, 0.3, ("0 %", "30.0 %")),
    ],
)
def test_two_shares_have_the_digits_that_tell_them_apart(
    one: float, two: float, shown: tuple[str, str]
) -> None:
    assert shares_apart(one, two) == shown


def test_the_change_of_a_share_is_told_in_points() -> None:
    assert [points_text(change) for change in (0.138, -0.031, 0.0004, 0.0, 1.5)] == [
        *("+13.8 points", "−3.1 points", "+0.040 points", "+0 points", "+150.0 points")
    ]
    assert points_text(-0.995, has_unit=False) == "−99.5"


def test_multiples_paces_and_numbers() -> None:
    ratios = (0.28, 0.05, 0.431, 1.54, 1.96, 8.3, 12.31, 99.96, 431.0, 1_234.0, math.inf)
    assert [times_text(ratio) for ratio in ratios] == [
        *("0.28", "0.05", "0.43", "1.5", "2.0", "8.3", "12.3", "100", "431", "1,200", "—")
    ]
    paces = (0.0, 0.05, 3.4, 87.0, 99.7, 123.4, 9_999.7, 12_412.0, math.nan)
    assert [pace_text(pace) for pace in paces] == [
        *("0", "0.05", "3.4", "87", "100", "123", "10,000", "12,400", "—")
    ]
    numbers = (3.0, 12.34, 0.123456, 1234.5, 1e20, math.nan)
    assert [number(value) for value in numbers] == ["3", "12.3", "0.123", "1,234", "1e+20", "—"]


def test_moments_and_spans() -> None:
    assert moment(datetime(2026, 3, 3, 12, 0, 4, tzinfo=UTC)) == "2026-03-03 12:00:04 UTC"
    spans = (-1.0, 95.0, 120.0, 7_199.0, 7_200.0, 172_800.0)
    assert [duration(timedelta(seconds=span)) for span in spans] == [
        *("0 s", "95 s", "2 min", "120 min", "2 h", "2 d")
    ]


@given(SHARES, SHARES)
def test_shares_are_never_in_powers_of_ten(one: float, two: float) -> None:
    for shown in (*shares_apart(one, two), share_text(one)):
        assert shown.endswith(" %")
        assert "e" not in shown
        assert 0.0 <= float(shown[:-2]) <= 100.0


@given(SHARES)
def test_what_is_neither_none_nor_all_is_not_said_to_be(share: float) -> None:
    if 1e-7 < share < 1.0 - 1e-7:
        assert 0.0 < float(share_text(share)[:-2]) < 100.0


@given(st.floats())
def test_any_figure_is_short(value: float) -> None:
    for tell in (share_text, points_text, times_text, pace_text, number):
        assert 0 < len(tell(value)) <= 32


@given(st.floats(0.0, 1e12))
def test_paces_and_multiples_are_never_in_powers_of_ten(value: float) -> None:
    assert "e" not in pace_text(value) + times_text(value)
