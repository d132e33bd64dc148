"""Every setting, read once at the start: environment variables WATCHKEEPER_<GROUP>__<FIELD>.

`load` reports all faults at once and refuses WATCHKEEPER_* variables it doesn't know (pydantic-settings would
ignore them, and a misspelt setting would silently be its default).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from monitor.audit_settings import AuditSettings
from monitor.channel_settings import ChannelSettings
from monitor.drift_settings import DriftSettings
from monitor.errors import Misconfigured
from monitor.health_settings import HealthSettings
from monitor.judging_settings import JudgingSettings
from monitor.kafka_settings import KafkaSettings
from monitor.recalibration_settings import RecalibrationSettings
from monitor.report_settings import ReportSettings
from monitor.rollup_settings import RollupSettings
from monitor.setting_group import Group
from monitor.web_settings import WebSettings

PREFIX: Final = "WATCHKEEPER_"


class TritonSettings(Group):
    """The inference server and the guard."""

    url: str = Field("127.0.0.1:8001", description="Triton's gRPC address, host:port.")
    guard_model: str = Field("guard_lite", description="The guard model's name in the model repository.")
    tls: bool = Field(False, description="Use TLS to Triton.")
    tls_ca_file: Path | None = Field(
        None, description="CA certificates (PEM) for Triton; the system's if empty."
    )
    deadline_s: float = Field(10.0, gt=0, description="Deadline of one inference call.")
    attempts: int = Field(
        4, ge=1, description="Tries of one call, for retryable codes only, before backing off."
    )
    max_batch: int = Field(64, ge=1, description="Exchanges in one inference call.")
    concurrency: int = Field(8, ge=1, description="Inference calls in flight from one worker.")
    breaker_failures: int = Field(5, ge=1, description="Failed calls in a row that open the breaker.")
    breaker_open_s: float = Field(
        5.0, gt=0, description="How long an open breaker waits before it tries again."
    )
    max_text_chars: int = Field(
        20_000,
        ge=100,
        description="Longer prompts and responses keep head and tail, and are marked truncated.",
    )


class ClickHouseSettings(Group):
    """The store."""

    url: str = Field("http://127.0.0.1:8123", description="ClickHouse's HTTP address.")
    user: str = Field("default", description="User name.")
    password: SecretStr = Field(SecretStr(""), description="Password.")
    database: str = Field("watchkeeper", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Database.")
    ca_file: Path | None = Field(None, description="CA certificates (PEM) for https; the system's if empty.")
    connect_timeout_s: float = Field(5.0, gt=0, description="Longest wait for a connection.")
    timeout_s: float = Field(60.0, gt=0, description="Longest wait for one answer.")
    migrate_on_start: bool = Field(True, description="Apply missing migrations when the workers start.")

    @field_validator("url")
    @classmethod
    def _names_nobody(cls, value: str) -> str:
        if "@" in value:  # it is named where something is wrong: in logs, alerts and pages
            raise ValueError("must hold no name and no password: set user and password for them")
        return value


class ModerationSettings(Group):
    """The moderation worker."""

    batch_max_events: int = Field(500, ge=1, description="Most messages in one batch.")
    batch_max_bytes: int = Field(4_194_304, ge=1, description="A batch closes once it holds this many bytes.")
    flush_after_s: float = Field(0.2, ge=0, description="Longest wait for a batch to fill.")
    in_flight_batches: int = Field(
        3, ge=1, description="Batches worked on side by side (decode, guard, write)."
    )
    prompt_harm_threshold: float = Field(
        0.5, ge=0, le=1, description="Prompt harm from which the label is true."
    )
    refusal_threshold: float = Field(0.5, ge=0, le=1, description="Refusal probability from which it is one.")
    response_harm_threshold: float = Field(
        0.5, ge=0, le=1, description="Response harm from which it is true."
    )
    sample_probability: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of exchanges scored, chosen by a hash of the event id; weights correct it.",
    )
    default_tenant: str = Field("default", min_length=1, description="Tenant of chat logs that name none.")
    max_context_turns: int = Field(20, ge=0, description="Earlier turns kept; the oldest are dropped first.")


class BackfillSettings(Group):
    """Chat logs that need not be judged at once: replays of files and of dead letters. They give way to live traffic."""

    max_per_s: float = Field(
        1_000.0,
        ge=0,
        description="Most messages a second that one worker takes of the backfill; 0: no limit.",
    )
    live_wait_max_s: float = Field(
        5.0,
        gt=0,
        description="Backfill pauses while a new live message would wait longer than this in the same worker, for "
        "moderation or for storage.",
    )
    batch_max_events: int = Field(
        100, ge=1, description="Most messages in one batch; one is worked on at a time."
    )
    batch_max_bytes: int = Field(1_048_576, ge=1, description="A batch closes once it holds this many bytes.")
    flush_after_s: float = Field(0.2, ge=0, description="Longest wait for a batch to fill.")


class StorageSettings(Group):
    """The storage worker."""

    batch_max_events: int = Field(5_000, ge=1, description="Most verdicts in one insert.")
    batch_max_bytes: int = Field(
        8_388_608, ge=1, description="An insert closes once it holds this many bytes."
    )
    flush_after_s: float = Field(0.5, ge=0, description="Longest wait for an insert to fill.")
    in_flight_batches: int = Field(2, ge=1, description="Inserts worked on side by side.")


class DeadLetterSettings(Group):
    """When to stop instead of draining the topic into the dead letters."""

    window_messages: int = Field(
        1_000, ge=1, description="Messages over which the share is taken, per partition."
    )
    max_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A partition with more bad messages in the window than this share is halted; 1: any share is let pass.",
    )
    max_run: int = Field(200, ge=1, description="Bad messages in a row that halt their partition.")


class PrivacySettings(Group):
    """What is kept of what people wrote."""

    excerpt_policy: Literal["none", "redacted", "full"] = Field(
        "redacted",
        description="none: no text at all. redacted: masked, bounded excerpts. full: bounded, not masked.",
    )
    excerpt_max_chars: int = Field(
        160, ge=0, le=100_000, description="Longest excerpt of a prompt or a response."
    )
    hash_key: SecretStr = Field(
        SecretStr(""), description="Key of the content hash; without one, guessed texts could be confirmed."
    )


class RetrySettings(Group):
    """Waiting for a part that is away: exponential, with jitter."""

    first_s: float = Field(0.2, gt=0, description="First wait.")
    max_s: float = Field(30.0, gt=0, description="Longest wait.")
    halted_s: float = Field(
        30.0,
        gt=0,
        description="How often what waits for a person (a partition with too many bad messages, a missing table) is tried again.",
    )


class WorkerSettings(Group):
    """The worker process."""

    drain_s: float = Field(
        20.0, gt=0, description="How long a stop or a rebalance waits for batches in flight."
    )
    serve_http: bool = Field(True, description="Serve /metrics, /livez and /readyz.")
    http_host: str = Field(
        "127.0.0.1", min_length=1, description="Address they are served on; 0.0.0.0 in a container."
    )
    http_port: int = Field(
        9464,
        ge=0,
        le=65_535,
        description="Port they are served on, or where it is taken the next free one; 0: any. The log names it.",
    )
    live_within_s: float = Field(
        30.0,
        ge=5,
        description="After this time without a turn of the event loop, or of a loop that takes messages, /livez fails.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: pretty on a terminal, else JSON."
    )


class EmbeddedSettings(Group):
    """The embedded stack (`watchkeeper up`, `watchkeeper demo`)."""

    data: Path | None = Field(None, description="Its data folder; empty: the user's data folder.")
    model_repository: Path | None = Field(
        None,
        description="Triton model repository; empty: the one installed. Where the guard isn't in it, the installed one is served besides.",
    )
    broker_heap_mb: int = Field(512, ge=128, description="Java heap of the broker.")


class Settings(BaseSettings):
    """All settings. Frozen; build with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    triton: TritonSettings = TritonSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    moderation: ModerationSettings = ModerationSettings()
    backfill: BackfillSettings = BackfillSettings()
    storage: StorageSettings = StorageSettings()
    judging: JudgingSettings = JudgingSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    privacy: PrivacySettings = PrivacySettings()
    retry: RetrySettings = RetrySettings()
    worker: WorkerSettings = WorkerSettings()
    health: HealthSettings = HealthSettings()
    drift: DriftSettings = DriftSettings()
    channels: ChannelSettings = ChannelSettings()
    audit: AuditSettings = AuditSettings()
    recalibration: RecalibrationSettings = RecalibrationSettings()
    report: ReportSettings = ReportSettings()
    rollups: RollupSettings = RollupSettings()
    web: WebSettings = WebSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what `load` passes: the environment is read there, once, so that a test needs no patching."""
        return (init_settings,)


def variable(group: str, field: str) -> str:
    """The environment variable of a setting, e.g. WATCHKEEPER_KAFKA__BOOTSTRAP."""
    return f"{PREFIX}{group}__{field}".upper()


def known_variables() -> dict[str, tuple[str, str]]:
    """Every environment variable, with its group and field."""
    return {
        variable(group, field): (group, field)
        for group, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Group)
        for field in info.annotation.model_fields
    }


def load(environ: Mapping[str, str] | None = None, defaults: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    `defaults` are variables that count only where the environment is silent (the addresses of a running embedded
    stack, say). An empty variable counts as unset. Raises Misconfigured with every fault at once.
    """
    given = {
        **(defaults or {}),
        **{k: v for k, v in (os.environ if environ is None else environ).items() if v != ""},
    }
    known = known_variables()
    faults: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        if not name.upper().startswith(PREFIX):
            continue
        place = known.get(name.upper())
        if place is None:
            faults.append(f"{name} is not a setting{_nearest(name.upper(), known)}")
            continue
        values.setdefault(place[0], {})[place[1]] = value
    settings: Settings | None = None
    try:
        settings = Settings(**values)  # type: ignore[arg-type]  # pydantic turns the groups' dicts into groups
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            group, *rest = (str(part) for part in error["loc"])
            faults.append(f"{variable(group, '__'.join(rest))}: {error['msg']}")
    if faults or settings is None:
        raise Misconfigured(
            "the settings can't be used:\n" + "\n".join(f"  - {fault}" for fault in faults),
            "correct these environment variables; `watchkeeper config` lists all settings",
        )
    return settings


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.8)
    return f"; did you mean {close[0]}?" if close else ""
