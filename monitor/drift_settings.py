"""What is watched for drift, and how many false alarms are wanted (docs/drift.md)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class DriftSettings(Group):
    """The watch over the rates."""

    enabled: bool = Field(True, description="Watch the rates for drift, in the worker that oversees.")
    budget_per_month: float = Field(
        2.0,
        gt=0,
        le=10_000,
        description="At most so many false alarms a month, over everything watched. Fewer: shifts are noticed later.",
    )
    shares: str = Field(
        "refusal=5,over_refusal=4,under_refusal=3,response_harm=3,prompt_harm=2,mix=1,coverage=1,volume=0.5,dead_letters=0.5",
        description="What is watched, and how the budget is shared out: measure=parts, separated by commas. What isn't named isn't "
        "watched.",
    )
    window_s: float = Field(
        5.0, ge=1, le=3600, description="Length of the windows, by arrival. Whole seconds that divide a day."
    )
    settle_s: float = Field(
        1.0,
        ge=0,
        description="A window closes so long after its end at the earliest: brokers' clocks may differ.",
    )
    learn_events: float = Field(
        200.0, ge=20, description="Events of its own that a stream needs before it can fire."
    )
    learn_days: float = Field(
        4.0,
        ge=0,
        description="A stream can't fire before it is so old: its daily rhythm is known from the fourth night on. 0: as soon as "
        "it has its events.",
    )
    reference_half_life_days: float = Field(
        28.0, gt=0, description="How fast the baseline forgets what is long ago."
    )
    dwell_s: float = Field(600.0, ge=0, description="A shift that fires goes on at least so long.")
    stale_after_s: float = Field(
        3600.0, gt=0, description="A shift that fires and has had no data for so long is stale."
    )
    checkpoint_every_s: float = Field(
        60.0, gt=0, description="How often the watch's state is kept; after a crash it goes on from there."
    )
