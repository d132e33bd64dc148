"""The Kafka topics: name, key, partitions, retention. Names can be changed in settings; these are the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as Watchkeeper creates it. `retention_h` None means compacted.

    All are stamped by the broker (message.timestamp.type=LogAppendTime): arrival and retention count by no producer's clock.
    """

    name: str
    key: str
    partitions: int
    retention_h: int | None
    follows_chat_logs: bool = True
    """Whether it has as many partitions as the chat logs; else as many as `partitions` says."""


CHAT_LOGS: Final = Topic("chat.logs", "conversation id, or none", 4, 7 * 24)
CHAT_LOGS_BACKFILL: Final = Topic("chat.logs.backfill", "as the chat log", 4, 30 * 24)
"""Waits longer than live traffic, by design: so it is kept longer too."""
VERDICTS: Final = Topic("safety.verdicts", "event id; same partition number as the chat log", 4, 7 * 24)
CHAT_LOGS_DLQ: Final = Topic("chat.logs.dlq", "as the chat log", 4, 30 * 24)
VERDICTS_DLQ: Final = Topic("safety.verdicts.dlq", "as the verdict", 4, 30 * 24)
JUDGE_REQUESTS: Final = Topic(
    "safety.judge_requests", "event id; same partition number as the chat log", 4, 24
)
"""What people wrote, whole: kept no longer than a judge may be away."""
JUDGE_REQUESTS_BACKFILL: Final = Topic("safety.judge_requests.backfill", "as the request", 4, 3 * 24)
"""Requests about replayed chat logs: read when no live request waits, so kept longer."""
JUDGE_REQUESTS_DLQ: Final = Topic("safety.judge_requests.dlq", "as the request", 4, 3 * 24)
JUDGEMENTS: Final = Topic("safety.judgements", "event id; same partition number as the request", 4, 7 * 24)
JUDGEMENTS_DLQ: Final = Topic("safety.judgements.dlq", "as the judgement", 4, 30 * 24)
JUDGE_POLICIES: Final = Topic("safety.judge_policies", "fleet", 1, None, follows_chat_logs=False)
"""The newest policy of each fleet, which all its workers follow."""
CONTROL: Final = Topic("safety.control", "worker", 1, 24, follows_chat_logs=False)
"""Its one partition has one owner in the fleet, who does what is to be done once: see workers/overseer.py."""
ALERTS: Final = Topic("safety.alerts", "alert id", 1, 30 * 24, follows_chat_logs=False)
"""One partition: who takes over reads one log, in which the newest record of an alert is the last."""
ALERT_ACTIONS: Final = Topic("safety.alert_actions", "alert id", 1, 30 * 24, follows_chat_logs=False)
"""What people do with alerts: acknowledge, resolve, mute."""
ALERT_DELIVERIES: Final = Topic(
    "safety.alert_deliveries", "channel and alert id", 1, 30 * 24, follows_chat_logs=False
)
"""What each channel was told: whoever takes over tells it neither again nor less."""

AUDITS: Final = Topic("safety.audits", "model and anchors", 1, 30 * 24, follows_chat_logs=False)
"""Audits of models' insides, without the draws that they are compared by."""
AUDIT_REQUESTS: Final = Topic("safety.audit_requests", "request id", 1, 24, follows_chat_logs=False)
"""Audits that somebody asked for, beside those of the schedule."""
CALIBRATIONS: Final = Topic("safety.calibrations", "fleet and model", 1, None, follows_chat_logs=False)
"""The newest calibration of each model's refusal tokens, signed: what serves the model follows it."""

TOPICS: Final = (
    *(CHAT_LOGS, CHAT_LOGS_BACKFILL, VERDICTS, CHAT_LOGS_DLQ, VERDICTS_DLQ, CONTROL, ALERTS),
    *(JUDGE_REQUESTS, JUDGE_REQUESTS_BACKFILL, JUDGE_REQUESTS_DLQ, JUDGEMENTS, JUDGEMENTS_DLQ),
    *(JUDGE_POLICIES, ALERT_ACTIONS, ALERT_DELIVERIES, AUDITS, AUDIT_REQUESTS, CALIBRATIONS),
)

DLQ_SUFFIX: Final = ".dlq"

# Headers of a dead letter. Values are ASCII and never hold user text.
HEADER_TOPIC: Final = "watchkeeper-topic"
HEADER_PARTITION: Final = "watchkeeper-partition"
HEADER_OFFSET: Final = "watchkeeper-offset"
HEADER_INDEX: Final = "watchkeeper-index"
"""Which exchange of the message was bad; -1 where the whole message was."""
HEADER_ATTEMPTS: Final = "watchkeeper-attempts"
HEADER_REASON: Final = "watchkeeper-reason"
HEADER_DETAIL: Final = "watchkeeper-detail"
HEADER_VERSION: Final = "watchkeeper-version"
HEADER_ARRIVED_AT: Final = "watchkeeper-arrived-at"

# Headers of a message that was sent back from the dead letters, and of its next dead letter.
HEADER_REPLAY_OF: Final = "watchkeeper-replay-of"
"""The dead letter that was sent back: `<dead-letter topic>/<partition>/<offset>`."""
HEADER_ORIGIN: Final = "watchkeeper-origin"
"""Where the message stood when it was read first: `<topic>/<partition>/<offset>`. Its ids are made of that."""
