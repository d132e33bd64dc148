"""Reports of which little is known, or too much: each a page that says what it lacks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitor.reporting import as_html, as_json, as_markdown, as_pdf
from monitor.reporting.building import build
from monitor.reporting.charts import _ink_on
from monitor.reporting.document import Paragraph, Picture, Report, Table
from monitor.reporting.facts import EVERYTHING, Grid, Reach
from monitor.reporting.said_queries import said_parameters
from monitor.reporting.weeks import Week
from tests.fakes.reporting import WEEK, day_row, facts_of, full_facts, synthetic_rows

ANSWERED: dict[str, Any] = {
    "events": 40, "answered": 40, "to_be_scored": 40, "refusal_n": 4, "refusal_d": 40, "refusal_w2": 40, "over_refusal_n": 2, "over_refusal_d": 30,
    "over_refusal_w2": 30, "under_refusal_n": 1, "under_refusal_d": 10, "under_refusal_w2": 10, "prompt_harm_n": 10, "prompt_harm_d": 40,
    "prompt_harm_w2": 40, "response_harm_n": 1, "response_harm_d": 40, "response_harm_w2": 40,
}  # fmt: skip


def of(
    *, tenant: str = "acme", model: str = "atlas", category: str = "benign", **counts: float
) -> dict[str, Any]:
    """A row of the week's third day."""
    return day_row(WEEK.days[2], tenant, model, category, **counts)


def said(report: Report) -> str:
    """All that it says."""
    return json.dumps(json.loads(as_json.render(report)), ensure_ascii=False)


def table(report: Report, section: str, wanted: str) -> Table:
    return next(one for one in report.section(section).blocks if isinstance(one, Table) and one.id == wanted)


@pytest.mark.parametrize(
    "name",
    [
        "O'Neill \"&\" <b>Söhne</b>",
        "line\nbreak\r\u2028and\u2029more",
        "\u202eevil\u2066 marks\u200b",
        "𝒯enant 🛰️ 日本語 עברית",
        "x" * 5_000,
        "e\u0301\u0301\u0301\u0301\u0301" * 400,
        "\ud800 half a character",
        "",
        "   ",
    ],
)  # fmt: skip
def test_a_name_may_be_anything(name: str) -> None:
    report = build(facts_of([of(tenant=name, **ANSWERED)], tenant=name))
    assert len(report.subtitle) < 250
    page, text = as_html.render(report), as_markdown.render(report)
    for shown in (page, text, said(report)):
        assert shown.encode()
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u2028\u2029\ud800-\udfff]", shown)
    assert "<b>" not in page
    assert as_pdf.render(report).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("counts", "row"),
    [
        ({"errors": 7}, "The guard refused to label it (error)"),
        ({"unknown": 7}, "The guard's answer could not be read (unknown)"),
        ({"errors": 7, "truncated": 7}, "The guard saw it shortened (truncated)"),
    ],
)
def test_a_week_without_an_answer_of_the_guard_says_so_and_has_no_rate(
    counts: dict[str, Any], row: str
) -> None:
    report = build(facts_of([of(category="", events=7, to_be_scored=7, **counts)]))
    assert "The guard answered none of this week's exchanges" in said(report)
    assert report.summary.startswith("The guard labelled none of this week's 7 exchanges, so it says nothing")
    found = {line[0].text: line[1].value for line in table(report, "data", "data-quality").rows}
    assert found[row] == 7
    assert all(section.blocks for section in report.sections)
    assert not any(isinstance(block, Picture) for section in report.sections for block in section.blocks)


def test_a_sampled_tenant_is_said_and_its_rates_are_weighted() -> None:
    sampled = {
        **ANSWERED,
        "events": 400,
        "over_refusal_n": 20,
        "over_refusal_d": 300,
        "over_refusal_w2": 3_000,
    }
    report = build(facts_of([of(**sampled)]))
    assert "360 were left out by sampling; those that were drawn count for them." in said(report)
    (row, *_) = table(report, "rates", "rates-over-refusal").rows
    assert row[1].value == 20 / 300
    plain = build(facts_of([of(**{**sampled, "over_refusal_w2": 300})]))
    (sure, *_) = table(plain, "rates", "rates-over-refusal").rows
    assert row[2].text != sure[2].text


