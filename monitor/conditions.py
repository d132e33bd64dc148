"""What can be wrong with the stream itself: the kinds of alerts about health, each with its severity and meaning.

docs/alerts.md has a page's part for each: a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from monitor.alert_kind import AlertKind


class Condition(AlertKind):
    """What can be wrong with the stream."""

    WORKER_STALLED = (
        "worker_stalled",
        "critical",
        "A worker is alive and owns a partition with something to do, but makes no progress in it.",
    )
    PARTITION_HALTED = (
        "partition_halted",
        "critical",
        "A partition waits for a person: a setting is wrong, or too many of its messages are bad.",
    )
    PARTITION_UNOWNED = "partition_unowned", "critical", "Nobody in the group owns a partition."
    GROUP_STALLED = (
        "group_stalled",
        "critical",
        "The committed offset of an owned partition doesn't move, and no worker says why.",
    )
    GUARD_UNANSWERING = (
        "guard_unanswering",
        "critical",
        "The guard answers, but nearly none of its answers can be used: coverage is gone.",
    )
    DEAD_LETTER_SHARE = (
        "dead_letter_share",
        "warning",
        "A large share of the messages goes to the dead letters, and not yet so many that a partition stops.",
    )
    WORKER_SILENT = (
        "worker_silent",
        "warning",
        "A worker has stopped saying how it stands, without a goodbye: it was killed, is frozen, or is cut off.",
    )
    WATCH_STATE_DAMAGED = (
        "watch_state_damaged",
        "critical",
        "No state of the watch over drift can be used, so drift isn't watched.",
    )


KINDS: Final = frozenset(condition.value for condition in Condition)
