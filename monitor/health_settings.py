"""When the stream itself is unwell (monitor/health.py)."""

from __future__ import annotations

from pydantic import Field

from monitor.setting_group import Group


class HealthSettings(Group):
    """When something is wrong: what the overseer and each worker judge by. The defaults tell within a minute of the cause."""

    status_every_s: float = Field(
        5.0, gt=0, description="How often each worker says on the control topic how it stands."
    )
    look_every_s: float = Field(
        3.0, gt=0, description="How often the overseer asks the broker about groups and offsets, and judges."
    )
    leader_session_timeout_s: float = Field(
        10.0,
        gt=0,
        description="After this silence the overseer's work goes to another worker. Brokers refuse less than "
        "group.min.session.timeout.ms, 6 s unless changed.",
    )
    stalled_after_s: float = Field(
        40.0,
        gt=0,
        description="A partition with something to do is stalled once its durable prefix hasn't moved for this long.",
    )
    uncommitted_after_s: float = Field(
        45.0,
        gt=0,
        description="A group is stalled in a partition once its committed offset hasn't moved for this long although "
        "there is something to commit.",
    )
    unowned_after_s: float = Field(
        15.0,
        gt=0,
        description="How long a partition may be without an owner in a group that doesn't rebalance.",
    )
    rebalance_within_s: float = Field(
        40.0,
        gt=0,
        description="How long a partition may be without an owner while its group rebalances: longer than a drain.",
    )
    silent_after_s: float = Field(
        20.0, gt=0, description="A worker that said nothing for this long, and no goodbye, is silent."
    )
    forgotten_after_s: float = Field(
        300.0, gt=0, description="A silent worker is forgotten after this long: it won't come back."
    )
    window_s: float = Field(30.0, gt=0, description="Over how much time the two shares below are taken.")
    unanswered_share: float = Field(
        0.9, gt=0, le=1, description="Share of exchanges without an answer of the guard that is told."
    )
    unanswered_least: int = Field(
        10,
        ge=1,
        description="Least exchanges for that share; with fewer in the window it reaches further back.",
    )
    dead_letter_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of messages dead-lettered that is told; lower than the one that stops a partition.",
    )
    dead_letter_least: int = Field(
        50,
        ge=1,
        description="Least messages for that share; with fewer in the window it reaches further back.",
    )
    resolve_after_s: float = Field(
        60.0, gt=0, description="An alert is resolved once its cause hasn't been seen for this long."
    )
    repeat_after_s: float = Field(300.0, gt=0, description="A firing alert is sent again this often.")
