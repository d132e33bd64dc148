"""What a worker counts, for Prometheus: every metric with its kind, unit, meaning and labels, and the object that holds them.

docs/metrics.md is written from `Metric`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from monitor import audit_metrics, overseeing_metrics, parts_metrics, recalibration_metrics
from monitor.metric_spec import (
    BYTES,
    MESSAGES,
    SECONDS,
    Label,
    Spec,
    counter,
    gauge,
    histogram,
    values_in_order,
)

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Of `Metrics.exposition`: the format that every Prometheus reads."""

Child = Counter | Gauge | Histogram

_BY_PARTITION: Final = (Label.ROLE, Label.TOPIC, Label.PARTITION)


class Metric(Enum):
    """Every metric of ours. Counters count since the worker's start."""

    # What comes in
    MESSAGES_TAKEN = counter(
        "messages_taken",
        "messages",
        "Messages that left the consumer in a batch. One that is read again after a restart or a rebalance counts again.",
        Label.ROLE,
        Label.TOPIC,
    )
    BYTES_TAKEN = counter(
        "taken_bytes", "bytes", "Bytes of those messages, keys and values.", Label.ROLE, Label.TOPIC
    )
    BATCH_MESSAGES = histogram("batch_messages", "messages", "Messages in a batch.", MESSAGES, Label.ROLE)
    BATCH_BYTES = histogram("batch_bytes", "bytes", "Bytes in a batch.", BYTES, Label.ROLE)
    READ_FAILURES = counter(
        "read_failures", "failures", "Reads from Kafka that failed; they are tried again.", Label.ROLE
    )
    MESSAGES_EXPIRED = counter(
        "messages_expired",
        "messages",
        "Messages that the topic's retention deleted before they were read: lost to Watchkeeper.",
        Label.ROLE,
        Label.TOPIC,
    )

    # What becomes of it
    MESSAGES_DURABLE = counter(
        "messages_durable",
        "messages",
        "Messages of batches whose outcome is durable: written, dead-lettered or left out.",
        Label.ROLE,
        Label.TOPIC,
    )
    EXCHANGES_JUDGED = counter(
        "exchanges_judged",
        "exchanges",
        "Exchanges that the guard was asked about, once their verdict was written to Kafka.",
        Label.ROLE,
        Label.STATUS,
    )
    SAMPLED_OUT = counter(
        "exchanges_sampled_out",
        "exchanges",
        "Exchanges that the sample left out, once their verdict (status skipped) was written to Kafka.",
        Label.ROLE,
    )
    NOT_CHAT = counter(
        "records_not_chat",
        "records",
        "Records that are well-formed and no chat (an embedding, a tool's span): nothing to judge.",
        Label.ROLE,
    )
    BAD_REFUSAL_TOKENS = counter(
        "refusal_tokens_unreadable",
        "exchanges",
        "Exchanges whose refusal tokens couldn't be read; they are judged without.",
        Label.ROLE,
    )
    VERDICTS_STORED = counter(
        "verdicts_stored",
        "verdicts",
        "Verdicts that the storage agent has made rows of. One that is delivered again counts again; its row doesn't.",
    )
    ALERTS_STORED = counter(
        "alerts_stored",
        "records",
        "Records of the alerts topic that have been made rows of. One that is delivered again counts again; its row doesn't.",
    )
    LETTERS_STORED = counter(
        "dead_letters_stored",
        "letters",
        "Dead letters of the chat logs whose place has been made a row of. One that is delivered again counts again; its row doesn't.",
    )
    LEFT_OUT = counter(
        "records_left_out",
        "records",
        "Records of the alerts and of the dead letters that no row can be made of, because somebody else wrote them; they stay where they are.",
        Label.ROLE,
        Label.REASON,
    )
    DEAD_LETTERS = counter(
        "dead_letters",
        "letters",
        "Dead letters written: bad messages, and bad exchanges of good ones.",
        Label.ROLE,
        Label.REASON,
    )

    # How it goes on its way
    BATCHES_IN_FLIGHT = gauge(
        "batches_in_flight",
        "batches",
        "Batches that have left the consumer and aren't durable yet.",
        Label.ROLE,
    )
    BATCHES_IN_FLIGHT_LIMIT = gauge(
        "batches_in_flight_limit",
        "batches",
        "How many may be under way at once. As many as that, and the stage that takes the time is what is slow.",
        Label.ROLE,
    )
    STAGE_SECONDS = histogram(
        "stage_duration_seconds",
        "seconds",
        "Time that one batch spent in one stage, over all its tries. Which part is slow: `sum by (role, stage) (rate(watchkeeper_stage_duration_seconds_sum[5m]))`, without `turn`, which is the same wait seen from behind.",
        SECONDS,
        Label.ROLE,
        Label.STAGE,
    )
    RETRIES = counter(
        "batch_retries",
        "tries",
        "Tries of a batch that failed; it is tried again.",
        Label.ROLE,
        Label.TROUBLE,
    )

    # Partitions
    PARTITIONS = gauge(
        "partitions_owned", "partitions", "Partitions that this worker reads.", Label.ROLE, Label.TOPIC
    )
    SET_ASIDE = gauge(
        "partitions_set_aside",
        "partitions",
        "Partitions that rest because of trouble of their own while the others go on; halted ones too.",
        Label.ROLE,
    )
    HALTED = gauge(
        "partitions_halted", "partitions", "Partitions that wait for a person: the log says why.", Label.ROLE
    )
    LAG = gauge(
        "partition_lag_messages",
        "messages",
        "Offsets between the end of the durable prefix and the end of the log, as last heard.",
        *_BY_PARTITION,
    )
    POSITION = gauge(
        "partition_position_offset",
        "offset",
        "The end of the durable prefix: what the next commit says.",
        *_BY_PARTITION,
    )
    STILL_SECONDS = gauge(
        "partition_still_seconds",
        "seconds",
        "For how long the durable prefix hasn't moved although there is something to do; 0 where there is nothing.",
        *_BY_PARTITION,
    )
    COMMITS = counter("commits", "commits", "Commits of offsets.", Label.ROLE, Label.COMMIT)
    REBALANCES = counter(
        "rebalances",
        "rebalances",
        "Times that the group gave this worker partitions, or took them.",
        Label.ROLE,
        Label.CHANGE,
    )

    # The guard
    GUARD_CALLS = parts_metrics.GUARD_CALLS
    GUARD_SECONDS = parts_metrics.GUARD_SECONDS
    GUARD_TURNED_AWAY = parts_metrics.GUARD_TURNED_AWAY
    BREAKER_STATE = parts_metrics.BREAKER_STATE
    BREAKER_OPENINGS = parts_metrics.BREAKER_OPENINGS

    # The judge
    JUDGE_CHOICES = parts_metrics.JUDGE_CHOICES
    JUDGED = parts_metrics.JUDGED
    JUDGE_SECONDS = parts_metrics.JUDGE_SECONDS
    JUDGE_DELAY = parts_metrics.JUDGE_DELAY
    JUDGEMENTS_STORED = parts_metrics.JUDGEMENTS_STORED
    JUDGE_BUDGET = overseeing_metrics.JUDGE_BUDGET
    JUDGE_ASKED = overseeing_metrics.JUDGE_ASKED
    JUDGE_MUSTS = overseeing_metrics.JUDGE_MUSTS

    # The store
    STORE_INSERTS = parts_metrics.STORE_INSERTS
    STORE_SECONDS = parts_metrics.STORE_SECONDS
    STORE_ROWS = parts_metrics.STORE_ROWS

    # Writing to Kafka
    PRODUCED = parts_metrics.PRODUCED
    PRODUCE_SECONDS = parts_metrics.PRODUCE_SECONDS
    PRODUCE_FAILURES = parts_metrics.PRODUCE_FAILURES

    # How the fleet stands
    WORKER_CONDITION = overseeing_metrics.WORKER_CONDITION
    OVERSEES = overseeing_metrics.OVERSEES
    ALERTS_FIRING = overseeing_metrics.ALERTS_FIRING
    ALERTS_SENT = overseeing_metrics.ALERTS_SENT
    WORKERS_SEEN = overseeing_metrics.WORKERS_SEEN
    PARTITIONS_UNOWNED = overseeing_metrics.PARTITIONS_UNOWNED

    # The watch over drift
    WATCH_LAG = overseeing_metrics.WATCH_LAG
    WATCH_STREAMS = overseeing_metrics.WATCH_STREAMS
    WATCH_CHECKPOINT_BYTES = overseeing_metrics.WATCH_CHECKPOINT_BYTES
    WATCH_CHECKPOINT_AGE = overseeing_metrics.WATCH_CHECKPOINT_AGE
    WATCH_WINDOWS = overseeing_metrics.WATCH_WINDOWS
    WATCH_SECONDS = overseeing_metrics.WATCH_SECONDS
    ROLLUP_LAG = overseeing_metrics.ROLLUP_LAG
    ROLLUP_QUARTERS = overseeing_metrics.ROLLUP_QUARTERS
    ROLLUP_SECONDS = overseeing_metrics.ROLLUP_SECONDS

    # Audits
    AUDITS = audit_metrics.AUDITS
    AUDIT_TRIES_FAILED = audit_metrics.AUDIT_TRIES_FAILED
    AUDIT_SECONDS = audit_metrics.AUDIT_SECONDS
    AUDITS_WAITING = audit_metrics.AUDITS_WAITING
    AUDIT_DUE_FOR = audit_metrics.AUDIT_DUE_FOR
    AUDIT_PROGRESS = audit_metrics.AUDIT_PROGRESS
    AUDIT_REQUESTS_LEFT_OUT = audit_metrics.AUDIT_REQUESTS_LEFT_OUT
    AUDITS_STORED = audit_metrics.AUDITS_STORED

    # The channels of alerts
    CHANNEL_MESSAGES = overseeing_metrics.CHANNEL_MESSAGES
    CHANNEL_WAITING = overseeing_metrics.CHANNEL_WAITING
    CHANNEL_OLDEST = overseeing_metrics.CHANNEL_OLDEST
    CHANNELS_DEAD = overseeing_metrics.CHANNELS_DEAD
    CHANNEL_LOGS_AWAY = overseeing_metrics.CHANNEL_LOGS_AWAY

    # Calibrations of refusal tokens
    CALIBRATIONS = recalibration_metrics.CALIBRATIONS
    CALIBRATIONS_IGNORED = recalibration_metrics.CALIBRATIONS_IGNORED
    CALIBRATIONS_STORED = recalibration_metrics.CALIBRATIONS_STORED

    # The process
    INFO = gauge("worker_info", "", "1; the labels say what runs.", Label.VERSION)
    START_TIME = gauge("start_time_seconds", "seconds", "When the worker started, in seconds since 1970.")


