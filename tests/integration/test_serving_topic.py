"""A model server follows the real topic: what is there, what comes, what somebody forged, and a broker that is gone for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer

from monitor.embedded.kafka import KafkaPart
from monitor.serving.following_topic import TopicFollower
from monitor.serving.thresholds import InForce
from schemas.calibrations import Calibration
from tests.integration.conftest import create_topic
from tests.unit.recalibration.logs import AT, thresholds
from tests.unit.serving.serving_parts import SECRETS, published, served, signed
from tests.waiting import until

TOPIC = "safety.calibrations"


def version(number: int) -> Calibration:
    return published(thresholds("single", number / 100), version=number, at=AT + timedelta(minutes=number))


async def write(kafka: KafkaPart, *values: bytes | None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address)
    await producer.start()
    try:
        for number, value in enumerate(values):
            await producer.send_and_wait(TOPIC, value, key=b"a key of anybody's %d" % number)
    finally:
        await producer.stop()


async def test_a_server_follows_the_topic(
    new_kafka: Callable[[], KafkaPart], caplog: pytest.LogCaptureFixture
) -> None:
    kafka = new_kafka()
    await kafka.start()
    await create_topic(kafka.address, TOPIC, config={"cleanup.policy": "compact"})
    other = signed(published(model="other"))
    forged = signed(version(9), secret=b"a secret of somebody else")
    await write(kafka, signed(version(1)), other, signed(version(2)), signed(version(1)), forged, None)
    in_force = InForce(served(), SECRETS)
    follower = TopicFollower(in_force, kafka.address)
    follower.start()
    try:
        await until(follower.caught_up.is_set)
        assert (in_force.standing.version, dict(in_force.refused)) == (2, {"bad_signature": 1})
        await write(kafka, other, signed(version(3)), signed(version(1)), b"{")
        await until(lambda: in_force.refused["unreadable"])
        assert in_force.standing.version == 3
        assert dict(in_force.refused) == {"bad_signature": 1, "not_newer": 1, "unreadable": 1}
        await kafka.kill()
        assert in_force.standing.version == 3
        await kafka.start()
        await write(kafka, signed(version(4)))
        await until(lambda: in_force.standing.version == 4, within_s=60)
        assert dict(in_force.refused) == {"bad_signature": 1, "not_newer": 1, "unreadable": 1}
    finally:
        follower.stop()
    assert not [
        record
        for record in caplog.records
        if record.levelno > logging.WARNING and record.name == "watchkeeper.serving"
    ]
