"""Titles and remedies: what a person reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.drift.measures import Measure
from monitor.drift.wording import (
    LONGEST_NAME,
    moment,
    place_name,
    printable,
    remedy,
    title,
)
from schemas.evidence import Direction, DriftEvidence, Interval, WatchedBy

AT = datetime(2026, 3, 3, 14, 5, 10, tzinfo=UTC)
PLACE = {"measure": "over_refusal", "tenant": "northwind", "model": "atlas-mini", "category": "benign"}


def _evidence(
    before: float,
    after: float,
    odds: tuple[float, float, float],
    *,
    direction: Direction = "up",
    measure: Measure = Measure.OVER_REFUSAL,
    version: str = "2",
) -> DriftEvidence:
    nothing = Interval(value=0.0, low=0.0, high=0.0)
    return DriftEvidence(
        measure=measure,
        direction=direction,
        window_begins_at=AT + timedelta(minutes=9),
        window_ends_at=AT + timedelta(minutes=10),
        k=12.0,
        n=57.0,
        expected=1.8,
        crossing=1.2,
        changed_at=AT,
        changed_from=AT,
        changed_until=AT,
        odds_ratio=Interval(value=odds[0], low=odds[1], high=odds[2]),
        rate_before=Interval(value=before, low=before, high=before),
        rate_after=Interval(value=after, low=after, high=after),
        rate_change=nothing,
        strata=[],
        mix=None,
        also=[],
        event_ids=[],
        query="",
        series=[],
        planning=None,
        watched_by=WatchedBy(
            guard_name="guard_lite", guard_version=version, guard_prompt_hash="", calibration_version=3
        ),
        budget_per_month=2.0,
    )


def test_a_rise_of_a_rate() -> None:
    assert title(
        "rate_shift", Measure.OVER_REFUSAL, PLACE, _evidence(0.0312, 0.2081, (8.31, 5.94, 11.6))
    ) == (
        "Over-refusal of northwind / atlas-mini / benign rose from 3.1 % to 20.8 % (×8.3 odds, 95 % 5.9–11.6) "
        "since 14:05 UTC"
    )


def test_a_fall_of_the_traffic() -> None:
    evidence = _evidence(12_412.0, 340.4, (0.0274, 0.02, 0.034), direction="down")

    assert title("volume_shift", Measure.VOLUME, {"measure": "volume", "tenant": "northwind"}, evidence) == (
        "Traffic of northwind fell from 12,400 to 340 an hour (×0.027, 95 % 0.02–0.034) since 14:05 UTC"
    )


def test_a_change_of_the_mix() -> None:
    place = {"measure": "mix", "tenant": "northwind", "model": "atlas-mini", "category": "benign"}

    assert title("mix_shift", Measure.MIX, place, _evidence(0.5, 0.75, (3.0, 2.5, 3.6))) == (
        "The share of benign in northwind / atlas-mini rose from 50.0 % to 75.0 % (×3.0 odds, 95 % 2.5–3.6) since 14:05 UTC"
    )


def test_dead_letters_and_all_traffic() -> None:
    evidence = _evidence(0.0, 0.31, (1e6, 1_234.0, 1e9))

    assert title("dead_letter_shift", Measure.DEAD_LETTERS, {"measure": "dead_letters"}, evidence) == (
        "The share of messages that could not be read rose from 0 % to 31.0 % "
        "(×1,000,000 odds, 95 % 1,200–1,000,000,000) since 14:05 UTC"
    )
    assert title("coverage_shift", Measure.COVERAGE, {"measure": "coverage"}, evidence).startswith(
        "The share without an answer of the guard of all traffic rose"
    )


def test_another_instrument_is_not_called_drift() -> None:
    evidence = _evidence(0.031, 0.05, (1.66, 1.4, 1.9), version="2\n<!channel>")
    words = title("instrument_change", Measure.OVER_REFUSAL, PLACE, evidence)

    assert words == (
        "Over-refusal of northwind / atlas-mini / benign is measured anew by guard_lite 2 <!channel>, calibration 3: "
        "from 3.1 % to 5.0 % (×1.7 odds, 95 % 1.4–1.9)"
    )


@pytest.mark.parametrize("measure", Measure)
def test_every_kind_of_every_measure_has_words(measure: Measure) -> None:
    kinds = ["rate_shift", "instrument_change"]
    if measure in (Measure.MIX, Measure.VOLUME, Measure.DEAD_LETTERS):
        kinds = [{"mix": "mix_shift", "volume": "volume_shift"}.get(measure, "dead_letter_shift")]
    elif measure is Measure.COVERAGE:
        kinds = ["coverage_shift", "instrument_change"]
    for kind in kinds:
        words = title(
            kind, measure, {"measure": measure}, _evidence(0.1, 0.2, (2.2, 2.0, 2.5), measure=measure)
        )
        assert words[0].isupper()
        assert not words.endswith(".")
        assert remedy(kind, measure)


def test_a_kind_that_there_is_not_has_no_remedy() -> None:
    with pytest.raises(KeyError):
        remedy("mood_shift", Measure.REFUSAL)


def test_a_moment_has_the_date_that_it_needs() -> None:
    assert moment(AT, AT) == "14:05 UTC"
    assert moment(AT, AT + timedelta(days=1)) == "3 March, 14:05 UTC"
    assert moment(AT, AT + timedelta(days=365)) == "3 March 2026, 14:05 UTC"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("northwind", "northwind"),
        ("a\u202eb\u200b\x1b[31m", "a?b??[31m"),
        ("two\nlines\tand  more", "two lines and more"),
        ("", "(no name)"),
        (" \n", "(no name)"),
        ("x" * 500, "x" * (LONGEST_NAME - 1) + "…"),
        ("\ud800", "?"),
    ],
)
def test_names_are_printable_and_short(name: str, shown: str) -> None:
    assert printable(name) == shown


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_name_breaks_the_line_or_makes_it_long(tenant: str, category: str) -> None:
    name = place_name({"tenant": tenant, "category": category})

    assert name.isprintable()
    assert len(name) <= 2 * LONGEST_NAME + 3
