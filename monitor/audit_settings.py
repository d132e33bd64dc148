"""Audits of a model's inside: which model, on which anchors, when, and what is told (docs/audit.md)."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from monitor.errors import Misconfigured
from monitor.schedule import schedule_of
from monitor.setting_group import Group

LONGEST_NAME: Final = 200


class AuditSettings(Group):
    """Audits of a model's inside."""

    enabled: bool = Field(
        False, description="Audit the model, in the worker that oversees; needs a probe on Triton."
    )
    model: str = Field(
        "",
        description="Name of the audited model, as the chat logs have it; empty: the name of the probe.",
    )
    probe_model: str = Field("probe", min_length=1, description="The probe's name in the model repository.")
    probe_url: str = Field("", description="The probe's Triton, gRPC, host:port; empty: the guard's.")
    probe_batch: int = Field(
        8, ge=1, le=1024, description="Texts in one call of the probe. Few: live traffic gets between."
    )
    probe_deadline_s: float = Field(120.0, gt=0, description="Deadline of one call of the probe.")
    pause_s: float = Field(0.0, ge=0, description="Pause after each call of the probe.")
    live_wait_max_s: float = Field(
        5.0,
        gt=0,
        description="No call of the probe while a new live message would wait longer than this in the same worker.",
    )
    anchor_sets: str = Field(
        "matched",
        description="What it is audited on, separated by commas: matched (the pairs that come along), live (a sample of live "
        "traffic, labelled by the guard), or the path of a file in LITMUS format.",
    )
    schedule: str = Field(
        "17 3 * * *",
        description="When, as a cron expression in UTC; or `every 6h`; or `off`: on request alone. A moment that was missed is "
        "made up for once.",
    )
    layers: str = Field(
        "all",
        description="all; or `every 4`: the first, every fourth from there, and the last; or names, separated by commas.",
    )
    poolings: str = Field(
        "uniform",
        description="How layers are made one besides, separated by commas: uniform, learned. Empty: not at all.",
    )
    extra_measures: str = Field(
        "",
        description="Measures besides the usual ones, separated by commas: dunn, silhouette. They need all pairs of anchors: at most 8,192.",
    )
    chi_max: float | None = Field(
        None,
        gt=0,
        description="CHI of the pool that appendix B's AQI is held against (its 99th percentile, of sets as large as the anchors); empty: it isn't told.",
    )
    false_alarm_probability: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Probability that an audit alerts though nothing changed, over all layers and comparisons together.",
    )
    floor_j: float = Field(0.02, ge=0, description="A change of J below this is none.")
    floor_share: float = Field(
        0.1, ge=0, description="A change of J below this part of what it was is none, either."
    )
    draws: int = Field(
        2_000, ge=999, le=20_000, description="Bootstrap draws. Another number begins a new series."
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="Seed of the draws. Another one begins a new series."
    )
    deadline_s: float = Field(
        14_400.0, gt=0, description="Longest time of one audit; it is then given up and begun again."
    )
    overdue_after_s: float = Field(
        21_600.0, gt=0, description="An audit that is due and isn't done within this time is told."
    )
    request_max_age_s: float = Field(
        86_400.0, gt=0, description="A request older than this is left out, by the broker's time of it."
    )
    states_max_bytes: int = Field(
        2_147_483_648, gt=0, description="Most memory for the hidden states of one audit; more is refused."
    )
    live_anchors: int = Field(
        400, ge=128, le=20_000, description="Exchanges in a sample of live traffic, half of them harmful."
    )
    live_window_days: float = Field(
        7.0, gt=0, description="How far back a sample of live traffic is drawn from."
    )

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str) -> str:
        try:
            schedule_of(value)
        except Misconfigured as exc:
            raise ValueError(str(exc)) from exc
        return value

    @field_validator("poolings")
    @classmethod
    def _poolings(cls, value: str) -> str:
        unknown = [name for name in listed(value) if name not in ("uniform", "learned")]
        if unknown:
            raise ValueError(f"{len(unknown)} poolings are neither uniform nor learned")
        return value

    @field_validator("extra_measures")
    @classmethod
    def _extra_measures(cls, value: str) -> str:
        unknown = [name for name in listed(value) if name not in ("dunn", "silhouette")]
        if unknown:
            raise ValueError(f"{len(unknown)} measures are neither dunn nor silhouette")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(
            len(name) > LONGEST_NAME for name in (self.model, self.probe_model, *listed(self.anchor_sets))
        ):
            raise ValueError(f"names of models and anchor sets have at most {LONGEST_NAME} characters")
        if self.enabled and not listed(self.anchor_sets):
            raise ValueError("anchor_sets names nothing to audit on: give matched, live, or a file's path")
        return self


def listed(value: str) -> tuple[str, ...]:
    """The parts of a text that are separated by commas, each once, without the empty ones."""
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
