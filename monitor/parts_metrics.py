"""What a worker counts of the parts that it calls: the guard, the judge, the store, Kafka.

They are members of monitor.metrics.Metric under the same names.
"""

from __future__ import annotations

from typing import Final

from monitor.metric_spec import DELAYS, SECONDS, Label, counter, gauge, histogram

# The guard
GUARD_CALLS: Final = counter(
    "guard_calls", "calls", "Inference calls by what came of them, each try on its own.", Label.CODE
)
GUARD_SECONDS: Final = histogram(
    "guard_call_duration_seconds",
    "seconds",
    "Time that an inference call took, answered or not, without the wait for its turn.",
    SECONDS,
)
GUARD_TURNED_AWAY: Final = counter(
    "guard_calls_turned_away", "calls", "Inference calls that the open breaker didn't let out."
)
BREAKER_STATE: Final = gauge(
    "guard_breaker_state",
    "",
    "1 for the state that the breaker of the role's guard is in, 0 for the others.",
    Label.ROLE,
    Label.BREAKER,
)
BREAKER_OPENINGS: Final = counter(
    "guard_breaker_openings", "openings", "Times that the breaker opened because the guard didn't answer."
)

# The judge
JUDGE_CHOICES: Final = counter(
    "judge_choices",
    "exchanges",
    "Exchanges that the policy chose about, by what it chose and why; those that the guard had no answer to are in none.",
    Label.ROLE,
    Label.JUDGE_REASON,
    Label.DECISION,
)
JUDGED: Final = counter(
    "judgements",
    "exchanges",
    "Exchanges that a judge was asked about, once its judgement was written to Kafka.",
    Label.ROLE,
    Label.STATUS,
)
JUDGE_SECONDS: Final = histogram(
    "judge_batch_duration_seconds",
    "seconds",
    "Time that the judge took for a batch.",
    SECONDS,
    Label.ROLE,
)
JUDGE_DELAY: Final = histogram(
    "judge_delay_seconds", "seconds", "Time from a log's arrival to its judgement.", DELAYS, Label.ROLE
)
JUDGEMENTS_STORED: Final = counter(
    "judgements_stored",
    "judgements",
    "Judgements that have been made rows of. One that is delivered again counts again; its row doesn't.",
)

# The store
STORE_INSERTS: Final = counter(
    "store_inserts",
    "inserts",
    "Inserts into ClickHouse by what came of them, each try on its own.",
    Label.INSERT,
)
STORE_SECONDS: Final = histogram(
    "store_insert_duration_seconds", "seconds", "Time that an insert took, accepted or not.", SECONDS
)
STORE_ROWS: Final = counter(
    "store_rows",
    "rows",
    "Rows in inserts that ClickHouse has acknowledged. A row that is sent again counts again here, not in the table.",
)

# Writing to Kafka
PRODUCED: Final = counter(
    "produced_records", "records", "Records that all in-sync replicas have acknowledged.", Label.TOPIC
)
PRODUCE_SECONDS: Final = histogram(
    "produce_duration_seconds",
    "seconds",
    "Time until a batch of records was acknowledged, or wasn't.",
    SECONDS,
    Label.TOPIC,
)
PRODUCE_FAILURES: Final = counter(
    "produce_failures",
    "failures",
    "Batches of records that weren't acknowledged; they are written again.",
    Label.TOPIC,
)