class Metrics:
    """The metrics of one process. Safe from any thread. A call costs about a microsecond: make it once a batch.

    A wrong or missing label name raises KeyError; a wrong label value is counted as "other".
    """

    def __init__(self) -> None:
        # Else every counter and histogram has a second series with its time of birth. It is a switch of the library.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the one function without types
        self._registry = CollectorRegistry()
        self._children: dict[tuple[Metric, tuple[str | int, ...]], Child] = {}
        self._families: Final[dict[Metric, Child]] = {
            metric: _family(metric.value, self._registry) for metric in Metric
        }
        ProcessCollector(registry=self._registry)

    def count(self, metric: Metric, amount: float = 1.0, **labels: str | int) -> None:
        """Add to a counter."""
        child = self._child(metric, labels)
        if not isinstance(child, Counter):
            raise TypeError(f"{metric.name} is a {metric.value.kind}, which can't be counted up")
        child.inc(amount)

    def set(self, metric: Metric, value: float, **labels: str | int) -> None:
        """Set a gauge."""
        child = self._child(metric, labels)
        if not isinstance(child, Gauge):
            raise TypeError(f"{metric.name} is a {metric.value.kind}, which can't be set")
        child.set(value)

    def observe(self, metric: Metric, value: float, **labels: str | int) -> None:
        """Take one value into a histogram."""
        child = self._child(metric, labels)
        if not isinstance(child, Histogram):
            raise TypeError(f"{metric.name} is a {metric.value.kind}, which observes nothing")
        child.observe(value)

    def forget(self, metric: Metric, **labels: str | int) -> None:
        """Drop one series: a partition that left, say. Does nothing where there is none."""
        key = values_in_order(metric.value, labels)
        if self._children.pop((metric, key), None) is not None:
            self._families[metric].remove(*key)

    def value(self, metric: Metric, **labels: str | int) -> float:
        """A counter's or a gauge's value, the number of a histogram's observations; 0 where there are none yet."""
        spec = metric.value
        named = dict(
            zip((label.key for label in spec.labels), map(str, values_in_order(spec, labels)), strict=True)
        )
        sample = f"{spec.name}_count" if spec.kind == "histogram" else spec.name
        return self._registry.get_sample_value(sample, named) or 0.0

    def exposition(self) -> bytes:
        """All of them as Prometheus reads them, of content type CONTENT_TYPE."""
        return generate_latest(self._registry)

    def _child(self, metric: Metric, labels: dict[str, str | int]) -> Child:
        if not metric.value.labels and not labels:
            return self._families[metric]
        key = (metric, values_in_order(metric.value, labels))
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._families[metric].labels(*key[1])
        return child


def _family(spec: Spec, registry: CollectorRegistry) -> Child:
    names = [label.key for label in spec.labels]
    match spec.kind:
        case "counter":
            return Counter(spec.name, spec.meaning, names, registry=registry)
        case "gauge":
            return Gauge(spec.name, spec.meaning, names, registry=registry)
        case "histogram":
            return Histogram(spec.name, spec.meaning, names, registry=registry, buckets=spec.buckets)
