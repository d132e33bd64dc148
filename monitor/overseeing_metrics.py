"""What the worker that oversees the fleet counts besides: how the fleet stands, the judge's budget, the watch over drift, the
channels of alerts.

They are members of monitor.metrics.Metric under the same names.
"""

from __future__ import annotations

from typing import Final

from monitor.metric_spec import SECONDS, Label, counter, gauge, histogram

# How the fleet stands
WORKER_CONDITION: Final = gauge(
    "worker_condition",
    "conditions",
    "How many alerts of this kind the worker would fire by what it knows of itself, with Kafka or without.",
    Label.ALERT,
)
OVERSEES: Final = gauge(
    "oversees",
    "",
    "1 where this worker oversees the fleet, else 0. Only that one's figures of the fleet are not 0: take the `max`. A fleet that nobody oversees tells nothing: watch `sum` of this.",
)
ALERTS_FIRING: Final = gauge(
    "alerts_firing",
    "alerts",
    "Alerts that fire, about the stream itself and about drift (docs/alerts.md).",
    Label.ALERT,
)
ALERTS_SENT: Final = counter(
    "alerts_sent",
    "alerts",
    "Records written to the alerts topic. A firing alert is written again now and then.",
    Label.ALERT,
    Label.ALERT_STATE,
)
WORKERS_SEEN: Final = gauge(
    "workers_seen",
    "workers",
    "Workers of the fleet that say how they stand, those among them that have lately fallen silent.",
)
PARTITIONS_UNOWNED: Final = gauge(
    "partitions_unowned",
    "partitions",
    "Partitions that nobody in the role's group owns; all of them while it rebalances.",
    Label.ROLE,
)

# The watch over drift
WATCH_LAG: Final = gauge(
    "watch_lag_seconds",
    "seconds",
    "How long ago, by the broker's time, the last closed window ended; 0 where this worker doesn't oversee, as the next four.",
)
WATCH_STREAMS: Final = gauge(
    "watch_streams", "streams", "What is watched, by how it stands.", Label.STREAM_STATE
)
WATCH_CHECKPOINT_BYTES: Final = gauge("watch_checkpoint_bytes", "bytes", "Size of the last checkpoint.")
WATCH_CHECKPOINT_AGE: Final = gauge(
    "watch_checkpoint_age_seconds",
    "seconds",
    "How much time of arrival, up to the last closed window, would be taken again after a crash.",
)
WATCH_WINDOWS: Final = counter(
    "watch_windows", "windows", "Windows taken; those that are taken again after a restart count again."
)
WATCH_SECONDS: Final = histogram(
    "watch_window_duration_seconds",
    "seconds",
    "Time that one window took, from the engine to its last alert.",
    SECONDS,
)

# Quarters of an hour
ROLLUP_LAG: Final = gauge(
    "rollup_lag_seconds",
    "seconds",
    "How long ago, by the store's time, what was written by then was counted into quarters of an hour; 0 where this worker doesn't oversee.",
)
ROLLUP_QUARTERS: Final = counter(
    "rollup_quarters", "quarters", "Quarters of an hour counted anew; each time counts again."
)
ROLLUP_SECONDS: Final = histogram(
    "rollup_duration_seconds", "seconds", "Time that one refresh of the quarters of an hour took.", SECONDS
)

# The channels of alerts
CHANNEL_MESSAGES: Final = counter(
    "channel_messages",
    "messages",
    "Messages to channels by what came of them, each try on its own. Only the worker that oversees sends any.",
    Label.CHANNEL,
    Label.TELLING,
)
CHANNEL_WAITING: Final = gauge(
    "channel_waiting_alerts",
    "alerts",
    "Alerts of which a channel is still to be told; 0 where another worker oversees, as the next two.",
    Label.CHANNEL,
)
CHANNEL_OLDEST: Final = gauge(
    "channel_oldest_waiting_seconds",
    "seconds",
    "For how long the oldest of them has waited.",
    Label.CHANNEL,
)
CHANNELS_DEAD: Final = gauge(
    "channels_dead", "channels", "Channels about which the alert `channel_dead` fires.", Label.CHANNEL
)
CHANNEL_LOGS_AWAY: Final = gauge(
    "channel_logs_away_seconds",
    "seconds",
    "For how long the worker that oversees hasn't been able to read the logs of alerts, by which it tells the channels; 0 while it can, and elsewhere.",
)

# The judge's budget
JUDGE_BUDGET: Final = gauge(
    "judge_budget_per_hour",
    "exchanges",
    "The budget, as the worker that oversees shares it out; 0 elsewhere, as the next two.",
)
JUDGE_ASKED: Final = gauge(
    "judge_asked_in_hour", "exchanges", "Questions about live traffic in the last hour, as far as known."
)
JUDGE_MUSTS: Final = gauge(
    "judge_musts_probability",
    "",
    "Probability with which what is harmful and not refused, or uncertain, is judged: below 1 it is more than the budget.",
)
