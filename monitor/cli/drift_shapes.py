"""What `watchkeeper backtest`, `plan`, `drift status` and `drift rebuild` print with `--json`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from monitor.cli.alerts_shapes import EvidenceDocument
from monitor.cli.shapes import Document


class TrialLine(Document):
    """One budget, tried."""

    budget_per_month: float = Field(description="False alarms a month, at most, over everything watched.")
    alerts: int = Field(description="Shifts that it tells.")
    per_month: float | None = Field(description="The same a month; null for less than a day of history.")
    by_kind: dict[str, int] = Field(description="How many of each kind.")
    noticed_after_s: float | None = Field(
        description="Of the shifts that all budgets tell: the median time from change to alert, in seconds; null of none."
    )
    armed: int = Field(description="Streams that could fire at the end.")
    learning: int = Field(description="Streams that hadn't seen enough.")


class ToldLine(Document):
    """A shift as one budget tells it."""

    at: datetime = Field(description="When it was told: the end of the window that crossed.")
    changed_at: datetime | None = Field(description="When it changed, as told then.")
    noticed_after_s: float | None = Field(description="From the change to the alert, in seconds.")
    place: dict[str, str] = Field(description="Where.")
    title: str = Field(description="One sentence.")
    state: Literal["firing", "stale", "acknowledged", "resolved"] = Field(
        description="How it stood at the end."
    )
    drift: EvidenceDocument | None = Field(description="What it rests on.")


class FindingLine(Document):
    """One cause, and what each budget tells of it."""

    kind: str = Field(description="The kind of alert.")
    place: dict[str, str] = Field(description="Where, as the first that tells it says.")
    told: list[ToldLine | None] = Field(
        description="By budget, in the order of `trials`; null where it isn't told."
    )
    fired: ToldLine | None = Field(description="The alert that did fire; null where none did.")


class BacktestDocument(Document):
    """`watchkeeper backtest --json`."""

    since: datetime = Field(description="Where the history that was replayed begins.")
    until: datetime = Field(description="Where it ends.")
    by: Literal["arrival", "occurred"] = Field(description="By which time.")
    windows: int = Field(description="Windows replayed.")
    closed_windows: int = Field(
        description="Of these, as the watch closed them; the others were counted from rows."
    )
    exchanges: int = Field(description="Exchanges in them.")
    shares: dict[str, float] = Field(description="Part of the budget by measure, 0 to 1.")
    trials: list[TrialLine] = Field(description="One a budget, as asked for.")
    findings: list[FindingLine] = Field(
        description="What is told by any of them, or did fire, in order of the change."
    )
    notes: list[str] = Field(description="What limits what this says.")


class PlanLine(Document):
    """One cell."""

    measure: str = Field(description="What is watched.")
    tenant: str | None = Field(description="The tenant; null: all.")
    model: str | None = Field(description="The model; null: all.")
    category: str | None = Field(description="The risk category; null: all.")
    state: Literal["learning", "armed", "firing", "stale"] = Field(
        description="`learning`: it needs more traffic before it can fire."
    )
    rate: float | None = Field(
        description="The level that it is held against, 0 to 1; of `volume` exchanges an hour."
    )
    low: float | None = Field(description="Where its 95 % interval begins.")
    high: float | None = Field(description="Where it ends.")
    events_per_day: float = Field(description="Events a day, by the traffic of the last day.")
    noticed_after_h: dict[str, float | None] = Field(
        description="Hours until a shift is noticed, on average, by how many times the odds are; null: never, at this traffic."
    )
    events_needed: float | None = Field(
        description="Events that a learning cell still needs; null where it is armed."
    )
    armed_in_h: float | None = Field(
        description="Hours until it has them; null where it is armed, or without traffic."
    )


class PlanDocument(Document):
    """`watchkeeper plan --json`."""

    position: datetime = Field(description="The end of the last window that is known here.")
    budget_per_month: float = Field(description="The budget that this is for.")
    cells: list[PlanLine] = Field(description="The cells, as sorted and filtered.")


class CheckpointLine(Document):
    """A state of the watch that is kept."""

    position: datetime = Field(description="The end of the last window that it knows of.")
    written_at: datetime = Field(description="When it was written.")
    version: str = Field(description="The release that wrote it.")
    bytes: int = Field(description="Its size.")


class DriftStatusDocument(Document):
    """`watchkeeper drift status --json`."""

    enabled: bool = Field(description="Whether these settings have the rates watched.")
    position: datetime | None = Field(
        description="The end of the last closed window; null where there is none."
    )
    lag_s: float | None = Field(description="How long ago that is, in seconds.")
    window_s: float = Field(description="Length of the windows, by these settings.")
    checkpoint: CheckpointLine | None = Field(
        description="The newest state that is kept; null where there is none."
    )
    readable: bool = Field(description="Whether this release can go on from it.")
    trouble: str = Field(description="Why not, and the next step; empty where it can.")
    streams: dict[str, dict[str, int]] = Field(description="Streams in it, by measure and state.")
    firing: int = Field(description="Alerts that fire in it.")


class RebuildDocument(Document):
    """`watchkeeper drift rebuild --json`."""

    since: datetime = Field(description="Where the windows begin that were replayed.")
    position: datetime = Field(description="Where they end.")
    windows: int = Field(description="How many.")
    written: bool = Field(description="Whether the state was written.")
    firing: list[ToldLine] = Field(description="The alerts that fire in the new state.")
    over: int = Field(description="Alerts that fired in between and are over.")
    streams: dict[str, dict[str, int]] = Field(description="Streams in it, by measure and state.")