def test_late_and_waiting_rows_are_said_in_the_singular_too() -> None:
    one = facts_of([of(**ANSWERED, late=1)], reach=Reach(WEEK.until, 1, WEEK.until))
    notes = [note.text for note in build(one).notes]
    assert any("At most 1 of the rows that came since waits to be counted" in note for note in notes)
    assert any(
        note.startswith("1 exchange of this week arrived an hour or more after it happened. It is")
        for note in notes
    )
    assert "1 exchange (a prompt" in said(build(facts_of([of(events=1)])))


def test_the_first_hours_of_a_week_are_a_report_too() -> None:
    begun = WEEK.since + timedelta(minutes=5)
    report = build(facts_of(synthetic_rows(), asked_at=begun, reach=Reach(begun, 0, begun)))
    assert report.notes[0].text.startswith(
        "The week is not over: 1 of its 7 days has begun, the last of them in part."
    )
    assert report.findings == ()


def test_many_tenants_and_categories_are_looked_at_as_far_as_they_are_told_apart_and_counted_all() -> None:
    """report_days.sql gives the others under no name."""
    rows = [
        of(**ANSWERED),
        *(
            row | {"tenant_key": None, "model_key": None, "category_key": None}
            for row in [of(**ANSWERED)] * 9
        ),
    ]
    grid = Grid(WEEK, rows)
    assert grid.total(EVERYTHING, "events", grid.this_week) == 400
    assert set(grid.keys()) == {
        EVERYTHING, ("acme", None, None), (None, "atlas", None), (None, None, "benign"), ("acme", "atlas", None), ("acme", "atlas", "benign"),
    }  # fmt: skip
    half = Grid(WEEK, [of(**ANSWERED) | {"tenant_key": None}, of(**ANSWERED) | {"category_key": None}])
    assert half.total((None, "atlas", None), "events", half.this_week) == 80
    assert half.total(("acme", "atlas", None), "events", half.this_week) == 40
    assert set(half.keys()) == {
        EVERYTHING,
        (None, "atlas", None),
        (None, None, "benign"),
        ("acme", None, None),
        ("acme", "atlas", None),
    }
    report = build(facts_of(rows))
    assert any("the 100 busiest tenants, 20 models and 40 categories" in note.text for note in report.notes)
    assert not any("busiest tenants" in note.text for note in build(facts_of(rows[:1])).notes)


def test_a_report_of_as_many_cells_as_are_asked_for_is_no_book() -> None:
    rows = [
        of(tenant=f"tenant {tenant}", category=f"category {category}", **ANSWERED)
        for tenant in range(100)
        for category in range(40)
    ]
    page = as_html.render(build(facts_of(rows)))
    assert len(page) < 1_500_000
    assert "The 24 busiest of 100 tenants and models are shown." in page


def test_corrected_rates_stand_by_category_or_the_reason_why_there_are_none() -> None:
    report = build(full_facts())
    shown = table(report, "judge", "corrected-by-category")
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in shown.rows}
    assert list(rows) == ["benign", "cyberattacks", "fraud illegal activities"]
    assert rows["benign"][:3] == ["1,790", "6.6 % (5.9–7.3 %)", "3 judged, 20 needed"]
    assert rows["cyberattacks"] == ["3", *["3 judged, 20 needed"] * 5]
    assert "Not shown, since none of it was judged: toxic language hate speech, " in shown.note
    assert "and 2 more." in shown.note
    rates = {
        slug: tuple(replace(one, judged=0) if place else one for place, one in enumerate(of))
        for slug, of in full_facts().corrected_by_category.items()
    }
    silent = table(
        build(replace(full_facts(), corrected_by_category=rates)), "judge", "corrected-by-category"
    )
    assert len(silent.columns) == 3
    assert (
        "The judge says nothing of over-refusal and under-refusal and harmful responses and harmful prompts."
        in silent.note
    )
    nobody = build(facts_of(synthetic_rows()))
    assert not any(isinstance(one, Table) for one in nobody.section("judge").blocks)


