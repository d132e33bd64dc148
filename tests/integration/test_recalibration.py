"""The life of calibrations on real parts: a model whose refusal tokens are known follows the topic, and its rate arrives."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from benchmarks.calibration.population import SERVING, Population, single
from monitor.adapters.calibrations import CalibrationTopic
from monitor.adapters.clickhouse import connect
from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.logged_prompts import StoredPrompts
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from monitor.errors import Misconfigured
from monitor.ports import OutRecord
from monitor.recalibration import desk
from monitor.recalibration.exceedance import dkw
from monitor.recalibration.held import topic_key
from monitor.recalibration.keys import keys_of
from monitor.recalibration.life import in_force, version_in_force
from monitor.recalibration.model_policies import read_policies
from monitor.recalibration.signing import sign
from monitor.settings import load
from schemas.calibrations import ALL, Calibration, CalibrationState
from tests.fakes.guard_server import GuardServer
from tests.integration.conftest import create_topic
from tests.integration.fleets import Fleet
from tests.waiting import until

TARGET: Final = 0.2
POLICY: Final = """
[[models]]
name = "sim"
refusals = ["[refuse]"]
rule = "single"
policy.target_rate = 0.2
"""
SECRET: Final = "a secret of this test alone"
BATCH: Final = 100
EVERY_S: Final = 0.2
SETTINGS: Final = {
    "ENABLED": "true",
    "SECRET": SECRET,
    "PROPOSE_EVERY_S": "1",
    "CALIBRATE_ON_S": "4",
    "PRESENT_S": "2",
    "SETTLE_S": "1",
    "LEAST_CHANGE_SHARE": "0.05",
    "APPROVE": "within_limit",
    "LIMIT_THRESHOLD": "1",
    "LIMIT_RATE_SHARE": "1",
    "OBSERVE_AT_LEAST_S": "2",
    "OBSERVE_AT_MOST_S": "120",
    "EXPECT_TOLERANCE_SHARE": "0.02",
    # Two seconds are observed: on a busy machine it takes a good part of them until thresholds are followed.
    "EXPECT_NOT_FOLLOWED_SHARE": "0.95",
}


@pytest.fixture
async def fleet(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart
) -> AsyncIterator[Fleet]:
    file = tmp_path / "calibrations.toml"
    file.write_text(POLICY)
    async with GuardServer() as guard, AsyncExitStack() as stack:
        made = Fleet(tmp_path, kafka_part, clickhouse_part, guard.address)
        made.environment |= {f"WATCHKEEPER_RECALIBRATION__{name}": value for name, value in SETTINGS.items()}
        made.environment |= {
            "WATCHKEEPER_RECALIBRATION__FILE": str(file),
            "WATCHKEEPER_DRIFT__ENABLED": "false",
        }
        yield made
        for worker in made.workers:
            stack.push_async_callback(worker.stop)


class Simulated:
    """Whoever serves the model: follows the topic, and logs what it decided by. One exchange in fifty has no record."""

    def __init__(self, fleet: Fleet, log: CalibrationTopic) -> None:
        self.fleet = fleet
        self.log = log
        self.population = Population(harmful=0.2)
        self.newest: Calibration | None = None
        self.states: list[tuple[int, CalibrationState]] = []
        self._chance = np.random.default_rng(7)
        self._number = 0

    async def serve(self) -> None:
        while True:
            self.newest = (await self.log.read()).newest.get(SERVING.model)
            if self.newest is not None:
                state = (self.newest.version, self.newest.state)
                self.states += [state] if self.states[-1:] != [state] else []
            await self.fleet.produce(self._batch())
            await asyncio.sleep(EVERY_S)

    def _batch(self) -> list[bytes]:
        live = (None if self.newest is None else in_force(self.newest)) or single(0.5)
        version = 0 if self.newest is None else version_in_force(self.newest)
        made = []
        for row in self.population.logs(BATCH, live, self._chance, begins_at=datetime.now(UTC)):
            self._number += 1
            assert row.token is not None
            token = msgspec.structs.replace(row.token, calibration_version=version)
            log = {
                "schema": "watchkeeper.chat/1",
                "event_id": f"s{self._number}",
                "model": SERVING.model,
                "prompt": "a bomb" if row.is_harmful else "a flower",
                "response": "sorry" if row.is_refused else "With light.",
                "refusal_token": None if self._number % 50 == 0 else token,
            }
            made.append(msgspec.json.encode({key: value for key, value in log.items() if value is not None}))
        return made

    async def stands(self, state: CalibrationState, after: int, *, within_s: float = 60.0) -> Calibration:
        """The newest calibration, once one of a version above `after` is in that state."""

        async def is_there() -> Calibration | None:
            held = self.newest
            return held if held is not None and held.version > after and held.state == state else None

        found = await until(is_there, f"a calibration after {after} {state}", within_s=within_s)
        assert found is not None
        return found


@asynccontextmanager
async def serving(fleet: Fleet) -> AsyncIterator[Simulated]:
    settings = load(fleet.environment)
    keys = keys_of(settings.recalibration)
    assert keys is not None
    async with KafkaAdmin.connect(fleet.kafka) as admin:
        outbox = await KafkaOutbox.connect(fleet.kafka)
        simulated = Simulated(fleet, CalibrationTopic(admin, outbox, fleet.kafka, keys))
        task = asyncio.ensure_future(simulated.serve())
        try:
            yield simulated
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await outbox.aclose()


async def test_a_rate_follows_its_target_bad_thresholds_go_back_and_forged_ones_are_ignored(
    fleet: Fleet,
) -> None:
    await fleet.start("moderation", "storage", "calibration_rows")
    settings = load(fleet.environment)
    keys = keys_of(settings.recalibration)
    assert keys is not None
    async with serving(fleet) as served, AsyncExitStack() as stack:
        admin = await stack.enter_async_context(KafkaAdmin.connect(fleet.kafka))
        outbox = await KafkaOutbox.connect(fleet.kafka)
        stack.push_async_callback(outbox.aclose)
        log = CalibrationTopic(admin, outbox, fleet.kafka, keys)

        # The first one needs a person.
        proposed = await served.stands("proposed", 0)
        waiting = await fleet.told("calibration_proposed", "firing")
        assert waiting.place == {"model": "sim"}
        await log.read()
        await log.append(desk.approve(proposed, by="anna", at=datetime.now(UTC)))
        kept = await served.stands("kept", 0)
        assert (kept.version, kept.outcome, kept.before_version) == (1, "keep", 0)
        assert near_target(kept, served.population)
        assert (await fleet.told("calibration_proposed", "resolved")).id == waiting.id

        # The mix shifts: within two cycles the rate is where it should be.
        served.population = Population(harmful=0.4)
        again = await served.stands("kept", 1)
        assert again.version <= 3
        assert near_target(again, served.population)
        assert again.before_version == 1
        assert in_force(again) != in_force(kept)

        # Texts refuse after a forced [respond]: told at once, and what is published then goes back.
        served.population = Population(harmful=0.6, forced_respond=0.6)
        back = await served.stands("rolled_back", again.version)
        assert back.outcome == "roll_back"
        assert "respond_disobeyed" in back.reason
        assert in_force(back) == in_force(again)
        assert version_in_force(back) == again.version
        assert (await fleet.told("calibration_rolled_back", "firing")).place == {"model": "sim"}
        assert (await fleet.told("token_disobeyed", "firing")).severity == "warning"

        # Whoever hasn't the key decides nothing, and what hides the newest is put right.
        held = (await log.read()).newest["sim"]
        later = msgspec.structs.replace(held, version=99, state="published")
        forged = sign(later, keys.signs, secrets.token_bytes(32)).to_bytes()
        old = sign(kept, keys.signs, keys.secret).to_bytes()
        key = topic_key(fleet.kafka.group_prefix, "sim")
        for value in (forged, old, b"{}", None):
            await outbox.publish(fleet.kafka.calibrations_topic, 0, [OutRecord(key, value)])
        alert = await fleet.told("calibration_distrusted", "firing")
        assert (alert.severity, alert.facts["bad_signature"], alert.facts["unreadable"]) == ("critical", 1, 1)
        await until(lambda: is_whole(log), "the newest calibration written again")
        found = (await log.read()).newest["sim"]
        assert found.version < 99

        # What the logs lack is said, from the store.
        async with await connect(settings.clickhouse) as store:
            (policy,) = read_policies(Path(fleet.environment["WATCHKEEPER_RECALIBRATION__FILE"]))
            until_now = datetime.now(UTC)
            prompts = StoredPrompts(store, fleet.kafka.chat_logs_topic, 500)
            logs = await prompts.logged(policy, until_now - timedelta(minutes=10), until_now)
            assert (len(logs.rows), logs.is_cut, logs.since == logs.rows[-1].at) == (500, True, True)
            (said,) = desk.missing(policy, logs)
            assert said.endswith("of 500 (record: The exchange has no refusal-token record.)")

            # A topic that lost the newest record gets it back from the store, and nothing that isn't signed.
            kept_rows = await store.query("calibration_newest", fleet=fleet.kafka.group_prefix)
            lost = fleet.kafka.model_copy(
                update={"calibrations_topic": f"{fleet.kafka.calibrations_topic}.lost"}
            )
            empty = CalibrationTopic(admin, outbox, lost, keys)
            with pytest.raises(Misconfigured, match="doesn't exist"):
                await empty.read()
            await create_topic(lost.bootstrap, lost.calibrations_topic)
            signed = [str(row["signed"]).encode() for row in kept_rows]
            assert await empty.recover([b"{}", forged, *signed]) == ["sim"]
            assert await empty.recover(signed) == []
            assert (await empty.read()).newest["sim"].version >= back.version  # rows come a little later

    versions = await fleet.rows("SELECT toUInt32(version), state FROM calibrations ORDER BY version")
    assert versions[0] == [1, "kept"]
    assert [again.version, "kept"] in versions
    assert [back.version, "rolled_back"] in versions
    assert max(version for version, _ in versions) < 99
    assert await fleet.rows("SELECT toUInt32(version) FROM thresholds_in_force") == [[again.version]]
    shown = fleet.metrics(fleet.workers[0])
    assert shown['watchkeeper_calibrations_ignored{reason="bad_signature"}'] == 1
    seen = await fleet.rows("SELECT DISTINCT toUInt32(calibration_version) FROM verdicts ORDER BY 1")
    assert {1, again.version, back.version} <= {row[0] for row in seen}


def near_target(calibration: Calibration, population: Population) -> bool:
    """Whether the true rate is as near to the target as the prompts that it was calibrated on can tell."""
    (part,) = calibration.evidence
    rate = population.rate(calibration.now.values[ALL])
    return abs(rate - TARGET) <= dkw(part.effective, 0.01) + 0.02


async def is_whole(log: CalibrationTopic) -> bool:
    return not (await log.read()).hidden
