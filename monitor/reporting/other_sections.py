"""Sections about what stands beside the rates: alerts, refusal quality, audits, calibrations, the judge, the data, examples. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitor.reporting import words
from monitor.reporting.changes import Changes
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table
from monitor.reporting.facts import EVERYTHING, CalibrationNow, Example, Facts, Told
from monitor.wording.figures import NOTHING

MOST_ALERTS: Final = 40
_ALERTS_ASKED_FOR: Final = 500
"""As report_alerts.sql has it."""
_KINDS: Final[Mapping[str, str]] = {
    "harmful_answer": "Harmful answer",
    "under_refusal": "Harmful prompt that was answered",
    "over_refusal": "Harmless prompt that was refused",
}


def alerts_section(facts: Facts) -> Section:
    """What fired in the week."""
    query = ("report_alerts",)
    if not facts.alerts:
        return Section("alerts", "Alerts", (Paragraph("No alert fired in this week.", "", query),))
    zone = facts.week.zone
    open_ = sum(alert.ended_at is None for alert in facts.alerts)
    said = (
        f"One alert fired in this week; it {'goes on' if open_ else 'is over'}."
        if len(facts.alerts) == 1
        else f"{'At least ' if len(facts.alerts) >= _ALERTS_ASKED_FOR else ''}{len(facts.alerts)} alerts fired in this week; {open_ or 'none'} "
        f"{'go' if open_ > 1 else 'goes'} on."
    )
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
        f"The first {MOST_ALERTS} of {len(facts.alerts)} are shown; `watchkeeper alerts` lists all."
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
        f"{words.category(group) if group else one.rule} {value:.3g}"
        for group, value in one.thresholds.items()
    )
    said = "; ".join(one.guarantees) or one.reason or NOTHING
    return (
        Cell(words.name(one.model)),
        Cell(str(one.version), one.version),
        Cell(one.state.replace("_", " "), one.state, "worse" if one.state == "rolled_back" else ""),
        Cell(words.moment(one.published_at or one.at, zone), (one.published_at or one.at).isoformat()),
        Cell(words.name(one.by)),
        Cell(words.text(thresholds or NOTHING, 160)),
        Cell(words.text(said, 300)),
    )


def data_section(facts: Facts, changes: Changes) -> Section:
    """What is missing, late, unknown or shortened."""
    grid, now = changes.grid, changes.now
    last = grid.weeks_ago(1)
    events, before = (grid.total(EVERYTHING, "events", days) for days in (now, last))
    blocks: list[Block] = []
    if events:
        rows = []
        for title, name in (
            ("The guard's answer could not be read (unknown)", "unknown"),
            ("The guard refused to label it (error)", "errors"),
            ("The guard saw it shortened (truncated)", "truncated"),
            ("It arrived an hour or more after it happened (late)", "late"),
        ):
            count, count_before = grid.total(EVERYTHING, name, now), grid.total(EVERYTHING, name, last)
            rows.append(
                (
                    Cell(title),
                    Cell(words.whole(count), count),
                    Cell(words.share(count / events), count / events),
                    Cell(words.whole(count_before) if before else NOTHING, count_before),
                    Cell(
                        words.share(count_before / before) if before else NOTHING,
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
