"""A measure's figures are told in its unit: of volume exchanges an hour, of all else per cent."""

from __future__ import annotations

from monitor.drift.units import change_interval_text, change_text, rate_interval_text, rate_text
from schemas.evidence import Interval


def test_rates_are_shares_and_the_volume_so_many_an_hour() -> None:
    assert (rate_text("refusal", 0.0412), rate_text("volume", 12_412.0)) == ("4.1 %", "12,400 an hour")
    assert rate_text("volume", 12_412.0, is_short=True) == "12,400"
    assert (change_text("refusal", -0.031), change_text("volume", -900.0)) == ("−3.1 points", "−900 an hour")


def test_intervals_stand_behind_their_estimates() -> None:
    assert rate_interval_text("refusal", Interval(0.041, 0.032, 0.05)) == "4.1 % (3.2 % to 5.0 %)"
    assert rate_interval_text("volume", Interval(1200, 1100, 1300)) == "1,200 an hour (1,100 to 1,300)"
    assert change_interval_text("refusal", Interval(0.138, 0.11, 0.167)) == "+13.8 points (+11.0 to +16.7)"
    assert change_interval_text("volume", Interval(-900, -1000, -800)) == "−900 an hour (−1,000 to −800)"
