"""Calibration of refusal tokens (docs/recalibration.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from monitor.setting_group import Group

DAY_S = 86_400.0


class RecalibrationSettings(Group):
    """Calibration of refusal tokens."""

    enabled: bool = Field(
        False, description="Propose, publish and observe calibrations, in the worker that oversees."
    )
    file: Path | None = Field(
        None, description="TOML file with what is wanted of each model (docs/recalibration.md)."
    )
    key_id: str = Field("k1", description="Name of the secret that calibrations are signed with.")
    secret: SecretStr = Field(
        SecretStr(""), description="That secret, 16 bytes or more; all that serve and calibrate share it."
    )
    older_secrets: SecretStr = Field(
        SecretStr(""),
        description="Secrets whose signatures still count, never signed with: KEY_ID=SECRET, separated by commas.",
    )
    propose_every_s: float = Field(
        7 * DAY_S,
        gt=0,
        description="How often thresholds are looked for, at multiples of it since 1970 (UTC).",
    )
    calibrate_on_s: float = Field(
        7 * DAY_S,
        gt=0,
        description="Length of the window that is calibrated on; it ends where the present one begins.",
    )
    present_s: float = Field(
        DAY_S, gt=0, description="Length of the present window, which the other is held against."
    )
    settle_s: float = Field(
        60.0, ge=0, description="Verdicts are read once they have had so long to be stored."
    )
    most_prompts: int = Field(
        100_000,
        ge=100,
        le=2_000_000,
        description="Of a window, at most so many verdicts are read: the newest.",
    )
    max_age_s: float = Field(
        7 * DAY_S, gt=0, description="A calibration window whose newest prompt is older isn't calibrated on."
    )
    least_prompts: int = Field(100, ge=1, description="Fewest identified prompts to calibrate on.")
    least_identified_share: float = Field(
        0.9, ge=0, le=1, description="Least share of the first turns that must be identified."
    )
    drift_probability: float = Field(
        0.01, gt=0, lt=1, description='Chance to decline as "drifted" what did not drift.'
    )
    detectable_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="A distance of the scores then and now that must be one that would be seen.",
    )
    least_change_share: float = Field(
        0.005, ge=0, le=1, description="Nothing is proposed where no expected rate moves by more."
    )
    approve: Literal["by_hand", "within_limit"] = Field(
        "by_hand", description="Who approves: a person, or within the limits the worker."
    )
    limit_threshold: float = Field(
        0.1, ge=0, le=1, description="Most change of a threshold without a person."
    )
    limit_rate_share: float = Field(
        0.05, ge=0, le=1, description="Most change of an expected rate without a person."
    )
    expect_prompts: int = Field(
        200, ge=1, description="Prompts of a group before its rate is said to have arrived or not."
    )
    expect_answers: int = Field(
        50, ge=1, description="Answers after a token before it is said to be disobeyed."
    )
    expect_disobedience_share: float = Field(
        0.2, gt=0, lt=1, description="Share of the texts that may do the opposite of their token."
    )
    expect_tolerance_share: float = Field(
        0.0, ge=0, le=1, description="How far a rate may be off, beside its interval."
    )
    expect_not_followed_share: float = Field(
        0.1, ge=0, le=1, description="Share of the prompts that may be decided by other thresholds."
    )
    observe_at_least_s: float = Field(
        3600.0,
        gt=0,
        description="A calibration is observed so long before it is kept. A bad one is rolled back sooner.",
    )
    observe_at_most_s: float = Field(
        7 * DAY_S, gt=0, description="One that can't be judged after so long is rolled back."
    )
