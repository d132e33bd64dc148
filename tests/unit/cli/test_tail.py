"""The command `tail`: what it says while it waits."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.cli.tail import waiting_text
from monitor.cli.verdict_line import Filter
from monitor.kafka_settings import KafkaSettings

KAFKA = KafkaSettings(bootstrap="kafka:9092")


def test_a_follower_says_what_it_waits_for_and_where() -> None:
    assert waiting_text(KAFKA, Filter(), None) == (
        "Verdicts from now on, on safety.verdicts at kafka:9092; Ctrl-C ends."
    )
    wanted = Filter(models=frozenset(["b", "a\x1b"]), categories=frozenset(["benign"]), is_refused=True)
    assert waiting_text(KAFKA, wanted, datetime(2026, 5, 1, tzinfo=UTC)) == (
        "Verdicts (refused, model a␛ or b, category benign) since 2026-05-01 00:00:00 UTC, on safety.verdicts at "
        "kafka:9092; Ctrl-C ends."
    )
