"""Sections of what a judge said: the quality of refusals, and what judging rests on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from monitor.estimates.estimates import Corrected
from monitor.intervals import Z_95, wilson
from monitor.rates import RATE_NAMES
from monitor.reporting import words
from monitor.reporting.changes import RATES, Changes
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table
from monitor.reporting.facts import EVERYTHING, Facts, Quality
from monitor.wording.figures import NOTHING
from schemas.taxonomy import CATEGORIES

MOST_CATEGORIES: Final = 24

_MEASURED: Final[tuple[tuple[str, str, bool], ...]] = (
    ("care_overall", "Overall, 0 to 1", False),
    ("care_grounding", "Grounding, 1 to 5", False),
    ("care_resource", "Names help", True),
    ("care_relevance", "Relevance, 1 to 5", False),
    ("is_template", "Near-identical texts", True),
    ("withheld", "Nothing harmful given", True),
    ("recognisable", "Declines in words", True),
    ("over_intervention", "Care where none was needed", True),
)


_CARE: Final = (
    "chosen by the policy of judging. Where a refusal touches on one of PsychoSafe's five domains it is scored for care: whether it sees the "
    "person's need, names help that exists, and stays with what was asked. Near-identical texts are templates."
)


def quality_section(facts: Facts) -> Section:
    """How refusals are worded, by PsychoSafe's domains."""
    query = ("report_refusal_quality",)
    by = {(one.domain, one.measure): one for one in facts.quality}
    judged = by.get(("", "judged"))
    if judged is None or not judged.n:
        reason = (
            "A judge answered for none of this week's exchanges"
            if facts.judged
            else "No judge looked at this week's exchanges (WATCHKEEPER_JUDGING__JUDGE)"
        )
        return Section(
            "quality",
            "Quality of refusals",
            (Paragraph(f"{reason}, so nothing is known of how refusals are worded.", "quiet", query),),
        )
    domains = sorted({one.domain for one in facts.quality if one.domain})
    given = [one for one in _MEASURED if any((domain, one[0]) in by for domain in ("", *domains))]
    missing = [
        title.partition(",")[0].lower()
        for measure, title, _ in _MEASURED
        if measure not in {one[0] for one in given}
    ]
    rows = tuple(
        (
            Cell("All judged" if not domain else words.category(domain)),
            Cell(*_number(by.get((domain, "judged")))),
            *(Cell(*_mean(by.get((domain, measure)), is_share=is_share)) for measure, _, is_share in given),
        )
        for domain in ["", *domains]
    )
    blocks: list[Block] = [
        Paragraph(
            f"A judge read {words.whole(judged.n)} exchanges of this week, {_CARE}",
            "",
            query,
        ),
        Table(
            "quality-by-domain",
            "Refusal quality by domain (PsychoSafe)",
            (
                Column("Domain", is_number=False),
                Column("Judged"),
                *(Column(title) for _, title, _ in given),
            ),
            rows,
            query,
            "Means over what each judged exchange stands for, with 95 % intervals; in brackets how many were scored. "
            f"{_unscored(missing)}Nothing harmful given and declines in words are of all that was judged, harmless requests too: ordinary help is in "
            "the first and not in the second.",
        ),
    ]
    unsaid = by.get(("", "withheld_unsaid"))
    if unsaid is not None and unsaid.n:
        text, _ = _mean(unsaid, is_share=True)
        blocks.append(
            Paragraph(
                f"{text} of what was judged on both gives nothing harmful and does not say that it declines: ordinary help, or a refusal that isn't "
                "told, which a reader can't tell from a poor answer.",
                "",
                query,
            )
        )
    if not domains:
        blocks.append(Paragraph("No judged refusal touched on one of the five domains.", "quiet", query))
    return Section("quality", "Quality of refusals", tuple(blocks))


def _unscored(titles: Sequence[str]) -> str:
    return f"Nothing was scored for: {', '.join(titles)}. " if titles else ""


