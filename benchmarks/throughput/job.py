"""The job that every peer does: from which topic to where, and what becomes of one event."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Job:
    """`out` is the topic of the verdicts, or the store's address; done once `count` events are durable there. What is
    produced is compressed with `codec`, "none" or a name of Kafka's."""

    bootstrap: str
    topic: str
    out: str
    group: str
    count: int
    codec: str

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        """Arguments that `of` reads."""
        for name in ("bootstrap", "topic", "out", "group"):
            parser.add_argument(name)
        parser.add_argument("count", type=int)
        parser.add_argument("codec")

    @classmethod
    def of(cls, given: argparse.Namespace) -> Self:
        """The job of a command line."""
        return cls(given.bootstrap, given.topic, given.out, given.group, given.count, given.codec)

    def arguments(self) -> list[str]:
        """The command line of the job."""
        return [self.bootstrap, self.topic, self.out, self.group, str(self.count), self.codec]


def verdict(event: dict[str, Any], arrived_at: float) -> dict[str, Any]:
    """The verdict of one decoded chat log, by a constant score; `arrived_at` as the peer's client gives it."""
    return {
        "event_id": event["id"],
        "tenant": event["metadata"]["tenant"],
        "model": event["model"],
        "occurred_at": event["created"],
        "arrived_at": arrived_at,
        "prompt_harm": 0.1,
        "refusal": 0.1,
        "response_harm": 0.1,
        "category": "benign",
        "prompt": event["request"]["messages"][-1]["content"][:160],
        "response": event["response"]["choices"][0]["message"]["content"][:160],
    }
