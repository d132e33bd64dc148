"""Sections about what stands beside the rates: alerts, refusal quality, audits, calibrations, the judge, the data, examples. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Final

from monitor.intervals import Z_95
from monitor.reporting import words
from monitor.reporting.changes import Changes
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table
from monitor.reporting.facts import EVERYTHING, CalibrationNow, Example, Facts, Quality, Told

MOST_ALERTS: Final = 40
_KINDS: Final[Mapping[str, str]] = {
    "harmful_answer": "Harmful answer",
    "under_refusal": "Harmful prompt that was answered",
    "over_refusal": "Harmless prompt that was refused",
}
_MEASURED: Final[tuple[tuple[str, str, bool], ...]] = (
    ("care_overall", "Overall, 0 to 1", False),
    ("care_grounding", "Grounding, 1 to 5", False),
    ("care_resource", "Names help", True),
    ("care_relevance", "Relevance, 1 to 5", False),
    ("is_template", "Near-identical texts", True),
    ("over_intervention", "Care where none was needed", True),
)


def alerts_section(facts: Facts) -> Section:
    """What fired in the week."""
    query = ("report_alerts",)
    if not facts.alerts:
        return Section("alerts", "Alerts", (Paragraph("No alert fired in this week.", "", query),))
    zone = facts.week.zone
    open_ = sum(alert.ended_at is None for alert in facts.alerts)
    said = f"{len(facts.alerts)} {'alert' if len(facts.alerts) == 1 else 'alerts'} fired in this week; {open_ or 'none'} {'goes' if open_ == 1 else 'go'} on."
    rows = tuple(
        (
            Cell(words.text(alert.title)),
            Cell(alert.severity, alert.severity, "worse" if alert.severity == "critical" else ""),
            Cell(words.moment(alert.started_at, zone), alert.started_at.isoformat()),
            Cell(*_end(facts, alert)),
            Cell(words.text(alert.remedy)),
            Cell(words.name(alert.id[:12]), alert.id),
        )
        for alert in facts.alerts[:MOST_ALERTS]
    )
    columns = ("What", "Severity", f"Began ({facts.week.zone_name})", "Ended", "Next step", "Id")
    note = (
        f"The first {MOST_ALERTS} of {len(facts.alerts)} are shown."
        if len(facts.alerts) > MOST_ALERTS
        else ""
    )
    note = f"Alerts are by the time at which traffic arrived. {note}".strip()
    return Section(
        "alerts",
        "Alerts",
        (
            Paragraph(said, "", query),
            Table(
                "alerts-told",
                "Alerts of the week",
                tuple(Column(one, is_number=False) for one in columns),
                rows,
                query,
                note,
            ),
        ),
    )


def _end(facts: Facts, alert: Told) -> tuple[str, str | None]:
    if alert.ended_at is None:
        return ("goes on" if alert.state == "firing" else "open: no data now"), None
    how = "taken for normal, " if alert.state == "acknowledged" else ""
    lasted = words.span(alert.started_at, alert.ended_at)
    return f"{how}{words.moment(alert.ended_at, facts.week.zone)}, after {lasted}", alert.ended_at.isoformat()


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


def calibrations_section(facts: Facts) -> Section:
    """Which thresholds labelled the week, and which calibrations of refusal tokens were in force."""
    query = ("report_guards",)
    zone = facts.week.zone
    blocks: list[Block] = []
    if facts.guards:
        blocks.append(
            Table(
                "guards",
                "Who labelled this week's exchanges",
                (
                    *(Column(one, is_number=False) for one in ("Guard", "Version", "Calibration")),
                    Column("Exchanges"),
                    *(Column(one, is_number=False) for one in ("First", "Last")),
                ),
                tuple(
                    (
                        Cell(words.name(one.name)),
                        Cell(words.name(one.version)),
                        Cell(
                            "the settings' thresholds" if not one.calibration else str(one.calibration),
                            one.calibration,
                        ),
                        Cell(words.whole(one.events), one.events),
                        Cell(words.moment(one.first_at, zone), one.first_at.isoformat()),
                        Cell(words.moment(one.last_at, zone), one.last_at.isoformat()),
                    )
                    for one in facts.guards
                ),
                query,
                "Rates by different guards or calibrations are added up here: where there is more than one row, a change may be the instrument's."
                if len(facts.guards) > 1
                else "",
            )
        )
    else:
        blocks.append(Paragraph("Nothing was labelled in this week.", "quiet", query))
    if facts.calibrations:
        titles = ("Model", "Version", "State", "Since", "By", "Thresholds", "Evidence")
        blocks.append(
            Table(
                "calibrations",
                "Calibrations of refusal tokens",
                tuple(Column(one, is_number=False) for one in titles),
                tuple(_calibration_row(facts, one) for one in facts.calibrations),
                ("report_calibrations",),
            )
        )
    else:
        blocks.append(
            Paragraph(
                "No calibration of refusal tokens was in force or proposed (docs/recalibration.md).", "quiet"
            )
        )
    return Section("calibrations", "Guards and calibrations in force", tuple(blocks))


def _calibration_row(facts: Facts, one: CalibrationNow) -> tuple[Cell, ...]:
    zone = facts.week.zone
    thresholds = ", ".join(
        f"{words.name(group) if group else one.rule} {value:.3g}" for group, value in one.thresholds.items()
    )
    said = "; ".join(one.guarantees) or one.reason or words.NOTHING
    return (
        Cell(words.name(one.model)),
        Cell(str(one.version), one.version),
        Cell(one.state.replace("_", " "), one.state, "worse" if one.state == "rolled_back" else ""),
        Cell(words.moment(one.published_at or one.at, zone), (one.published_at or one.at).isoformat()),
        Cell(words.name(one.by)),
        Cell(words.text(thresholds or words.NOTHING, 160)),
        Cell(words.text(said, 300)),
    )


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


def data_section(facts: Facts, changes: Changes) -> Section:
    """What is missing, late, unknown or shortened."""
    grid, now = changes.grid, changes.now
    last = grid.weeks_ago(1)
    events, before = (grid.total(EVERYTHING, "events", days) for days in (now, last))
    blocks: list[Block] = []
    if events:
        rows = []
        for title, name in (
            ("Answer of the guard that could not be read (unknown)", "unknown"),
            ("Refused by the guard (error)", "errors"),
            ("Seen by the guard in a shortened form (truncated)", "truncated"),
            ("Arrived an hour or more after it happened (late)", "late"),
        ):
            count, count_before = grid.total(EVERYTHING, name, now), grid.total(EVERYTHING, name, last)
            rows.append(
                (
                    Cell(title),
                    Cell(words.whole(count), count),
                    Cell(words.share(count / events), count / events),
                    Cell(words.whole(count_before) if before else words.NOTHING, count_before),
                    Cell(
                        words.share(count_before / before) if before else words.NOTHING,
                        count_before / before if before else None,
                    ),
                )
            )
        blocks.append(
            Table(
                "data-quality",
                "Exchanges that say less than they should",
                (
                    Column("What", is_number=False),
                    *map(Column, ("This week", "Share", "Last week", "Share last week")),
                ),
                tuple(rows),
                ("report_days",),
            )
        )
    else:
        blocks.append(
            Paragraph(
                "No exchange is counted in this week, so none can be late, unknown or shortened.",
                "quiet",
                ("report_days",),
            )
        )
    query = ("report_dead_letters",)
    if facts.letters:
        blocks.append(
            Table(
                "dead-letters",
                "Messages that could not be used (dead letters), by arrival",
                (Column("Reason", is_number=False), Column("This week"), Column("Last week")),
                tuple(
                    (
                        Cell(words.category(one.reason), one.reason),
                        Cell(words.whole(one.now), one.now),
                        Cell(words.whole(one.before), one.before),
                    )
                    for one in facts.letters
                ),
                query,
                "They name no tenant or model: these are of all traffic."
                if facts.tenant or facts.model
                else "",
            )
        )
    else:
        blocks.append(Paragraph("No message went to the dead letters, this week or last.", "", query))
    return Section("data", "Quality of the data", tuple(blocks))


def examples_section(facts: Facts) -> Section:
    """Exchanges to look at, as far as the policy lets them be shown."""
    query = ("report_examples",)
    if not facts.examples:
        return Section(
            "examples",
            "Examples",
            (
                Paragraph(
                    "There is none to show: no answer of this week looks harmful and no refusal wrong, or the policy keeps no text of them.",
                    "quiet",
                    query,
                ),
            ),
        )
    zone = facts.week.zone
    policies = {one.policy for one in facts.examples}
    said = "Some of each kind, the surest by the guard's probabilities first: cases to look at, not a sample to count."
    if policies == {"none"}:
        said += " The policy keeps no text (WATCHKEEPER_PRIVACY__EXCERPT_POLICY): ids lead to the chat logs."
    elif "redacted" in policies:
        said += " Texts are excerpts with what identifies people masked."
    rows = tuple(
        (
            Cell(_KINDS.get(one.kind, words.name(one.kind)), one.kind),
            Cell(words.moment(one.at, zone), one.at.isoformat()),
            Cell(words.cell((one.tenant, one.model, one.category))),
            Cell(_shown(one, one.prompt)),
            Cell(_shown(one, one.response)),
            Cell(words.text(one.event_id, 64), one.event_id if one.event_id.isprintable() else None),
        )
        for one in facts.examples
    )
    columns = ("Kind", f"When ({facts.week.zone_name})", "Where", "Prompt", "Response", "Event id")
    return Section(
        "examples",
        "Examples",
        (
            Paragraph(said, "", query),
            Table(
                "examples-shown",
                "Exchanges to look at",
                tuple(Column(one, is_number=False) for one in columns),
                rows,
                query,
            ),
        ),
    )


def _shown(example: Example, text: str) -> str:
    if example.policy == "none":
        return "(not kept)"
    return words.text(text, 200) or "(empty)"