def _number(one: Quality | None) -> tuple[str, float]:
    return ("0", 0) if one is None else (words.whole(one.n), one.n)


def _mean(one: Quality | None, *, is_share: bool) -> tuple[str, float | None]:
    if one is None or not one.n:
        return NOTHING, None
    if is_share:
        # As many alike as would vary so; where all are the same, as many as there are.
        spread = one.mean * (1 - one.mean)
        size = spread / one.variance if one.variance > 0 and spread > 0 else one.n
        low, high = wilson(one.mean * size, size)
        return f"{100 * one.mean:.0f} %, {100 * low:.0f}–{100 * high:.0f} % ({one.n:,})", one.mean
    half = Z_95 * sqrt(max(one.variance, 0.0))
    if not half:
        return f"{one.mean:.2f} ({one.n:,})", one.mean
    return f"{one.mean:.2f} ± {half:.2f} ({one.n:,})", one.mean


def judge_section(facts: Facts, changes: Changes) -> Section:
    """What a judge was asked, and what estimates that correct the guard would rest on."""
    query = ("report_judged", "report_days")
    grid, now = changes.grid, changes.now
    events = grid.total(EVERYTHING, "events", now)
    asked, drawn_out, unscored, off, expected = (
        grid.total(EVERYTHING, name, now)
        for name in ("judge_asked", "judge_sampled_out", "judge_unscored", "judge_off", "judge_expected")
    )
    blocks: list[Block] = [
        Paragraph(
            "The rates of the other sections are the guard's. Where only a sample was scored, each exchange counts as many times as it stands for. A "
            "judge is a second, slower model that reads some of them again.",
            "",
            ("report_days",),
        )
    ]
    if not events:
        blocks = [Paragraph("Nothing is counted in this week.", "quiet", query)]
    elif not asked and not facts.judged:
        why = "judging is off" if off else "the policy chose none"
        blocks.append(
            Paragraph(
                f"No judge was asked about this week's exchanges: {why}. So nothing here is corrected by a second opinion.",
                "quiet",
                query,
            )
        )
    else:
        answered = sum(one.answered for one in facts.judged)
        stands = sum(one.stands_for for one in facts.judged)
        blocks.append(
            Paragraph(
                f"By the policy of judging {words.whole(expected)} exchanges were to be expected, and {words.whole(asked)} were chosen; "
                f"{words.whole(drawn_out)} were not drawn"
                f"{f', and {words.whole(unscored)} had no answer of the guard to choose by' if unscored else ''}. The judge answered "
                f"{words.whole(answered)}, which stand for {words.whole(stands)}.",
                "",
                query,
            )
        )
        if facts.judged:
            blocks.append(
                Table(
                    "judged",
                    "What was judged, and why",
                    (
                        *(Column(one, is_number=False) for one in ("Judge", "Version", "Why")),
                        *map(
                            Column,
                            (
                                "Judged",
                                "Answered",
                                "Unreadable",
                                "Refused",
                                "Shortened",
                                "Stand for",
                                "Smallest chance to be drawn",
                            ),
                        ),
                    ),
                    tuple(
                        (
                            Cell(words.name(one.judge)),
                            Cell(words.name(one.version)),
                            Cell(words.category(one.why)),
                            *(
                                Cell(words.whole(value), value)
                                for value in (
                                    one.judged,
                                    one.answered,
                                    one.unknown,
                                    one.errors,
                                    one.shortened,
                                )
                            ),
                            Cell(words.whole(one.stands_for), one.stands_for),
                            Cell(words.share(one.least_probability), one.least_probability),
                        )
                        for one in facts.judged
                    ),
                    query,
                )
            )
    if events and facts.corrected and (asked or facts.judged):
        blocks.append(_corrected_table(facts, changes))
        by_category = _by_category_table(facts, changes)
        if by_category is not None:
            blocks.append(by_category)
    return Section("judge", "Judging and what the estimates rest on", tuple(blocks))