@pytest.mark.parametrize(
    ("monday", "heads"),
    [
        (
            date(2026, 3, 23),
            "Mon 23 Mar, Tue 24 Mar, Wed 25 Mar, Thu 26 Mar, Fri 27 Mar, Sat 28 Mar, Sun 29 Mar",
        ),
        (
            date(2026, 10, 19),
            "Mon 19 Oct, Tue 20 Oct, Wed 21 Oct, Thu 22 Oct, Fri 23 Oct, Sat 24 Oct, Sun 25 Oct",
        ),
    ],
)
def test_the_axes_of_a_week_whose_clocks_change_have_each_day_once(monday: date, heads: str) -> None:
    week = Week(monday, ZoneInfo("Europe/Berlin"))
    report = build(facts_of(synthetic_rows(week), week))
    grid = next(
        one
        for one in report.section("heat").blocks
        if isinstance(one, Picture) and one.id == "chart-heat-over-refusal"
    )
    assert [column.title for column in grid.data.columns[1:]] == heads.split(", ")
    assert all(
        cell.text.endswith("%") for cell in grid.data.rows[0][1:]
    )  # no day is empty, the changed one neither
    drawn = re.findall(r">((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [^<]*)<", grid.svg)
    assert drawn == heads.split(", ")
    lines = next(
        one for one in report.section("rates").blocks if isinstance(one, Picture) and one.id == "chart-rates"
    )
    days = [row[0].value for row in lines.data.rows if row[0].text.startswith("Refusal,")]
    assert days == [(monday + timedelta(days=number)).isoformat() for number in range(-28, 7)]


@pytest.mark.parametrize(("events", "said_first"), [(1, "1 exchange,"), (700, "700 exchanges,")])
def test_a_week_of_unknowns_alone_opens_with_that_and_not_with_quiet(events: int, said_first: str) -> None:
    report = build(facts_of([of(category="", events=events, to_be_scored=events, unknown=events)]))
    assert report.summary.startswith(
        f"The guard labelled none of this week's {said_first} so it says nothing"
    )


def test_a_rate_of_nothing_has_no_empty_axes_without_a_word() -> None:
    report = build(facts_of([of(events=1, answered=1, to_be_scored=1, prompt_harm_d=1, prompt_harm_w2=1)]))
    lines = next(
        one for one in report.section("rates").blocks if isinstance(one, Picture) and one.id == "chart-rates"
    )
    assert lines.svg.count("nothing to count") == 4


def test_nothing_on_a_heat_map_is_hard_to_read() -> None:
    from matplotlib.colors import LinearSegmentedColormap

    palette = LinearSegmentedColormap.from_list("heat", ["#f7fbff", "#6baed6", "#08306b"])
    for step in range(101):
        colour = palette(step / 100)
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour[:3]]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        contrast = 1.05 / (luminance + 0.05) if _ink_on(colour) == "#ffffff" else (luminance + 0.05) / 0.05
        assert contrast >= 4.5, step


def test_parameters_are_those_that_clickhouse_client_takes() -> None:
    given = said_parameters({"since": WEEK.since, "tenant": "O'Neill", "model": "", "each": 5})
    assert (
        given
        == """--param_since='2026-11-16 00:00:00' --param_tenant='O'"'"'Neill' --param_model='' --param_each=5"""
    )


def test_no_section_is_empty_and_none_without_a_reason() -> None:
    for facts in (facts_of([]), facts_of([of(**ANSWERED)]), full_facts()):
        report = build(facts)
        for section in report.sections:
            assert section.blocks, section.id
            for block in section.blocks:
                assert block.text.strip() if isinstance(block, Paragraph) else block.queries, (
                    section.id,
                    block,
                )
                assert not isinstance(block, Table) or block.rows, block.id
