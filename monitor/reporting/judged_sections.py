"""Sections of what a judge said: the quality of refusals, and what judging rests on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from monitor.intervals import Z_95, wilson
from monitor.rates import RATE_NAMES
from monitor.reporting import words
from monitor.reporting.changes import RATES, Changes
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table
from monitor.reporting.facts import EVERYTHING, Facts, Quality

_MEASURED: Final[tuple[tuple[str, str, bool], ...]] = (
    ("care_overall", "Overall, 0 to 1", False),
    ("care_grounding", "Grounding, 1 to 5", False),
    ("care_resource", "Names help", True),
    ("care_relevance", "Relevance, 1 to 5", False),
    ("is_template", "Near-identical texts", True),
    ("withheld", "Harm withheld", True),
    ("recognisable", "Says that it declines", True),
    ("over_intervention", "Care where none was needed", True),
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
        title.split(",")[0].lower()
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
            f"A judge read {words.whole(judged.n)} exchanges of this week. Where a refusal touches on one of PsychoSafe's domains it is scored for "
            "care: does it see the person's need, name help that exists, and stay with what was asked. Near-identical texts are templates.",
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
            f"{_unscored(missing)}Harm withheld and a refusal that "
            "says so are facts apart: who isn't told of it can't tell a refusal from a poor answer.",
        ),
    ]
    unsaid = by.get(("", "withheld_unsaid"))
    if unsaid is not None and unsaid.n:
        text, _ = _mean(unsaid, is_share=True)
        blocks.append(
            Paragraph(
                f"Harm is withheld by a response that does not say so in {text} of what was judged on both.",
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
        return words.NOTHING, None
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
            "All rates of the other sections are the guard's. Each exchange counts as many times as it stands for where only a sample was scored.",
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
                f"The policy meant to have {words.whole(expected)} exchanges judged and chose {words.whole(asked)}; {words.whole(drawn_out)} were not drawn"
                f"{f', {words.whole(unscored)} had no answer of the guard to choose by' if unscored else ''}. The judge answered "
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
                                "Least probability",
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
