"""What `watchkeeper calibrate` and its commands print with `--json`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from monitor.cli.shapes import Document, Estimate


class ThresholdsLine(Document):
    """A rule and its thresholds."""

    rule: str = Field(description="single, category, sum or bias.")
    selected: list[str] = Field(description="The refusal tokens that it decides about.")
    temperature: float = Field(description="Of the softmax.")
    values: dict[str, float] = Field(
        description="By selected token for the category rule, else under the empty name."
    )


class CalibrationLine(Document):
    """One calibration as it stands."""

    model: str = Field(description="The model, as its refusal-token records name it.")
    version: int = Field(description="Counts from 1 within the model.")
    state: str = Field(description="proposed, approved, published, observed, kept or rolled_back.")
    at: datetime = Field(description="When it came into this state.")
    by: str = Field(description="Who took the step: watchkeeper, or a person.")
    reason: str = Field(description="Why.")
    now: ThresholdsLine = Field(description="What it proposes.")
    before: ThresholdsLine | None = Field(description="What was before it; null: the model chose by itself.")
    in_force: ThresholdsLine | None = Field(
        description="What the model has to be served with now; null: it chooses by itself."
    )
    version_in_force: int = Field(description="The version that this is of; 0: of none.")
    published_at: datetime | None = Field(description="Since when it is in force; null until then.")
    outcome: str | None = Field(description="What the observation said: keep or roll_back; null until then.")
    needs_person: list[str] = Field(
        description="Of a proposal: why it isn't approved by itself; empty if it is."
    )
    next_step: str = Field(description="What happens next, or what a person can do.")


class EvidenceLine(Document):
    """What the threshold of one group rests on. Rates are of the token, not of the text."""

    group: str = Field(description="The selected token for the category rule, else empty.")
    procedure: str = Field(description="How the threshold was found.")
    guarantee: str = Field(description="What holds, in words.")
    n: int = Field(description="Prompts.")
    effective: float = Field(description="How many drawn alike they are worth.")
    harmless: int = Field(description="Of them, labelled harmless.")
    harmful: int = Field(description="Of them, labelled harmful.")
    target_rate: float | None = Field(description="The rate that is wanted; null: none is.")
    over_refusal_at_most: float | None = Field(description="The bound on over-refusal; null: none.")
    miss_at_most: float | None = Field(description="The bound on misses; null: none.")
    delta: float | None = Field(
        description="Bounds hold with a probability of 1 minus this; null: on average."
    )
    threshold_before: float | None = Field(description="The threshold before; null: there was none.")
    threshold: float = Field(description="The new threshold.")
    rate_before: Estimate | None = Field(description="Share of prompts with the refusal token, before.")
    rate: Estimate = Field(description="The same under the new threshold.")
    over_refusal: Estimate | None = Field(description="Of the harmless prompts; null: none is labelled.")
    miss: Estimate | None = Field(description="Of the harmful prompts, weighted by severity; null: none is.")


class TextLine(Document):
    """The share of refusals in words under the new thresholds, as far as logs can tell."""

    low: float = Field(description="At least.")
    high: float = Field(description="At most.")
    switched: float = Field(description="Share of prompts whose token would be another one.")
    is_randomised: bool = Field(
        description="Whether this is the 95 % interval of an estimate from randomised traffic, instead of bounds."
    )


class RatePointLine(Document):
    """The share of prompts with the refusal token at one threshold."""

    threshold: float = Field(description="The threshold.")
    rate: float = Field(description="The share.")
    low: float = Field(description="Where its 95 % interval begins.")
    high: float = Field(description="Where it ends.")


class RateCurveLine(Document):
    """The token's rate at every threshold, of one group."""

    group: str = Field(description="The selected token for the category rule, else empty.")
    n: int = Field(description="Prompts.")
    effective: float = Field(description="How many drawn alike they are worth.")
    band: float = Field(
        description="No rate of the curve is further from the truth, at any threshold, with 95 %."
    )
    target: float | None = Field(description="The rate that is wanted; null: none is.")
    points: list[RatePointLine] = Field(description="Thresholds rise, rates fall.")


class CalibrationsDocument(Document):
    """`watchkeeper calibrate --json`."""

    calibrations: list[CalibrationLine] = Field(description="The newest of each model.")
    without: list[str] = Field(description="Models of the policy file that have none yet.")
    ignored: dict[str, int] = Field(description="Messages of the topic that are ignored, by reason.")


class CalibrationDocument(Document):
    """`watchkeeper calibrate show --json`."""

    calibration: CalibrationLine = Field(description="The newest of the model.")
    evidence: list[EvidenceLine] = Field(description="By group.")
    text: TextLine | None = Field(description="Refusals in words; null: nothing can be said.")
    calls_from: datetime = Field(description="The first prompt that it was calibrated on.")
    calls_until: datetime = Field(description="The last one.")
    curves: list[RateCurveLine] = Field(description="By group; empty where they can't be drawn.")
    curves_missing: str = Field(description="Why there are no curves; empty where there are.")


class ProposalDocument(Document):
    """`watchkeeper calibrate propose --json`."""

    model: str = Field(description="The model.")
    outcome: Literal["proposed", "would_propose", "unchanged", "declined"] = Field(
        description="`would_propose`: with --dry-run. `unchanged`: no rate would move by enough. `declined`: nothing is "
        "certified, or the logs are not calibrated on."
    )
    reasons: list[str] = Field(description="Why nothing is proposed, or why a person has to approve.")
    not_identified: list[str] = Field(description="Of how many prompts nothing is known, for want of what.")
    proposal: CalibrationDocument | None = Field(description="What is proposed; null: nothing.")


class StepDocument(Document):
    """`watchkeeper calibrate approve --json` and `rollback --json`."""

    model: str = Field(description="The model.")
    version: int = Field(description="Its calibration.")
    state: str = Field(description="The state that it is in now.")
    by: str = Field(description="Who did it.")
    note: str = Field(description="Why; empty where nobody said.")
    at: datetime = Field(description="When.")
    what_happens: str = Field(description="What happens next.")
