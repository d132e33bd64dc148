"""The broker and the topics: settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from monitor.setting_group import Group
from schemas.topics import (
    ALERT_ACTIONS,
    ALERT_DELIVERIES,
    ALERTS,
    AUDIT_REQUESTS,
    AUDITS,
    CALIBRATIONS,
    CHAT_LOGS,
    CHAT_LOGS_BACKFILL,
    CHAT_LOGS_DLQ,
    CONTROL,
    JUDGE_POLICIES,
    JUDGE_REQUESTS,
    JUDGE_REQUESTS_BACKFILL,
    JUDGE_REQUESTS_DLQ,
    JUDGEMENTS,
    JUDGEMENTS_DLQ,
    VERDICTS,
    VERDICTS_DLQ,
)


class KafkaSettings(Group):
    """The broker and the topics."""

    bootstrap: str = Field("127.0.0.1:9092", description="Brokers, host:port, separated by commas.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    ssl_ca_file: Path | None = Field(None, description="CA certificates (PEM); the system's if empty.")
    ssl_cert_file: Path | None = Field(None, description="Client certificate (PEM), for mutual TLS.")
    ssl_key_file: Path | None = Field(None, description="Client key (PEM), for mutual TLS.")
    ssl_key_password: SecretStr | None = Field(None, description="Password of the client key.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism; used where security_protocol starts with SASL."
    )
    sasl_username: str | None = Field(None, description="SASL user name.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")
    chat_logs_topic: str = Field(CHAT_LOGS.name, description="Where the chat logs are read.")
    chat_logs_backfill_topic: str = Field(
        CHAT_LOGS_BACKFILL.name, description="Where chat logs that need not be judged at once are read."
    )
    verdicts_topic: str = Field(VERDICTS.name, description="Where verdicts are written.")
    chat_logs_dlq_topic: str = Field(CHAT_LOGS_DLQ.name, description="Where bad chat logs go, whole.")
    verdicts_dlq_topic: str = Field(VERDICTS_DLQ.name, description="Where bad verdicts go, whole.")
    judge_requests_topic: str = Field(
        JUDGE_REQUESTS.name, description="Where the judge's questions are written: what people wrote, whole."
    )
    judge_requests_backfill_topic: str = Field(
        JUDGE_REQUESTS_BACKFILL.name, description="The same, about chat logs of the backfill."
    )
    judge_requests_dlq_topic: str = Field(
        JUDGE_REQUESTS_DLQ.name, description="Where bad questions go, whole."
    )
    judgements_topic: str = Field(JUDGEMENTS.name, description="Where judgements are written.")
    judgements_dlq_topic: str = Field(JUDGEMENTS_DLQ.name, description="Where bad judgements go, whole.")
    judge_policies_topic: str = Field(
        JUDGE_POLICIES.name,
        description="Where the policy is written that chooses what is judged; one partition, compacted.",
    )
    audits_topic: str = Field(AUDITS.name, description="Where audits of models are written; one partition.")
    audit_requests_topic: str = Field(
        AUDIT_REQUESTS.name, description="Where an audit is asked for; one partition."
    )
    calibrations_topic: str = Field(
        CALIBRATIONS.name,
        description="Where calibrations of refusal tokens are written, signed; one partition, compacted.",
    )
    control_topic: str = Field(CONTROL.name, description="Where workers say how they stand; one partition.")
    alerts_topic: str = Field(ALERTS.name, description="Where alerts are written.")
    alert_actions_topic: str = Field(
        ALERT_ACTIONS.name, description="Where it is written what people do with alerts; one partition."
    )
    alert_deliveries_topic: str = Field(
        ALERT_DELIVERIES.name, description="Where it is written what each channel was told; one partition."
    )
    group_prefix: str = Field(
        "watchkeeper",
        description="Consumer groups are <prefix>.<role>, one a role, and <prefix>.control.",
    )
    session_timeout_s: float = Field(
        30.0, gt=0, description="After this silence a worker's partitions move on."
    )
    request_timeout_s: float = Field(40.0, gt=0, description="Longest wait for one answer of a broker.")
    max_message_bytes: int = Field(
        16_777_216,
        gt=0,
        description="Largest record read or written; a larger chat log stops its partition loudly.",
    )
    compression: Literal["none", "gzip", "lz4", "snappy", "zstd"] = Field(
        "snappy",
        description="Codec of what we write. zstd: a third smaller, for a little more CPU time. What is read may have any.",
    )
    create_topics: bool = Field(
        True, description="Create missing topics at the start, as schemas/topics.py says."
    )
    replication: int = Field(
        0, ge=0, description="Replication of created topics; 0: three, or as many as there are brokers."
    )
