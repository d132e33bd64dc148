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

from monitor.metric_spec import Label, Spec, values_in_order

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Of `Metrics.exposition`: the format that every Prometheus reads."""

PREFIX: Final = "watchkeeper_"

Child = Counter | Gauge | Histogram

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""From an insert into memory to a call that runs into its deadline."""
MESSAGES: Final = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0)
BYTES: Final = tuple(float(1 << power) for power in range(10, 25, 2))
"""1 KiB to 16 MiB."""

_BY_PARTITION: Final = (Label.ROLE, Label.TOPIC, Label.PARTITION)


class Metric(Enum):
    """Every metric of ours. Counters count since the worker's start."""

    # What comes in
    MESSAGES_TAKEN = Spec(
        f"{PREFIX}messages_taken_total",
        "counter",
        "messages",
        "Messages that left the consumer in a batch. One that is read again after a restart or a rebalance counts again.",
        (Label.ROLE, Label.TOPIC),
    )
    BYTES_TAKEN = Spec(
        f"{PREFIX}taken_bytes_total",
        "counter",
        "bytes",
        "Bytes of those messages, keys and values.",
        (Label.ROLE, Label.TOPIC),
    )
    BATCH_MESSAGES = Spec(
        f"{PREFIX}batch_messages", "histogram", "messages", "Messages in a batch.", (Label.ROLE,), MESSAGES
    )
    BATCH_BYTES = Spec(
        f"{PREFIX}batch_bytes", "histogram", "bytes", "Bytes in a batch.", (Label.ROLE,), BYTES
    )
    READ_FAILURES = Spec(
        f"{PREFIX}read_failures_total",
        "counter",
        "failures",
        "Reads from Kafka that failed; they are tried again.",
        (Label.ROLE,),
    )
    MESSAGES_EXPIRED = Spec(
        f"{PREFIX}messages_expired_total",
        "counter",
        "messages",
        "Messages that the topic's retention deleted before they were read: lost to Watchkeeper.",
        (Label.ROLE, Label.TOPIC),
    )

    # What becomes of it
    MESSAGES_DURABLE = Spec(
        f"{PREFIX}messages_durable_total",
        "counter",
        "messages",
        "Messages of batches whose outcome is durable: written, dead-lettered or left out.",
        (Label.ROLE, Label.TOPIC),
    )
    EXCHANGES_JUDGED = Spec(
        f"{PREFIX}exchanges_judged_total",
        "counter",
        "exchanges",
        "Exchanges that the guard was asked about, once their verdict was written to Kafka.",
        (Label.ROLE, Label.STATUS),
    )
    SAMPLED_OUT = Spec(
        f"{PREFIX}exchanges_sampled_out_total",
        "counter",
        "exchanges",
        "Exchanges that the sample left out, once their verdict (status skipped) was written to Kafka.",
        (Label.ROLE,),
    )
    NOT_CHAT = Spec(
        f"{PREFIX}records_not_chat_total",
        "counter",
        "records",
        "Records that are well-formed and no chat (an embedding, a tool's span): nothing to judge.",
        (Label.ROLE,),
    )
    BAD_REFUSAL_TOKENS = Spec(
        f"{PREFIX}refusal_tokens_unreadable_total",
        "counter",
        "exchanges",
        "Exchanges whose refusal tokens couldn't be read; they are judged without.",
        (Label.ROLE,),
    )
    VERDICTS_STORED = Spec(
        f"{PREFIX}verdicts_stored_total",
        "counter",
        "verdicts",
        "Verdicts that the storage agent has made rows of. One that is delivered again counts again; its row doesn't.",
    )
    DEAD_LETTERS = Spec(
        f"{PREFIX}dead_letters_total",
        "counter",
        "letters",
        "Dead letters written: bad messages, and bad exchanges of good ones.",
        (Label.ROLE, Label.REASON),
    )

    # How it goes on its way
    BATCHES_IN_FLIGHT = Spec(
        f"{PREFIX}batches_in_flight",
        "gauge",
        "batches",
        "Batches that have left the consumer and aren't durable yet.",
        (Label.ROLE,),
    )
    BATCHES_IN_FLIGHT_LIMIT = Spec(
        f"{PREFIX}batches_in_flight_limit",
        "gauge",
        "batches",
        "How many may be under way at once. As many as that, and the stage that takes the time is what is slow.",
        (Label.ROLE,),
    )
    STAGE_SECONDS = Spec(
        f"{PREFIX}stage_duration_seconds",
        "histogram",
        "seconds",
        "Time that one batch spent in one stage, each try on its own.",
        (Label.ROLE, Label.STAGE),
        SECONDS,
    )
    RETRIES = Spec(
        f"{PREFIX}batch_retries_total",
        "counter",
        "tries",
        "Tries of a batch that failed; it is tried again.",
        (Label.ROLE, Label.TROUBLE),
    )

    # Partitions
    PARTITIONS = Spec(
        f"{PREFIX}partitions_owned",
        "gauge",
        "partitions",
        "Partitions that this worker reads.",
        (Label.ROLE, Label.TOPIC),
    )
    SET_ASIDE = Spec(
        f"{PREFIX}partitions_set_aside",
        "gauge",
        "partitions",
        "Partitions that rest because of trouble of their own while the others go on; halted ones too.",
        (Label.ROLE,),
    )
    HALTED = Spec(
        f"{PREFIX}partitions_halted",
        "gauge",
        "partitions",
        "Partitions that wait for a person: the log says why.",
        (Label.ROLE,),
    )
    LAG = Spec(
        f"{PREFIX}partition_lag_messages",
        "gauge",
        "messages",
        "Offsets between the end of the durable prefix and the end of the log, as last heard.",
        _BY_PARTITION,
    )
    POSITION = Spec(
        f"{PREFIX}partition_position_offset",
        "gauge",
        "offset",
        "The end of the durable prefix: what the next commit says.",
        _BY_PARTITION,
    )
    STILL_SECONDS = Spec(
        f"{PREFIX}partition_still_seconds",
        "gauge",
        "seconds",
        "For how long the durable prefix hasn't moved although there is something to do; 0 where there is nothing.",
        _BY_PARTITION,
    )
    COMMITS = Spec(
        f"{PREFIX}commits_total", "counter", "commits", "Commits of offsets.", (Label.ROLE, Label.COMMIT)
    )
    REBALANCES = Spec(
        f"{PREFIX}rebalances_total",
        "counter",
        "rebalances",
        "Times that the group gave this worker partitions, or took them.",
        (Label.ROLE, Label.CHANGE),
    )

    # The guard
    GUARD_CALLS = Spec(
        f"{PREFIX}guard_calls_total",
        "counter",
        "calls",
        "Inference calls by what came of them, each try on its own.",
        (Label.CODE,),
    )
    GUARD_SECONDS = Spec(
        f"{PREFIX}guard_call_duration_seconds",
        "histogram",
        "seconds",
        "Time that an inference call took, answered or not, without the wait for its turn.",
        buckets=SECONDS,
    )
    GUARD_TURNED_AWAY = Spec(
        f"{PREFIX}guard_calls_turned_away_total",
        "counter",
        "calls",
        "Inference calls that the open breaker didn't let out.",
    )
    BREAKER_STATE = Spec(
        f"{PREFIX}guard_breaker_state",
        "gauge",
        "",
        "1 for the state that the breaker of the role's guard is in, 0 for the others.",
        (Label.ROLE, Label.BREAKER),
    )
    BREAKER_OPENINGS = Spec(
        f"{PREFIX}guard_breaker_openings_total",
        "counter",
        "openings",
        "Times that the breaker opened because the guard didn't answer.",
    )

    # The store
    STORE_INSERTS = Spec(
        f"{PREFIX}store_inserts_total",
        "counter",
        "inserts",
        "Inserts into ClickHouse by what came of them, each try on its own.",
        (Label.INSERT,),
    )
    STORE_SECONDS = Spec(
        f"{PREFIX}store_insert_duration_seconds",
        "histogram",
        "seconds",
        "Time that an insert took, accepted or not.",
        buckets=SECONDS,
    )
    STORE_ROWS = Spec(
        f"{PREFIX}store_rows_total",
        "counter",
        "rows",
        "Rows in inserts that ClickHouse has acknowledged. A row that is sent again counts again here, not in the table.",
    )

    # Writing to Kafka
    PRODUCED = Spec(
        f"{PREFIX}produced_records_total",
        "counter",
        "records",
        "Records that all in-sync replicas have acknowledged.",
        (Label.TOPIC,),
    )
    PRODUCE_SECONDS = Spec(
        f"{PREFIX}produce_duration_seconds",
        "histogram",
        "seconds",
        "Time until a batch of records was acknowledged, or wasn't.",
        (Label.TOPIC,),
        SECONDS,
    )
    PRODUCE_FAILURES = Spec(
        f"{PREFIX}produce_failures_total",
        "counter",
        "failures",
        "Batches of records that weren't acknowledged; they are written again.",
        (Label.TOPIC,),
    )

    # The process
    INFO = Spec(f"{PREFIX}worker_info", "gauge", "", "1; the labels say what runs.", (Label.VERSION,))
    START_TIME = Spec(
        f"{PREFIX}start_time_seconds", "gauge", "seconds", "When the worker started, in seconds since 1970."
    )


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
