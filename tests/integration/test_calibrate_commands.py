"""Calibrations as a person makes them by command, on a real broker and a real engine, where the workers don't recalibrate."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.calibration.population import SERVING, Population, single
from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.ports import OutRecord
from monitor.recalibration.held import topic_key
from monitor.recalibration.life import in_force
from monitor.recalibration.signing import sign, verify
from monitor.settings import load
from schemas.events import Verdict
from tests.integration.commands import Done, watchkeeper
from tests.stores import new_store, verdict

SECRET = "a secret of this test alone"
POLICY = '[[models]]\nname = "sim"\nrefusals = ["[refuse]"]\nrule = "single"\npolicy.target_rate = 0.2\n'


def logged(topic: str, begins_at: datetime, n: int, seed: int) -> Iterator[Verdict]:
    """A verdict a second."""
    rows = Population(harmful=0.2).logs(n, single(0.5), np.random.default_rng(seed), begins_at=begins_at)
    for number, row in enumerate(rows):
        yield verdict(
            f"{seed}-{number}",
            model=SERVING.model,
            source_topic=topic,
            arrived_at=begins_at + timedelta(seconds=number),
            refusal_token=row.token,
            context_turns=0,
            prompt_harmful=row.is_harmful,
            refused=row.is_refused,
        )


async def test_a_calibration_is_proposed_put_in_force_shown_and_taken_back_by_command(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart
) -> None:
    mark = secrets.token_hex(4)
    (tmp_path / "policy.toml").write_text(POLICY)
    async with new_store(clickhouse_part.address) as store:
        environment = {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka_part.address,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": f"chat.{mark}",
            "WATCHKEEPER_KAFKA__CALIBRATIONS_TOPIC": f"calibrations.{mark}",
            "WATCHKEEPER_KAFKA__GROUP_PREFIX": f"fleet-{mark}",
            "WATCHKEEPER_CLICKHOUSE__URL": clickhouse_part.address,
            "WATCHKEEPER_CLICKHOUSE__DATABASE": store._settings.database,
            "WATCHKEEPER_RECALIBRATION__FILE": str(tmp_path / "policy.toml"),
            "WATCHKEEPER_RECALIBRATION__SECRET": SECRET,
            "WATCHKEEPER_RECALIBRATION__CALIBRATE_ON_S": "3600",
            "WATCHKEEPER_RECALIBRATION__PRESENT_S": "600",
            "WATCHKEEPER_RECALIBRATION__SETTLE_S": "0",
        }
        kafka = load(environment).kafka
        await ensure_topics(kafka)
        now = datetime.now(UTC)
        await store.insert(
            [
                one.to_bytes()
                for ago_s, n in ((3000, 600), (500, 400))
                for one in logged(kafka.chat_logs_topic, now - timedelta(seconds=ago_s), n, ago_s)
            ]
        )

        async def calibrate(*arguments: str, **changed: str) -> Done:
            return await watchkeeper(["calibrate", *arguments], environment | changed)

        plot, record = tmp_path / "curve.svg", tmp_path / "calibration.json"
        proposed = await calibrate("propose", "--plot", str(plot), "--json")
        found = json.loads(proposed.out)["proposal"]
        assert (found["calibration"]["version"], found["calibration"]["in_force"]) == (1, None)
        (part,) = found["evidence"]
        assert part["rate"]["low"] <= 0.2 <= part["rate"]["high"]
        assert plot.read_text().startswith("<?xml")

        # Somebody without the secret, who writes to the topic or uses the commands, decides nothing.
        outbox = await KafkaOutbox.connect(kafka)
        await outbox.publish(
            kafka.calibrations_topic, 0, [OutRecord(topic_key(kafka.group_prefix, "sim"), b"{}")]
        )
        await outbox.aclose()
        stranger = await calibrate(
            "approve", "sim", WATCHKEEPER_RECALIBRATION__SECRET="another of sixteen bytes"
        )
        assert stranger.code == 2
        assert "1 signed otherwise than with the secrets of this command" in stranger.err

        approved = await calibrate("approve", "--publish", "--note", "agreed", "--by", "anna", "--json")
        assert json.loads(approved.out)["state"] == "published"

        shown = await calibrate("show", "sim", "--signed", str(record))
        assert "sim, version 1: published" in shown.out
        assert "by anna" in shown.out
        held = verify(record.read_bytes(), {"k1": SECRET.encode()})
        assert (held.state, held.reason, in_force(held)) == ("published", "agreed", held.now)
        assert record.read_bytes() == sign(held, "k1", SECRET.encode()).to_bytes()

        back = await calibrate("rollback", "--note", "complaints")
        assert "goes back within seconds, to no rule" in back.out
        document = json.loads((await calibrate("--json")).out)
        (line,) = document["calibrations"]
        assert (line["state"], line["reason"], line["in_force"]) == ("rolled_back", "complaints", None)
        assert document["ignored"] == {"unreadable": 1}
