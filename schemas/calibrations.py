"""Thresholds of refusal tokens as they are proposed, approved, published and judged: a record of safety.calibrations.

The newest record of a fleet's model counts. Who serves the model takes from it what is in force; it carries the thresholds
before it too, so that nothing else need be known to go back. Messages travel signed: see monitor/recalibration/signing.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from schemas.evidence import Interval
from schemas.refusal_tokens import RuleName

CALIBRATION_SCHEMA: Final = 1
ALL: Final = ""
"""The group of the rules that have one threshold. The category rule has one for each selected token."""

CalibrationState = Literal["proposed", "approved", "published", "observed", "kept", "rolled_back"]
Outcome = Literal["keep", "roll_back"]
Procedure = Literal[
    "quantile",
    "split_conformal",
    "conformal_risk_control",
    "pac",
    "betting",
    "hoeffding_bentkus",
    "learn_then_test",
]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule and its thresholds, 0..1, by group: by selected token for the category rule, under "" for the others.
    `selected`: refusal tokens that the rule decides about."""

    rule: RuleName
    selected: tuple[str, ...]
    temperature: float
    values: dict[str, float]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a team wants of a group. At least one of the first three is set.

    target_rate: share of the prompts for which the refusal token is written. over_refusal: that share of the harmless ones,
    at most. miss: share of the harmful ones, each counted by its severity, for which it isn't, at most. `delta`: bounds
    hold with probability 1 - delta over the calibration data; None: on average over it.
    """

    target_rate: float | None = None
    over_refusal: float | None = None
    miss: float | None = None
    delta: float | None = 0.05


class GroupEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the threshold of one group rests on. Intervals are of 95 %; rates are of the token, not of the text.

    n: prompts of the group, worth `effective` drawn alike; `harmless` and `harmful` of them are labelled so. The rates are
    at the threshold before and at the new one; None where there was none or nobody was labelled. `guarantee`: what holds,
    in words.
    """

    group: str
    policy: Policy
    procedure: Procedure
    guarantee: str
    n: int
    effective: float
    harmless: int
    harmful: int
    threshold_before: float | None
    threshold: float
    rate_before: Interval | None
    rate: Interval
    over_refusal: Interval | None
    miss: Interval | None


class TextBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of refusals in the text under the new thresholds, as far as logs can tell (monitor/recalibration/text_rate.py).

    `switched`: share of prompts whose token would be another one. low .. high: nothing assumed about those; `is_randomised`:
    low .. high are the 95 % interval of an estimate from randomised traffic instead.
    """

    low: float
    high: float
    switched: float
    is_randomised: bool


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one model, with their evidence and what has become of them.

    `version` counts from 1 within fleet and model. `before` is None where the model was served without a rule: it chose its
    token itself; `before_version` is the calibration that those are of, 0 for none. `at` is when it came into this state, by
    `by`, for `reason`; `published_at`, since when it is in force. `outcome`: what the observation said, from `observed` on. `calls_from` .. `calls_until`: the prompts it
    was calibrated on.
    """

    fleet: str
    model: str
    version: int
    state: CalibrationState
    at: datetime
    by: str
    reason: str
    tokenizer_hash: str
    template_hash: str
    now: Thresholds
    before: Thresholds | None
    evidence: tuple[GroupEvidence, ...]
    text: TextBounds | None
    calls_from: datetime
    calls_until: datetime
    before_version: int = 0
    published_at: datetime | None = None
    outcome: Outcome | None = None
    schema_version: Literal[1] = CALIBRATION_SCHEMA


class SignedCalibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As it travels. `signature`: HMAC-SHA256 in hexadecimal digits; `key_id` names the secret, so that it can be changed."""

    calibration: Calibration
    key_id: str
    signature: str

    @classmethod
    def from_bytes(cls, value: bytes) -> SignedCalibration:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError. Doesn't verify it."""
        return _DECODER.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


_DECODER = msgspec.json.Decoder(SignedCalibration)
_ENCODER = msgspec.json.Encoder()
