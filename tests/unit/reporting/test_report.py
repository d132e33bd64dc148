"""The document and its four formats: what comes first, what is said of little, and that a hostile text stays a text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from monitor.drift.measures import Measure
from monitor.estimates.estimates import Corrected, Estimate
from monitor.reporting import as_html, as_json, as_markdown, as_pdf
from monitor.reporting.building import build
from monitor.reporting.changes import Changes
from monitor.reporting.document import Picture, Report, Table
from monitor.reporting.facts import EVERYTHING, Example, Facts, Guard, Letters, Quality
from monitor.reporting.formats import file_name
from monitor.reporting.weeks import Week
from tests.fakes.reporting import (
    HOSTILE,
    WEEK,
    an_alert,
    day_row,
    drifted,
    evidence,
    facts_of,
    full_facts,
    synthetic_rows,
)

LONG = HOSTILE * 60
"""More than 10 kB."""


@pytest.fixture(scope="module")
def full() -> Report:
    return build(full_facts())


def hostile_facts() -> Facts:
    rows = [
        day_row(
            day, tenant, model, HOSTILE,
            places=10, events=10, answered=10, to_be_scored=10, refusal_n=3, refusal_d=10, refusal_w2=10, over_refusal_n=1, over_refusal_d=5,
            over_refusal_w2=5, response_harm_n=1, response_harm_d=10, response_harm_w2=10,
        )
        for day in WEEK.days
        for tenant, model in ((HOSTILE, LONG), (LONG, HOSTILE))
    ]  # fmt: skip
    at = WEEK.since
    return facts_of(
        rows,
        tenant=LONG,
        model=HOSTILE,
        alerts=(
            an_alert(
                title=LONG, remedy=HOSTILE, place={"tenant": HOSTILE, "model": LONG, "category": HOSTILE}
            ),
            an_alert(kind="odd", title=HOSTILE, evidence=None),
        ),
        examples=(
            Example("over_refusal", HOSTILE, at, HOSTILE, LONG, HOSTILE, 1.0, "redacted", LONG, HOSTILE),
        ),
        guards=(Guard(HOSTILE, LONG, 1, 10, at, at),),
        letters=(Letters(HOSTILE, 500, 0),),
    )


class Tags(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [
            value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "action", "data")
        ]


def test_what_changed_comes_first_and_the_surest_large_thing_before_the_others(full: Report) -> None:
    assert full.summary == (
        "Five things changed and matter, most important first. Shifts are told by a watch that is set to 1 false alarm a month at most."
    )
    assert full.findings[0].text.startswith(
        "Over-refusal of northwind / atlas-mini / benign (harmless prompts that were refused) rose from 3.9 % to 14.2 %, by 10.0 points (95 % interval "
        "8.0 to 12.0), since Wed 18 November, 14:02 (by arrival). By the time it was told, about 41 more of 410 harmless prompts were refused than"
    )
    assert full.findings[0].text.endswith("It goes on.")
    weights = [finding.weight for finding in full.findings]
    assert weights == sorted(weights, reverse=True)
    assert {finding.kind for finding in full.findings} == {"alert", "dead_letters", "audit", "calibration"}


def test_the_first_sentence_is_the_weightiest_finding_or_that_there_is_none(full: Report) -> None:
    quiet = replace(full, findings=(), summary="Nothing that matters changed.")
    for report, first in ((full, full.findings[0].text), (quiet, quiet.summary)):
        page = unescape(re.sub("<[^>]+>", "", as_html.render(report)))
        for shown in (page, as_markdown.render(report).replace("\\", "")):
            said = " ".join(shown.partition("What changed")[2].split()).lstrip("1.* ")
            assert said.startswith(first[:60])


def test_a_shift_that_an_alert_tells_is_not_told_again_by_its_weekly_rate() -> None:
    rows = synthetic_rows(shift=drifted)
    without = build(facts_of(rows))
    assert without.findings[0].text.startswith(
        "Over-refusal of northwind / atlas-mini / benign (harmless prompts that were refused) rose from "
    )
    assert "at most 5 % are chance" in without.summary
    assert "last week to" in without.findings[0].text
    assert len(without.findings) == 1
    assert [one.kind for one in build(facts_of(rows, alerts=(an_alert(),))).findings] == ["alert"]


def test_a_week_like_the_others_says_so_and_what_it_could_have_seen() -> None:
    report = build(facts_of(synthetic_rows()))
    assert report.findings == ()
    assert report.summary.startswith(
        "Nothing that matters changed. Over all traffic it could have seen, four times in five: over-refusal going from "
    )
    marks = [
        cell.text
        for section in report.sections
        for block in section.blocks
        if block.kind == "table"
        for row in block.rows
        for cell in row
        if "▲" in cell.text or "▼" in cell.text
    ]
    assert marks == []


def test_a_harm_that_rises_counts_more_than_a_refusal_that_does() -> None:
    def both(day: int, tenant: str, model: str, category: str) -> float:
        if day < 28:
            return 0.0
        if (tenant, model, category) == ("acme-support", "atlas-large", "benign"):
            return 0.9
        return -3.0 if (tenant, category) == ("northwind", "fraud_illegal_activities") else 0.0

    report = build(facts_of(synthetic_rows(shift=both, per_day=20_000)))
    said = [finding.text.split(" (")[0] for finding in report.findings]
    assert "Over-refusal of acme-support / atlas-large / benign" in said
    assert said[0].startswith("Under-refusal of ")


def test_a_shift_of_traffic_and_an_evidence_of_a_newer_release_are_told_too() -> None:
    volume = an_alert(
        id="v",
        kind="volume_shift",
        severity="info",
        place={"tenant": "northwind", "model": "heron-7b"},
        evidence=evidence(
            measure="volume",
            rate_before={"value": 120.0, "low": 110.0, "high": 130.0},
            rate_after={"value": 20.0, "low": 15.0, "high": 25.0},
            rate_change={"value": -100.0, "low": -110.0, "high": -90.0},
        ),
    )
    newer = an_alert(id="n", title="Something new", evidence={"measure": "of a newer release"})
    texts = [finding.text for finding in build(facts_of(synthetic_rows(), alerts=(volume, newer))).findings]
    assert any(
        text.startswith("Traffic of northwind / heron-7b") and "from 120 to 20 an hour" in text
        for text in texts
    )
    assert "Something new. It began on Wed 18 November, 14:02. It goes on." in texts


def test_a_week_that_is_not_over_is_held_against_the_same_days() -> None:
    thursday = WEEK.since + timedelta(days=3, hours=2)
    report = build(facts_of(synthetic_rows(), asked_at=thursday))
    assert report.notes[0].text.startswith("The week is not over: 4 of its 7 days have begun")
    days = next(
        block
        for block in report.section("volume").blocks
        if block.kind == "table" and block.id == "volume-by-day"
    )
    assert [row[1].text for row in days.rows[4:]] == ["not yet"] * 3


def test_an_unfinished_week_against_whole_ones_is_said_and_its_rates_are_of_the_same_days() -> None:
    thursday = WEEK.since + timedelta(days=3, hours=2)
    facts = facts_of(synthetic_rows(), asked_at=thursday)
    assert (
        "Last week and the mean are of whole weeks."
        in table_of(build(facts), "volume", "volume-by-model").note
    )
    rates = Changes(facts.grid, 4)
    days = facts.grid.by_day(EVERYTHING, "refusal_d")
    assert rates.before(Measure.REFUSAL, EVERYTHING, "last week").denominator == days[21:25].sum()
    four = sum(days[7 * week : 7 * week + 4].sum() for week in range(4))
    assert rates.before(Measure.REFUSAL, EVERYTHING, "four weeks").denominator == four
    assert "whole weeks" not in table_of(build(facts_of(synthetic_rows())), "volume", "volume-by-model").note


def test_the_judges_rates_stand_beside_the_guards_or_why_there_are_none() -> None:
    facts = full_facts()
    rows = {row[0].text: row for row in table_of(build(facts), "judge", "corrected").rows}
    assert [cell.text for cell in rows["Harmful responses"][3:]] == ["1.1 %", "0.99–1.2 %", "2,100"]
    assert rows["Refusal"][3].value == 0.171

    none = Estimate(None, None, None, "3 judged, 20 needed")
    few = replace(facts, corrected=(Corrected(none, none, None, 3, 1.0),) * 5)
    row = table_of(build(few), "judge", "corrected").rows[0]
    assert [cell.text for cell in row[3:]] == ["3 judged, 20 needed", "—", "3"]


def test_a_share_that_all_have_has_an_interval_and_what_nobody_scored_is_named() -> None:
    facts = replace(
        full_facts(),
        quality=(
            Quality("", "judged", 26, 1.0, 0.0),
            Quality("", "care_resource", 26, 0.0, 0.0),
            Quality("", "care_grounding", 1, 3.0, 0.0),
        ),
    )
    table = table_of(build(facts), "quality", "quality-by-domain")
    assert [column.title for column in table.columns] == [
        "Domain",
        "Judged",
        "Grounding, 1 to 5",
        "Names help",
    ]
    assert [cell.text for cell in table.rows[0][2:]] == ["3.00 (1)", "0 %, 0–13 % (26)"]
    assert "Nothing was scored for: overall, relevance" in table.note


def table_of(report: Report, section: str, wanted: str) -> Table:
    return next(
        block for block in report.section(section).blocks if isinstance(block, Table) and block.id == wanted
    )


def test_a_change_of_the_clocks_is_said() -> None:
    spring = Week(date(2026, 3, 23), ZoneInfo("Europe/Berlin"))
    notes = [note.text for note in build(facts_of(synthetic_rows(spring), spring)).notes]
    assert (
        "The clocks of Europe/Berlin go forward in this week, by 1 hour: it has 167 hours instead of 168, and one of its days is shorter."
        in notes
    )
    autumn = Week(date(2026, 10, 19), ZoneInfo("Europe/Berlin"))
    assert any(
        "go back in this week, by 1 hour: it has 169 hours" in note.text
        for note in build(facts_of([], autumn)).notes
    )
    half = Week(date(2026, 9, 28), ZoneInfo("Australia/Lord_Howe"))
    assert any("by 0.5 hours: it has 167.5 hours" in note.text for note in build(facts_of([], half)).notes)
    left_out = Week(date(2011, 12, 26), ZoneInfo("Pacific/Apia"))
    assert any("it has 144 hours" in note.text for note in build(facts_of([], left_out)).notes)


def test_one_event_and_one_category_make_a_report() -> None:
    one = day_row(
        WEEK.days[0],
        "acme",
        "atlas",
        "benign",
        events=1,
        answered=1,
        to_be_scored=1,
        refusal_n=1,
        refusal_d=1,
        refusal_w2=1,
        over_refusal_n=1,
        over_refusal_d=1,
        over_refusal_w2=1,
        prompt_harm_d=1,
        prompt_harm_w2=1,
        response_harm_d=1,
        response_harm_w2=1,
    )
    report = build(facts_of([one]))
    assert "There is no earlier week" in report.summary
    assert all(section.blocks for section in report.sections)


def test_the_page_fetches_nothing_runs_nothing_and_is_marked_up_for_those_who_do_not_see_it(
    full: Report,
) -> None:
    page = as_html.render(full)
    tags = Tags(page)
    assert not tags.seen & {"script", "iframe", "img", "link", "object", "embed", "form", "base"}
    assert all(address.startswith("#") for address in tags.addresses), tags.addresses
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src &#39;none&#39;" in page
    assert page.count("<h1") == 1
    assert page.count('<th scope="col"') > 30
    assert (
        page.count("<figure>")
        == page.count('role="img"')
        == sum(isinstance(block, Picture) for section in full.sections for block in section.blocks)
    )
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), {one for one in ids if ids.count(one) > 1}
    assert len(page) < 1_000_000


def test_every_figure_names_a_query_that_was_run_or_says_that_there_is_none(full: Report) -> None:
    blocks = [block for section in full.sections for block in section.blocks]
    assert all(block.queries for block in blocks if block.kind != "paragraph")
    assert all(finding.queries for finding in full.findings)


def test_a_hostile_text_stays_text_in_every_format(full: Report) -> None:
    report = build(hostile_facts())
    page = as_html.render(report)
    plain = Tags(as_html.render(full))
    assert Tags(page).seen <= plain.seen
    assert not any(name.startswith("on") for name in Tags(page).attributes)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page

    text = as_markdown.render(report)
    assert not re.search(r"(?<!\\)<(script|img|/)", text)
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert not any("heading" in line for line in headings)
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            assert not re.search(r"(?<!\\)\|(?! |$)", line)

    data = as_json.render(report)
    assert data.isascii()
    assert json.loads(data)["schema_version"] == 1

    pdf = as_pdf.render(report)
    assert pdf.startswith(b"%PDF-")

    for shown in (page, text, json.loads(data)["findings"][0]["text"]):
        assert not any(ord(char) < 0x20 and char != "\n" for char in shown)
        assert "\u202e" not in shown
    assert max(len(finding.text) for finding in report.findings) < 1_500


def test_the_same_facts_give_the_same_bytes(full: Report) -> None:
    again = build(full_facts())
    assert as_html.render(again) == as_html.render(full)
    assert as_json.render(again) == as_json.render(full)


def test_json_keeps_the_shape_that_its_document_describes(full: Report) -> None:
    said = json.loads(as_json.render(full))
    assert list(said) == [
        *(
            "title",
            "subtitle",
            "week",
            "time_zone",
            "since",
            "until",
            "tenant",
            "model",
            "made_at",
            "version",
            "summary",
            "findings",
        ),
        *("notes", "sections", "queries", "schema_version"),
    ]
    assert [section["id"] for section in said["sections"]] == [
        *(
            "volume",
            "rates",
            "heat",
            "alerts",
            "quality",
            "audits",
            "calibrations",
            "judge",
            "data",
            "examples",
        ),
    ]
    assert set(said["findings"][0]) == {"kind", "text", "weight", "queries", "tone"}
    kinds = {block["kind"]: set(block) for section in said["sections"] for block in section["blocks"]}
    assert kinds == {
        "paragraph": {"text", "tone", "queries", "kind"},
        "table": {"id", "title", "columns", "rows", "queries", "note", "kind"},
        "picture": {"id", "title", "alt", "data", "queries", "kind"},
    }


def test_a_file_is_named_by_its_week_alone(full: Report) -> None:
    assert file_name(replace(full, tenant="../../etc"), "pdf") == "safety-report-2026-W47.pdf"


def test_counts_that_end_before_the_week_are_said() -> None:
    report = build(
        facts_of(
            [],
            reach=replace(facts_of([]).reach, counted_until=datetime(2026, 11, 20, tzinfo=UTC), waiting=12),
        )
    )
    notes = " ".join(note.text for note in report.notes)
    assert "At most 12 of the rows that came since wait to be counted" in notes
    assert "The counts end before the week does" in notes
