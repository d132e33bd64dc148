"""What `watchkeeper alerts` and its commands print with `--json`: alerts, the evidence of a shift, and what people did."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from monitor.cli.shapes import Document, Estimate


class AlertLine(Document):
    """One alert as it stands; with `--watch` one a line, whenever one changes."""

    id: str = Field(description="The alert's id; the same for as long as it lives.")
    kind: str = Field(description="What is wrong: one of the kinds of docs/alerts.md.")
    severity: Literal["info", "warning", "critical"] = Field(description="How bad it is.")
    state: Literal["firing", "stale", "acknowledged", "resolved"] = Field(
        description="`firing`: it goes on. `stale`: it fired, and there is no data now to tell. `acknowledged`: a person took "
        "it for the new normal. `resolved`: it is over."
    )
    started_at: datetime = Field(description="When it began, as far as can be told.")
    at: datetime = Field(description="When this was written.")
    ended_at: datetime | None = Field(description="When it ended; null while it fires.")
    title: str = Field(description="One sentence.")
    place: dict[str, str] = Field(
        description="Where: role, topic, tenant, model, category, and what else names it."
    )
    facts: dict[str, float | str] = Field(description="The figures, as of `at`.")
    remedy: str = Field(description="The next step for a person.")
    worker: str = Field(description="The worker that wrote it.")
    version: str = Field(description="The release that it runs.")
    muted: bool = Field(False, description="Whether no channel is told of it now.")
    muted_until: datetime | None = Field(
        None, description="Until when; null: until it is over, or not at all."
    )


class AlertsDocument(Document):
    """`watchkeeper alerts --json`."""

    since: datetime = Field(description="Alerts that were written from then on.")
    firing: int = Field(description="How many fire.")
    stale: int = Field(0, description="How many fired and have no data now.")
    alerts: list[AlertLine] = Field(
        description="Each as it stands: those that fire first, then stale ones, then by their beginning."
    )
    unreadable: int = Field(
        0,
        description="Records of the topic that this release can't read: a newer one wrote them, or another program.",
    )


class StratumLine(Document):
    """A cell's part in a shift, from the change on."""

    tenant: str = Field(description="The tenant.")
    model: str = Field(description="The model.")
    category: str = Field(description="The risk category.")
    k: float = Field(description="How many were counted.")
    n: float = Field(description="Of how many.")
    expected: float = Field(description="How many were to be expected.")
    evidence: float = Field(
        description="Natural logarithm of its likelihood ratio: changed against unchanged."
    )
    is_affected: bool = Field(
        description="Whether it is among the affected, with a false discovery rate of 5 %."
    )


class MixLine(Document):
    """A change of a rate in its two parts, which add up to it."""

    within: float = Field(description="By rates that changed within the classes.")
    mix: float = Field(description="By classes that came more or less often.")


class PointLine(Document):
    """Counts of a stretch of time."""

    at: datetime = Field(description="When it ends.")
    k: float = Field(description="How many were counted.")
    n: float = Field(description="Of how many.")
    expected: float = Field(description="How many the baseline expects.")


class PlanningLine(Document):
    """What would be noticed how soon, at the traffic of the last day."""

    events_per_day: float = Field(description="Events a day.")
    noticed_after_h: dict[str, float] = Field(
        description="Hours until a shift is noticed, on average, by its odds ratio."
    )


class WatchedByLine(Document):
    """Whose labels are counted."""

    guard_name: str = Field(description="The guard.")
    guard_version: str = Field(description="Its version.")
    guard_prompt_hash: str = Field(description="The hash of its prompt.")
    calibration_version: int = Field(description="The thresholds in force; 0: those of the settings.")


class EvidenceDocument(Document):
    """What a shift rests on. Rates are 0 to 1; for `volume` they are exchanges an hour."""

    measure: str = Field(description="What is counted.")
    direction: Literal["up", "down"] = Field(description="Whether it rose or fell.")
    window_begins_at: datetime = Field(description="The window that crossed: its begin.")
    window_ends_at: datetime = Field(description="And its end: when it was noticed.")
    k: float = Field(description="Counted since the change.")
    n: float = Field(description="Of how many.")
    expected: float = Field(description="How many were to be expected.")
    crossing: float = Field(description="Evidence over threshold, M / A: at least 1.")
    changed_at: datetime = Field(description="When it changed, most probably.")
    changed_from: datetime = Field(description="Where the set begins that holds that moment with 95 %.")
    changed_until: datetime = Field(description="Where it ends.")
    odds_ratio: Estimate = Field(description="How many times the odds are.")
    rate_before: Estimate = Field(description="The rate before.")
    rate_after: Estimate = Field(description="The rate after.")
    rate_change: Estimate = Field(description="After minus before.")
    strata: list[StratumLine] = Field(description="The cells that contribute.")
    mix: MixLine | None = Field(
        description="How much of it is a change of the mix; null where there is no mix."
    )
    also: list[dict[str, str]] = Field(description="Other streams that say the same: measure and place.")
    event_ids: list[str] = Field(description="Ids of some of the exchanges.")
    query: str = Field(description="SQL that brings the rows.")
    series: list[PointLine] = Field(description="The rate over time, for a plot.")
    planning: PlanningLine | None = Field(description="How soon shifts of this cell are noticed.")
    watched_by: WatchedByLine = Field(description="The guard and the calibration.")
    budget_per_month: float = Field(description="False alarms a month that were asked for, over all.")
    level: int = Field(description="1 when it began; one more each time that it fired again, stronger.")


class ActionLine(Document):
    """What a person did with an alert."""

    at: datetime = Field(description="When, by the broker's clock.")
    verb: Literal["acknowledge", "resolve", "mute", "unmute"] = Field(description="What.")
    by: str = Field(description="Who, as given.")
    note: str = Field(description="What they noted.")
    until: datetime | None = Field(description="Of `mute`: until when; null: until it is over.")


class AlertDocument(Document):
    """`watchkeeper alerts show --json`."""

    alert: AlertLine = Field(description="The alert as it stands.")
    drift: EvidenceDocument | None = Field(description="What a shift rests on; null for all other kinds.")
    actions: list[ActionLine] = Field(description="What people did with it, oldest first.")


class ActionDocument(Document):
    """`watchkeeper alerts ack --json`, and of `resolve`, `mute` and `unmute`: what was written."""

    alert_id: str = Field(description="The alert.")
    kind: str = Field(description="Its kind.")
    title: str = Field(description="Its title.")
    verb: Literal["acknowledge", "resolve", "mute", "unmute"] = Field(description="What was asked for.")
    by: str = Field(description="Who asked.")
    note: str = Field(description="The note.")
    until: datetime | None = Field(description="Of `mute`: until when; null: until it is over.")
    written_at: datetime = Field(description="When it was written.")
    what_happens: str = Field(description="What will happen, and when.")
