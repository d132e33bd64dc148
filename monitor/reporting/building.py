"""Facts to document. Pure: the same facts give the same report."""

from __future__ import annotations

from datetime import timedelta

from monitor.reporting import words
from monitor.reporting.audit_section import audits_section
from monitor.reporting.changes import Changes
from monitor.reporting.document import Paragraph, Report
from monitor.reporting.facts import EVERYTHING, MOST_CATEGORIES, MOST_MODELS, MOST_TENANTS, Facts
from monitor.reporting.findings import findings, summary
from monitor.reporting.judged_sections import judge_section, quality_section
from monitor.reporting.other_sections import (
    alerts_section,
    calibrations_section,
    data_section,
    examples_section,
)
from monitor.reporting.rate_sections import heat_section, rates_section, volume_section
from monitor.version import watchkeeper_version


def build(facts: Facts) -> Report:
    """The report of a week."""
    week = facts.week
    changes = Changes(facts.grid, max(week.elapsed_days(facts.asked_at), 1))
    found = findings(facts, changes)
    of = (
        " / ".join(words.name(part) for part in (facts.tenant, facts.model) if part is not None)
        or "all tenants and models"
    )
    return Report(
        title=f"Safety report, {week.span()}",
        subtitle=f"Week {week.name}, {of}; days and times by the clocks of {week.zone_name}",
        week=week.name,
        time_zone=week.zone_name,
        since=week.since,
        until=week.until,
        tenant=None if facts.tenant is None else words.text(facts.tenant),
        model=None if facts.model is None else words.text(facts.model),
        made_at=facts.asked_at,
        version=watchkeeper_version(),
        summary=summary(facts, changes, found),
        findings=found,
        notes=_notes(facts, changes),
        sections=(
            volume_section(facts, changes),
            rates_section(changes),
            heat_section(changes),
            alerts_section(facts),
            quality_section(facts),
            audits_section(facts),
            calibrations_section(facts),
            judge_section(facts, changes),
            data_section(facts, changes),
            examples_section(facts),
        ),
        queries=facts.queries,
    )


def _notes(facts: Facts, changes: Changes) -> tuple[Paragraph, ...]:
    """What limits the whole report: until when it counts, an unfinished week, a change of the clocks, late data."""
    week, reach, zone = facts.week, facts.reach, facts.week.zone
    notes: list[Paragraph] = []
    if facts.asked_at < week.until and facts.asked_at >= week.since:
        days = week.elapsed_days(facts.asked_at)
        notes.append(
            Paragraph(
                f"The week is not over: {days} of its 7 days {'has' if days == 1 else 'have'} begun, the last of them in part."
                f"{' It is held against the same days of the weeks before.' if changes.has_past() else ''}",
                "warning",
            )
        )
    if reach.counted_until is None:
        notes.append(
            Paragraph(
                "Nothing has been counted yet: the store is empty, or its roll-up has never run.",
                "warning",
                ("report_reach",),
            )
        )
    else:
        until = words.moment(reach.counted_until, zone)
        waiting = (
            f" {words.whole(reach.waiting)} {'row' if reach.waiting == 1 else 'rows'} came since and {'waits' if reach.waiting == 1 else 'wait'} to be counted."
            if reach.waiting
            else ""
        )
        notes.append(
            Paragraph(
                f"These figures count what was stored until {until} ({week.zone_name}). Exchanges of this week that are stored later change them; a report "
                f"made then says a later time here.{waiting}",
                "warning" if reach.waiting else "",
                ("report_reach",),
            )
        )
        if reach.counted_until < min(week.until, facts.asked_at) - timedelta(hours=1):
            notes.append(
                Paragraph(
                    "The counts end before the week does: figures of its last hours are missing or too small.",
                    "warning",
                    ("report_reach",),
                )
            )
    late = changes.grid.total(EVERYTHING, "late", changes.now)
    if late:
        notes.append(
            Paragraph(
                f"{words.whole(late)} {'exchange' if late == 1 else 'exchanges'} of this week arrived an hour or more after {'it' if late == 1 else 'they'} "
                f"happened. {'It is' if late == 1 else 'They are'} counted when {'it' if late == 1 else 'they'} happened; alerts go by arrival.",
                "",
                ("report_days",),
            )
        )
    if not changes.grid.is_whole:
        notes.append(
            Paragraph(
                f"One by one this report looks at the {MOST_TENANTS} busiest tenants, {MOST_MODELS} models and {MOST_CATEGORIES} categories of the week. The "
                "others count in all that is added up; `watchkeeper report --tenant` makes a report of one of them.",
                "",
                ("report_days",),
            )
        )
    if week.hours != 168:
        by = abs(week.hours - 168)
        notes.append(
            Paragraph(
                f"The clocks of {week.zone_name} go {'forward' if week.hours < 168 else 'back'} in this week, by {by:g} {'hour' if by == 1 else 'hours'}: it "
                f"has {week.hours:g} hours instead of 168, and one of its days is {'shorter' if week.hours < 168 else 'longer'}.",
                "",
            )
        )
    weeks = sum(changes.grid.total(EVERYTHING, "events", changes.grid.weeks_ago(n)) > 0 for n in range(1, 5))
    if 0 < weeks < 4:
        notes.append(
            Paragraph(
                f"Of the four weeks before, only {weeks} {'has' if weeks == 1 else 'have'} any traffic in the store: the mean of four weeks is of {'that one' if weeks == 1 else 'those'}.",
                "",
                ("report_days",),
            )
        )
    return tuple(notes)
