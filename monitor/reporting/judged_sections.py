"""Sections of what a judge said: the quality of refusals, and what judging rests on. Pure."""

from __future__ import annotations

from math import sqrt
from typing import Final

from monitor.intervals import Z_95
from monitor.reporting import words
from monitor.reporting.changes import Changes
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table
from monitor.reporting.facts import EVERYTHING, Facts, Quality

_MEASURED: Final[tuple[tuple[str, str, bool], ...]] = (
    ("care_overall", "Overall, 0 to 1", False),
    ("care_grounding", "Grounding, 1 to 5", False),
    ("care_resource", "Names help", True),
    ("care_relevance", "Relevance, 1 to 5", False),
    ("is_template", "Near-identical texts", True),
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
    rows = tuple(
        (
            Cell("All judged" if not domain else words.category(domain)),
            Cell(*_number(by.get((domain, "judged")))),
            *(
                Cell(*_mean(by.get((domain, measure)), is_share=is_share))
                for measure, _, is_share in _MEASURED
            ),
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
                *(Column(title) for _, title, _ in _MEASURED),
            ),
            rows,
            query,
            "Means over what each judged exchange stands for, ± half a 95 % interval; in brackets how many were scored.",
        ),
    ]
    if not domains:
        blocks.append(Paragraph("No judged refusal touched on one of the five domains.", "quiet", query))
    return Section("quality", "Quality of refusals", tuple(blocks))


def _number(one: Quality | None) -> tuple[str, float]:
    return ("0", 0) if one is None else (words.whole(one.n), one.n)


def _mean(one: Quality | None, *, is_share: bool) -> tuple[str, float | None]:
    if one is None or not one.n:
        return words.NOTHING, None
    half = Z_95 * sqrt(max(one.variance, 0.0))
    if is_share:
        return f"{100 * one.mean:.0f} ± {100 * half:.0f} % ({one.n:,})", one.mean
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
            "All rates of this report are the guard's. Each exchange counts as many times as it stands for where only a sample was scored.",
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
                f"{words.whole(answered)}, which stand for {words.whole(stands)}. `watchkeeper rates --corrected` corrects the guard's rates by them.",
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
    return Section("judge", "Judging and what the estimates rest on", tuple(blocks))
