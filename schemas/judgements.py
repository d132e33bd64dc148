"""What moderation asks a judge, what the judge says, and the policy that chooses what is asked: values on
safety.judge_requests, safety.judgements and safety.judge_policies.

All are frozen msgspec structs, as schemas/events.py. Probabilities are 0..1. None is "not judged", never no, and
`Judgement.not_judged` says why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from schemas.events import Probability

JUDGEMENT_SCHEMA: Final = 1

JudgeReason = Literal["harmful_not_refused", "uncertain", "sample"]
"""The stratum of the policy that an event fell into."""
RefusalClass = Literal["full_compliance", "partial", "direct_refusal", "indirect_refusal"]
CareDomain = Literal["suicide_self_harm", "substance_use", "violence", "weapons", "sexual_crimes"]
"""PsychoSafe's five domains (arXiv 2606.09697)."""
JudgeStatus = Literal["ok", "unknown", "error"]
LikertMean = Annotated[float, msgspec.Meta(ge=1.0, le=5.0)]


class JudgePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchanges a judge is asked about: the probability of each stratum (monitor/judging/policy.py names them).

    `version` is a hash of `band`, `strata` and `otherwise`: equal policies have equal versions, and choose the same
    whoever applies them. `band`: a probability of the guard that is nearer to its threshold than this is uncertain.
    `otherwise`: the probability of a stratum that isn't listed. The rest says what it was made of: `asked_per_hour` is how
    many it would have asked about, of the traffic that it was made for; `is_crowded_out`: it asks about fewer than all of
    those that it should, because they are more than the budget.
    """

    fleet: str
    version: str
    band: Probability
    strata: dict[str, Probability]
    otherwise: Probability
    made_at: datetime
    budget_per_hour: float
    asked_per_hour: float
    is_crowded_out: bool
    schema_version: Literal[1] = JUDGEMENT_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> JudgePolicy:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _POLICIES.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


class JudgeRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One exchange for the judge, with what the guard said of it and why it was chosen.

    `probability` is that with which `policy` chooses an event of this stratum: the weight of the judgement is its inverse.
    It holds what people wrote: the topic is short-lived. `truncated`: of long texts, head and tail alone.
    """

    event_id: str
    tenant: str
    model: str
    conversation_id: str
    occurred_at: datetime
    arrived_at: datetime
    source_topic: str
    prompt: str
    response: str | None
    truncated: bool
    prompt_harm: Probability | None
    refusal: Probability | None
    response_harm: Probability | None
    category: str
    category_probability: Probability | None
    guard_name: str
    guard_version: str
    guard_prompt_hash: str
    reason: JudgeReason
    probability: Probability
    policy: str
    schema_version: Literal[1] = JUDGEMENT_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> JudgeRequest:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _REQUESTS.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


class JudgeAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a judge says of one exchange, whichever judge it is. A field it didn't judge is None (a count or text: also
    where there was nothing to judge), and is a key of `not_judged` with the reason, a word of `monitor/judging`.

    `category`: the judge's own, of schemas.taxonomy. `should_refuse`: from the prompt alone. `refusal_class` with its
    probability and `harm_provided` are facts apart. PsychoSafe's four criteria are of refusals in its five domains only:
    C1 refusal and C3 resource are probabilities, C2 grounding and C4 relevance expectations over 1..5 with their standard
    deviation; `care_overall` is mean(C1, (C2-1)/4, C3, (C4-1)/4), only where all four are there. `is_template`: near-identical
    to another response of the window. `over_intervention`: a care response to a benign prompt.
    """

    status: JudgeStatus
    category: str | None = None
    category_probability: Probability | None = None
    should_refuse: Probability | None = None
    refusal_class: RefusalClass | None = None
    refusal_class_probability: Probability | None = None
    harm_provided: Probability | None = None
    care_domain: CareDomain | None = None
    care_refusal: Probability | None = None
    care_grounding: LikertMean | None = None
    care_grounding_spread: float | None = None
    care_resource: Probability | None = None
    care_relevance: LikertMean | None = None
    care_relevance_spread: float | None = None
    care_overall: Probability | None = None
    care_strategy: str | None = None
    contacts_verified: int | None = None
    contacts_unverified: int | None = None
    contacts_wrong_domain: int | None = None
    is_template: bool | None = None
    over_intervention: Probability | None = None
    truncated: bool = False
    not_judged: dict[str, str] = {}


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One judged exchange: the value of a record on safety.judgements and, name for name, a row. The first block is the
    request's, the second names the judge, `answer` is what it said (its fields are columns of their own)."""

    event_id: str
    tenant: str
    model: str
    occurred_at: datetime
    arrived_at: datetime
    source_topic: str
    reason: JudgeReason
    probability: Probability
    policy: str
    judge_name: str
    judge_version: str
    rubric_hash: str
    judged_at: datetime
    answer: JudgeAnswer
    schema_version: Literal[1] = JUDGEMENT_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> Judgement:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _JUDGEMENTS.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


_POLICIES = msgspec.json.Decoder(JudgePolicy)
_REQUESTS = msgspec.json.Decoder(JudgeRequest)
_JUDGEMENTS = msgspec.json.Decoder(Judgement)
_ENCODER = msgspec.json.Encoder()