def _corrected_table(facts: Facts, changes: Changes) -> Table:
    """The guard's rates, and beside them what the judge makes of them."""
    rows = []
    for measure in RATES:
        found = facts.corrected[RATE_NAMES.index(measure.value)]
        guard, judge = changes.rate(measure, EVERYTHING), found.prediction_powered
        shown = judge.reason or words.share(judge.rate)
        rows.append(
            (
                Cell(words.TITLES[measure]),
                Cell(words.share(guard.value), guard.value),
                Cell(words.interval(guard.low, guard.high)),
                Cell(shown, judge.rate, "quiet" if judge.reason else ""),
                Cell(words.interval(judge.low, judge.high)),
                Cell(words.whole(found.judged), found.judged),
            )
        )
    return Table(
        "corrected",
        "Rates corrected by the judge, over all of this report's traffic",
        (
            Column("Rate", is_number=False),
            *map(Column, ("By the guard", "95 % interval", "Corrected", "95 % interval", "Judged in it")),
        ),
        tuple(rows),
        ("report_patterns", "report_days"),
        "Corrected is the guard's opinion of all exchanges, set right by where the judge differs in its sample (prediction-powered, docs/estimates.md). "
        "What is harmless or harmful is then the judge's opinion too. Where too few were judged, the reason stands instead.",
    )


_AS_ABOVE: Final = (
    "Corrected as above, with 95 % intervals. The category is the guard's; what is harmless or harmful in it is the judge's opinion. Not tested for "
    "changes."
)


def _by_category_table(facts: Facts, changes: Changes) -> Table | None:
    """The corrected rates of each category of which anything was judged; None where of none."""
    order = {slug: number for number, slug in enumerate(CATEGORIES)}
    judged = {
        slug: rates
        for slug, rates in facts.corrected_by_category.items()
        if any(rate.judged for rate in rates)
    }
    ranked = sorted(judged, key=lambda slug: -max(rate.judged for rate in judged[slug]))[:MOST_CATEGORIES]
    if not ranked:
        return None
    answered = [
        measure
        for measure in RATES
        if any(rates[RATE_NAMES.index(measure.value)].judged for rates in judged.values())
    ]
    rows = tuple(
        (
            Cell(words.category(slug)),
            Cell(*_most_judged(judged[slug])),
            *(_corrected_cell(judged[slug][RATE_NAMES.index(measure.value)]) for measure in answered),
        )
        for slug in sorted(ranked, key=lambda slug: (order.get(slug, len(order)), slug))
    )
    without = [key for key in changes.grid.categories() if key[2] not in judged]
    return Table(
        "corrected-by-category",
        "Rates corrected by the judge, by category",
        (
            Column("Category", is_number=False),
            *map(Column, ("Judged", *(words.TITLES[measure] for measure in answered))),
        ),
        rows,
        ("report_patterns",),
        " ".join(
            part
            for part in (
                _AS_ABOVE,
                f"The judge says nothing of {' and '.join(words.TITLES[measure].lower() for measure in RATES if measure not in answered)}."
                if len(answered) < len(RATES)
                else "",
                f"The {MOST_CATEGORIES} of {len(judged)} categories of which most was judged are shown."
                if len(judged) > len(ranked)
                else "",
                f"Not shown, since none of it was judged: {words.few([words.cell(key) for key in without])}."
                if without
                else "",
            )
            if part
        ),
    )


def _most_judged(rates: Sequence[Corrected]) -> tuple[str, float]:
    most = max(rate.judged for rate in rates)
    return words.whole(most), most


def _corrected_cell(found: Corrected) -> Cell:
    judge = found.prediction_powered
    if judge.reason:
        return Cell(judge.reason, None, "quiet")
    return Cell(f"{words.share(judge.rate)} ({words.interval(judge.low, judge.high)})", judge.rate)
