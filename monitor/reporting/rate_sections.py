"""Sections of what is counted: volume and coverage, and the rates by category and by model, with their changes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitor.drift.measures import Measure
from monitor.reporting import charts, words
from monitor.reporting.changes import RATES, VERSUS, Change, Changes, busiest
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table
from monitor.reporting.facts import EVERYTHING, CellKey, Facts
from monitor.reporting.findings import tone_of
from monitor.reporting.significance import LEVEL
from monitor.wording.figures import NOTHING, points_text
from schemas.taxonomy import CATEGORIES

MOST_ROWS: Final = 24
_QUERIES: Final = ("report_days",)


def volume_section(facts: Facts, changes: Changes) -> Section:
    """How much there was, and how much of it the guard answered."""
    grid, now = changes.grid, changes.now
    events = grid.total(EVERYTHING, "events", now)
    if not events:
        return Section(
            "volume", "Volume and coverage", (Paragraph("Nothing is counted in this week.", "quiet"),)
        )
    weeks_with = [n for n in range(1, 5) if grid.total(EVERYTHING, "events", grid.weeks_ago(n)) > 0]
    elapsed = int(now.sum())
    last = grid.total(EVERYTHING, "events", grid.weeks_ago(1))
    answered, wanted = (grid.total(EVERYTHING, name, now) for name in ("answered", "to_be_scored"))
    coverage = answered / wanted if wanted else None
    said = f"{words.whole(events)} {'exchange' if events == 1 else 'exchanges'} (a prompt with its response, where there is one) happened in this week"
    if last and elapsed == 7:
        said += f", {_times(events, last)} last week's {words.whole(last)}"
    said += f". The guard, the model that labels each of them, answered {words.share(coverage)} of the {words.whole(wanted)} that were to be scored"
    said += (
        "; the rest is in no rate, since what is unknown must not count as safe."
        if coverage is not None and coverage < 1
        else "."
    )
    if events > wanted:
        said += f" {words.whole(events - wanted)} were left out by sampling; those that were drawn count for them."
    models = busiest(grid, grid.models(), now)
    blocks: list[Block] = [Paragraph(said, "", _QUERIES)]
    rows = [_volume_row(changes, key, weeks_with) for key in [EVERYTHING, *models[:MOST_ROWS]]]
    blocks.append(
        Table(
            "volume-by-model",
            "Exchanges by tenant and model",
            (
                Column("Tenant / model", is_number=False),
                *map(
                    Column,
                    ("Exchanges", "Last week", "Four-week mean", "To be scored", "Answered", "Coverage"),
                ),
            ),
            tuple(rows),
            _QUERIES,
            " ".join(
                part
                for part in (
                    "Last week and the mean are of whole weeks." if elapsed < 7 and weeks_with else "",
                    _left_out(len(models), "tenants and models"),
                )
                if part
            ),
        )
    )
    days = [number for number, is_now in enumerate(grid.this_week) if is_now]
    blocks.append(
        Table(
            "volume-by-day",
            f"Exchanges by day ({facts.week.zone_name})",
            (
                Column("Day", is_number=False),
                *map(Column, ("Exchanges", "Coverage", "Late by 1 h or more", "Same day last week")),
            ),
            tuple(_day_row(changes, number) for number in days),
            _QUERIES,
        )
    )
    return Section("volume", "Volume and coverage", tuple(blocks))


def _volume_row(changes: Changes, key: CellKey, weeks_with: Sequence[int]) -> tuple[Cell, ...]:
    grid, now = changes.grid, changes.now
    events, wanted, answered = (grid.total(key, name, now) for name in ("events", "to_be_scored", "answered"))
    last = grid.total(key, "events", grid.weeks_ago(1))
    mean = (
        sum(grid.total(key, "events", grid.weeks_ago(n)) for n in weeks_with) / len(weeks_with)
        if weeks_with
        else None
    )
    coverage = answered / wanted if wanted else None
    return (
        Cell(words.cell(key)),
        Cell(words.whole(events), events),
        Cell(words.whole(last) if weeks_with else NOTHING, last),
        Cell(NOTHING if mean is None else words.whole(mean), mean),
        Cell(words.whole(wanted), wanted),
        Cell(words.whole(answered), answered),
        Cell(words.share(coverage), coverage, "warning" if coverage is not None and coverage < 0.95 else ""),
    )


def _day_row(changes: Changes, number: int) -> tuple[Cell, ...]:
    grid = changes.grid
    day = grid.days[number]
    events, wanted, answered, late = (
        float(grid.by_day(EVERYTHING, name)[number])
        for name in ("events", "to_be_scored", "answered", "late")
    )
    before = float(grid.by_day(EVERYTHING, "events")[number - 7])
    coverage = answered / wanted if wanted else None
    has_begun = bool(changes.now[number])
    return (
        Cell(f"{day:%A} {day.day} {day:%B}", day.isoformat()),
        Cell(
            words.whole(events) if has_begun else "not yet",
            events if has_begun else None,
            "" if has_begun else "quiet",
        ),
        Cell(words.share(coverage), coverage),
        Cell(words.whole(late) if has_begun else NOTHING, late if has_begun else None),
        Cell(words.whole(before) if changes.has_past(1) else NOTHING, before),
    )


def rates_section(changes: Changes) -> Section:
    """The five rates by category and by model, each against the week before and the mean of four."""
    grid, now = changes.grid, changes.now
    if not grid.total(EVERYTHING, "answered", now):
        reason = (
            "The guard answered none of this week's exchanges, so there is no rate to tell: see coverage and data quality."
            if grid.total(EVERYTHING, "events", now)
            else "Nothing is counted in this week, so there is no rate to tell."
        )
        return Section("rates", "Refusal and harm", (Paragraph(reason, "quiet"),))
    categories = _categories(grid.categories())
    models = busiest(grid, grid.models(), now)
    wanted = [EVERYTHING, *categories, *models[:MOST_ROWS]]
    blocks: list[Block] = [Paragraph(_how_marked(changes), "quiet", _QUERIES), charts.rates_by_day(changes)]
    blocks += [
        Table(
            f"rates-{measure.value.replace('_', '-')}",
            words.TITLES[measure],
            _COLUMNS[: None if changes.has_past() else _WITHOUT_PAST],
            tuple(_rate_row(changes, measure, key) for key in shown),
            _QUERIES,
            " ".join(
                part
                for part in (
                    words.MEANINGS[measure],
                    _without_any([key for key in wanted if key not in shown]),
                    _left_out(len(models), "tenants and models"),
                )
                if part
            ),
        )
        for measure in RATES
        if (shown := [key for key in wanted if key == EVERYTHING or _has_any(changes, measure, key)])
    ]
    narrow = _narrow(changes)
    if narrow is not None:
        blocks.append(narrow)
    return Section("rates", "Refusal and harm", tuple(blocks))


_COLUMNS: Final = (
    Column("Where", is_number=False),
    *map(
        Column,
        ("This week", "95 % interval", "Out of", "Last week", "Change", "Four-week mean", "Change from it"),
    ),
)

_WITHOUT_PAST: Final = 4
"""Of those columns, how many need no earlier week."""


def _has_any(changes: Changes, measure: Measure, key: CellKey) -> bool:
    """Whether there is anything that the rate is of, in this week or before."""
    return bool(changes.counts(measure, key)[1].any())


def _without_any(keys: Sequence[CellKey]) -> str:
    if not keys:
        return ""
    return f"Not shown, since there is none of it: {words.few([words.cell(key) for key in keys])}."


def _rate_row(changes: Changes, measure: Measure, key: CellKey) -> tuple[Cell, ...]:
    rate = changes.rate(measure, key)
    cells = [
        Cell(words.cell(key) if key != EVERYTHING else "All"),
        Cell(words.share(rate.value), rate.value),
        Cell(words.interval(rate.low, rate.high)),
        Cell(words.whole(rate.denominator), rate.denominator),
    ]
    for versus in VERSUS if changes.has_past() else ():
        before = changes.before(measure, key, versus)
        cells += [
            Cell(words.share(before.value), before.value),
            _change_cell(changes.change(measure, key, versus)),
        ]
    return tuple(cells)


def _change_cell(change: Change | None) -> Cell:
    if change is None:
        return Cell(NOTHING)
    shown = words.points_beside(change.change, max(change.now.value or 0.0, change.before.value or 0.0))
    if change.is_significant:
        return Cell(
            f"{'▲' if change.is_rise else '▼'} {shown}",
            change.change,
            tone_of(change.measure, is_rise=change.is_rise),
        )
    return Cell(shown, change.change, "quiet")


def _narrow(changes: Changes) -> Table | None:
    """The significant changes of single tenant x model x category cells, the surest large ones first."""
    found: dict[tuple[Measure, CellKey], Change] = {}
    for change in changes.significant():
        if None in change.key or change.measure not in RATES:
            continue
        best = found.get((change.measure, change.key))
        if best is None or change.versus == "last week":
            found[change.measure, change.key] = change
    if not found:
        return None
    ranked = sorted(found.values(), key=lambda one: -one.certain)
    rows = tuple(
        (
            Cell(words.cell(one.key)),
            Cell(words.TITLES[one.measure], one.measure.value),
            Cell(words.share(one.before.value), one.before.value),
            Cell(words.share(one.now.value), one.now.value),
            Cell(
                f"{'▲' if one.is_rise else '▼'} {points_text(one.change, has_unit=False)}",
                one.change,
                tone_of(one.measure, is_rise=one.is_rise),
            ),
            Cell(f"{points_text(one.low, has_unit=False)} to {points_text(one.high, has_unit=False)}"),
            Cell("last week" if one.versus == "last week" else "four weeks"),
        )
        for one in ranked[:MOST_ROWS]
    )
    return Table(
        "rates-cells",
        "Cells that changed: tenant, model and category",
        (
            Column("Where", is_number=False),
            Column("Rate", is_number=False),
            *map(Column, ("Before", "This week", "Change", "95 % interval")),
            Column("Against", is_number=False),
        ),
        rows,
        _QUERIES,
        _left_out(len(ranked), "cells"),
    )


def heat_section(changes: Changes) -> Section:
    """Category by day: where and when."""
    grid, now = changes.grid, changes.now
    pictures = [
        picture
        for measure in (Measure.OVER_REFUSAL, Measure.REFUSAL, Measure.RESPONSE_HARM)
        if (
            picture := charts.heat_map(
                changes,
                measure,
                _categories(grid.categories()),
            )
        )
        is not None
    ]
    if not pictures or not grid.total(EVERYTHING, "answered", now):
        return Section(
            "heat",
            "Category by day",
            (Paragraph("No exchange of this week has a response that the guard labelled.", "quiet"),),
        )
    legend = (
        f"Each field is the rate of one category on one day, in per cent: darker is higher, in each picture by its own scale. Without a colour: of fewer "
        f"than {charts.LEAST_IN_A_FIELD} exchanges, so mostly chance. –: nothing to count."
    )
    return Section("heat", "Category by day", (Paragraph(legend, "quiet", _QUERIES), *pictures))


def _categories(keys: Sequence[CellKey]) -> list[CellKey]:
    """In the taxonomy's order; what isn't in it last."""
    order = {slug: number for number, slug in enumerate(CATEGORIES)}
    return sorted(keys, key=lambda key: (order.get(key[2] or "", len(order)), key[2] or ""))


def _how_marked(changes: Changes) -> str:
    intervals = "Intervals are 95 %, widened where days differ more than chance would have it. A category is what the guard takes an exchange to be about."
    if not changes.has_past():
        return f"{intervals} There is no earlier week in the store, so nothing is marked as changed."
    if not changes.tests:
        return f"{intervals} Too few days or cases are counted to test for changes, so nothing is marked."
    return (
        f"{intervals} Changes are in per cent points. ▲ and ▼ mark those that are significant: of all that is marked, at most {LEVEL * 100:.0f} % "
        f"is chance, on average ({changes.tests:,} comparisons, corrected by Benjamini and Hochberg). How much days differ is taken into account, so "
        "that a single odd day marks nothing."
    )


def _left_out(count: int, what: str) -> str:
    return f"The {MOST_ROWS} busiest of {count} {what} are shown." if count > MOST_ROWS else ""


def _times(now: float, before: float) -> str:
    ratio = now / before
    if 0.98 <= ratio <= 1.02:
        return "about as many as"
    return f"{ratio:.2f} times" if ratio < 10 else f"{ratio:.0f} times"
