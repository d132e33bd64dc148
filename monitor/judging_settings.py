"""Whether a judge is asked, which, and about how much (docs/judging.md)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from monitor.setting_group import Group


class JudgingSettings(Group):
    """The judge and its budget."""

    judge: Literal["off", "lite", "triton", "openai"] = Field(
        "off",
        description="Who judges. off: nobody, and no text is put aside for it. lite: what code can answer, on a CPU (the "
        "embedded stack's default). triton: the judge model in the model repository. openai: an endpoint that speaks "
        "OpenAI's protocol.",
    )
    budget_per_hour: float = Field(
        3_600.0,
        gt=0,
        description="Exchanges that the whole fleet has judged in an hour, replays not counted. All that is harmful and not "
        "refused, or uncertain, comes first.",
    )
    sample_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Part of the budget that is kept for a random sample of all else, whatever comes.",
    )
    uncertain_band: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="A probability of the guard that is nearer to its threshold than this makes the exchange uncertain.",
    )
    policy_every_s: float = Field(
        60.0, gt=0, description="How often it is seen whether the policy still fits the traffic."
    )
    backfill_per_hour: float = Field(
        3_600.0,
        ge=0,
        description="Most replayed exchanges that one worker has judged in an hour, when no live one waits; 0: no limit.",
    )
    batch_max_requests: int = Field(32, ge=1, description="Most exchanges in one batch for the judge.")
    flush_after_s: float = Field(0.5, ge=0, description="Longest wait for a batch to fill.")
    in_flight_batches: int = Field(2, ge=1, description="Batches at the judge side by side.")
    concurrency: int = Field(8, ge=1, description="Calls of the judge in flight from one worker.")
    deadline_s: float = Field(60.0, gt=0, description="Deadline of one call of the judge.")
    attempts: int = Field(
        3, ge=1, description="Tries of one call, for what may pass only, before backing off."
    )
    triton_url: str = Field("", description="The judge's Triton, gRPC, host:port; empty: the guard's.")
    triton_model: str = Field("judge", description="The judge model's name in the model repository.")
    openai_url: str = Field(
        "", description="Base address of the endpoint, with its version: https://host/v1."
    )
    openai_model: str = Field("", description="The model's name there.")
    openai_constraint: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema",
        description="How the endpoint is kept to the answers there are: by a JSON Schema, by any JSON object, or by the words "
        "of the question alone.",
    )
    openai_tokens_per_hour: int = Field(
        0,
        ge=0,
        description="Most tokens that one worker has the endpoint read and write in an hour; 0: no limit.",
    )
    openai_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens",
        description="What the endpoint calls the longest reply; newer OpenAI models want the second.",
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="The endpoint's API key; empty: none.")
