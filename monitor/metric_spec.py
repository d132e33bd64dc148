"""What a metric is made of: kind, unit, labels. Labels have few values, none of which a user typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, get_args

from monitor.audit.kinds import AuditKind
from monitor.conditions import Condition
from monitor.drift.kinds import DriftKind
from monitor.ingest.reasons import Reason
from monitor.notifying.channels import TYPES
from monitor.recalibration.kinds import CalibrationKind
from monitor.recalibration.signing import Distrust
from monitor.roles import ROLES
from schemas.alerts import State
from schemas.calibrations import CalibrationState
from schemas.judgements import JudgeReason

Kind = Literal["counter", "gauge", "histogram"]

PREFIX: Final = "watchkeeper_"
OTHER: Final = "other"
"""What a label says whose value isn't among those it may have."""

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""From an insert into memory to a call that runs into its deadline."""
DELAYS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
"""From an idle judge to one that comes a day late."""
MESSAGES: Final = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0)
BYTES: Final = tuple(float(1 << power) for power in range(10, 25, 2))
"""1 KiB to 16 MiB."""


class Label(Enum):
    """A label: its meaning, and the values it can have; None where the deployment bounds them."""

    ROLE = "role", "The agent.", ROLES
    TOPIC = "topic", "One of the topics in the settings.", None
    PARTITION = (
        "partition",
        "A partition that this worker owns; the series goes when the partition does.",
        None,
    )
    STATUS = "status", "What became of a question to the guard, or to the judge.", ("ok", "unknown", "error")
    REASON = (
        "reason",
        "Why a message or an exchange was refused (docs/formats.md).",
        (
            *(reason.value for reason in Reason),
            *("internal_error", "not_a_verdict", "refused_by_store"),
            *("not_a_request", "not_a_judgement", "not_an_alert", "not_a_dead_letter", "not_an_audit"),
            "not_a_calibration",
        ),
    )
    JUDGE_REASON = (
        "reason",
        "Why a judge is to be asked: the part of the policy that the exchange falls under (docs/judging.md).",
        get_args(JudgeReason),
    )
    DECISION = "decision", "Whether a judge is asked.", ("asked", "sampled_out")
    STAGE = (
        "stage",
        "What a batch is doing; `guard`: at the guard, or in judging at the judge.",
        ("decode", "guard", "turn", "write", "retry"),
    )
    TROUBLE = (
        "trouble",
        "away: the other side is away, slow or overloaded. defect: an exception of ours that nobody expected.",
        ("away", "defect"),
    )
    COMMIT = (
        "outcome",
        "late: the partitions had moved on. failed: tried again later.",
        ("ok", "late", "failed"),
    )
    CHANGE = "change", "Whether partitions came or went.", ("assigned", "revoked")
    CODE = (
        "code",
        "The gRPC status code.",
        (
            *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
            *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED"),
            *("OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
        ),
    )
    BREAKER = "state", "The state of the breaker.", ("closed", "open", "half-open")
    INSERT = (
        "outcome",
        "retryable: away, slow or overloaded. rejected: it refused the rows. misconfigured: a person has to change it.",
        ("ok", "retryable", "rejected", "misconfigured"),
    )
    ALERT = (
        "kind",
        "The kind of alert (docs/alerts.md).",
        tuple(kind.value for kinds in (Condition, DriftKind, AuditKind, CalibrationKind) for kind in kinds),
    )
    ALERT_STATE = "state", "What the alert said: whether it fires, has no data, or is over.", get_args(State)
    STREAM_STATE = (
        "state",
        "learning: too few events to fire. stale: it fires, and has no data.",
        ("learning", "armed", "firing", "stale"),
    )
    CALIBRATION_STATE = "state", "The state of a calibration.", get_args(CalibrationState)
    DISTRUST = "reason", "Why a message is ignored.", tuple(str(reason) for reason in Distrust)
    AUDIT = "outcome", "refused: it can't be made, for a reason that won't pass.", ("done", "refused")
    AUDIT_LEFT_OUT = (
        "reason",
        "unknown_target: another model or anchor set than the settings name. too_many: others wait already.",
        ("unreadable", "other_fleet", "too_old", "unknown_target", "too_many"),
    )
    CHANNEL = "channel", "The type of channel (docs/channels.md).", tuple(TYPES)
    TELLING = (
        "outcome",
        "told: taken. refused: it will never take this one. retryable, misconfigured: tried again, soon or rarely. defect: an exception of ours that nobody expected.",
        ("told", "refused", "retryable", "misconfigured", "defect"),
    )
    VERSION = "version", "The release that runs.", None

    def __init__(self, key: str, meaning: str, values: tuple[str, ...] | None) -> None:
        self.key = key
        self.meaning = meaning
        self.values: Final = None if values is None else frozenset(values)


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric. `unit` "" is a bare number; `buckets` are a histogram's upper bounds, in its unit."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()


def counter(stem: str, unit: str, meaning: str, *labels: Label) -> Spec:
    """A metric that only goes up."""
    return Spec(f"{PREFIX}{stem}_total", "counter", unit, meaning, labels)


def gauge(stem: str, unit: str, meaning: str, *labels: Label) -> Spec:
    """A metric that is as it is now."""
    return Spec(f"{PREFIX}{stem}", "gauge", unit, meaning, labels)


def histogram(stem: str, unit: str, meaning: str, buckets: tuple[float, ...], *labels: Label) -> Spec:
    """A metric of many values."""
    return Spec(f"{PREFIX}{stem}", "histogram", unit, meaning, labels, buckets)


def values_in_order(spec: Spec, labels: Mapping[str, str | int]) -> tuple[str | int, ...]:
    """The label values in the order of the spec, each among those it may have. Raises KeyError for other label names."""
    if len(labels) != len(spec.labels):
        raise KeyError(
            f"{spec.name} takes the labels {[label.key for label in spec.labels]}, not {list(labels)}"
        )
    return tuple(_bounded(label, labels[label.key]) for label in spec.labels)


def _bounded(label: Label, value: str | int) -> str | int:
    return value if label.values is None or value in label.values else OTHER
