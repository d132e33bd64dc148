"""What two processes must agree on: the values that travel on Kafka and become rows in ClickHouse.

All are frozen msgspec structs: one C call to decode and validate, one to encode (docs/adr/0002).
Times are timezone-aware UTC datetimes, RFC 3339 on the wire. Probabilities are 0..1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from schemas.refusal_tokens import RefusalToken

VERDICT_SCHEMA: Final = 1
JUDGING_OFF: Final[tuple[Literal["off"], float, str]] = ("off", 0.0, "")
"""Decision, probability and policy where nobody judges: very these objects, which records leave out. That is about a tenth of
a record's fixed part."""

ChatFormat = Literal["openai", "litellm", "otel", "watchkeeper"]
Status = Literal["ok", "unknown", "error", "skipped"]
ExcerptPolicy = Literal["none", "redacted", "full"]
SamplingDecision = Literal["scored", "sampled_out"]
JudgeDecision = Literal["asked", "sampled_out", "unscored", "off"]
"""Whether a judge is asked about an exchange, or why not: it wasn't drawn; the guard gave no answer to draw by; nobody judges."""
Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One message of a conversation: a role (system, user, assistant, tool or unknown) and its text."""

    role: str
    text: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One judged exchange: the last user turn and its answer, whatever chat-log format it came in.

    `event_id` is the source's own id, or "<topic>-<partition>-<offset>[-<index>]" where it has none.
    `prompt` is the last user turn. `response` is None where the log holds no answer (a prompt-only record, or
    one that a provider's content filter stopped before any text); an empty string is an empty answer.
    `context` holds the other turns, oldest first. `conversation_id` is "" where the source names none. `occurred_at` is None where the source names no time.
    """

    event_id: str
    format: ChatFormat
    tenant: str
    model: str
    conversation_id: str
    occurred_at: datetime | None
    prompt: str
    response: str | None
    context: tuple[Turn, ...] = ()
    provider_refusal: bool = False
    content_filtered: bool = False
    tool_calls: int = 0
    refusal_token: RefusalToken | None = None


class Verdict(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What Watchkeeper says of one exchange: the value of a record on safety.verdicts and, name for name, a row.

    Unknown is never safe: where `status` is not "ok" the probabilities and labels are None and rates leave
    the row out, in the open, through coverage. With status "ok", `refused` and `response_harmful` are None for a
    prompt-only exchange. `source_*` is the record this came from (`source_index`: which exchange of it), the proof
    that nothing is lost. `arrived_at` is the broker's append time where it stamps one, else when it was taken.
    `occurred_at_source` is "arrival" where the log names no time, or one that can't be (before 2000, or more than a
    day after arrival): `occurred_at` is then `arrived_at`. `judge_probability` is that with which the policy of version
    `judge_policy` has an exchange like this one judged, whether or not it was drawn (docs/judging.md). Fields with a
    default came later: records without them are read, and what is JUDGING_OFF isn't written.
    """

    event_id: str
    tenant: str
    model: str
    conversation_id: str
    format: ChatFormat
    occurred_at: datetime
    occurred_at_source: Literal["log", "arrival"]
    arrived_at: datetime
    source_topic: str
    source_partition: int
    source_offset: int
    source_index: int
    guard_name: str
    guard_version: str
    guard_prompt_hash: str
    status: Status
    prompt_harm: Probability | None
    prompt_harmful: bool | None
    refusal: Probability | None
    refused: bool | None
    response_harm: Probability | None
    response_harmful: bool | None
    category: str
    category_probability: Probability | None
    has_response: bool
    truncated: bool
    provider_refusal: bool
    content_filtered: bool
    tool_calls: int
    context_turns: int
    sampling_decision: SamplingDecision
    sampling_probability: Probability
    calibration_version: int
    refusal_token: RefusalToken | None
    content_hash: str
    excerpt_policy: ExcerptPolicy
    prompt_excerpt: str
    response_excerpt: str
    judge_decision: JudgeDecision = JUDGING_OFF[0]
    judge_probability: Probability = JUDGING_OFF[1]
    judge_policy: str = JUDGING_OFF[2]
    schema_version: Literal[1] = msgspec.field(
        default_factory=lambda: VERDICT_SCHEMA
    )  # so that it is written

    @classmethod
    def from_bytes(cls, value: bytes) -> Verdict:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _DECODER.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


_DECODER = msgspec.json.Decoder(Verdict)
_ENCODER = msgspec.json.Encoder()
