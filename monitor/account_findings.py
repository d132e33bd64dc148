"""What an account shows to be wrong, or can't prove, in words: each with its place and the next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.accounting import Account, TopicAccount


def findings(account: Account) -> tuple[str, ...]:
    """All of them, by topic and partition; none where all is accounted for."""
    return tuple(finding for topic in account.topics for finding in _of_topic(topic))


def _of_topic(topic: TopicAccount) -> Iterable[str]:
    if topic.letters_missing:
        yield (
            f"{topic.topic}: {topic.letters_missing:,} dead letters that {topic.group} counts were never written to its "
            "dead-letter topic. Was that topic made again? Then they are gone: send those chat logs again"
        )
    for line in topic.partitions:
        place = f"{topic.topic}/{line.partition}"
        messages, exchanges = line.messages, line.exchanges
        if messages.expired:
            yield (
                f"{place}: retention removed {messages.expired:,} messages before {topic.group} read them. They are "
                "lost: raise retention.ms of the topic, and add workers until the lag shrinks"
            )
        if messages.lost > 0:
            yield (
                f"{place}: {messages.lost:,} messages were read past without being handled by {topic.group}. Keep the "
                "topic's retention, and replay those offsets"
            )
        if messages.lost < 0:
            yield (
                f"{place}: {topic.group} counts {-messages.lost:,} messages more than there are offsets. Was the topic "
                "deleted and made again? Then delete the group's offsets too"
            )
        if messages.vanished:
            yield (
                f"{place}: {topic.group} has read {messages.vanished:,} offsets that the log doesn't have: the topic was "
                "made again, or a broker lost its end. Stop the workers, delete the group's offsets, start them"
            )
        if messages.unproven:
            yield (
                f"{place}: {messages.unproven:,} offsets hold no message that {topic.group} counted, and were not or "
                "can't be looked at. Transaction markers explain them, a loss would too: `watchkeeper account --verify` "
                "reads what is still there"
            )
        if exchanges is not None and exchanges.lost > 0:
            yield (
                f"{place}: {exchanges.lost:,} exchanges were judged, and neither stored nor on their way nor "
                "dead-lettered. Was the store emptied? Replay the chat logs: stored ones won't count twice"
            )
        if exchanges is not None and exchanges.lost < 0:
            yield (
                f"{place}: the store holds {-exchanges.lost:,} exchanges more than {topic.group} counts. Was the topic "
                "made again under a store that kept its rows? Then the store's older rows have the same offsets"
            )
