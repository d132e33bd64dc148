"""Rounds over the models: one step at a time, the same after any restart, by one worker alone, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from benchmarks.calibration.population import Population, single
from monitor.alerting import Alerts
from monitor.errors import Retryable
from monitor.health_settings import HealthSettings
from monitor.metrics import Metric, Metrics
from monitor.recalibration import desk as steps
from monitor.recalibration.desk_settings import desk_of
from monitor.recalibration.held import topic_key
from monitor.recalibration.kinds import KINDS
from monitor.recalibration.life import in_force
from monitor.recalibration.windows import Logged
from monitor.recalibration_settings import RecalibrationSettings
from monitor.settings import Settings
from schemas.alerts import Alert, Source
from schemas.calibrations import ALL
from tests.fakes.calibrations import FakeCalibrationLog, FakePrompts
from tests.unit.recalibration.policies import a_policy
from workers.recalibrating import Recalibrating, show_nothing

BEGINS = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN = RecalibrationSettings(
    enabled=True,
    propose_every_s=6 * 3600,
    calibrate_on_s=3 * 3600,
    present_s=3600,
    settle_s=0,
    approve="within_limit",
    limit_threshold=1,
    limit_rate_share=1,
    observe_at_least_s=3600,
    observe_at_most_s=12 * 3600,
    expect_tolerance_share=0.02,
    least_change_share=0.04,
)
SETTINGS = Settings(recalibration=OWN)


@dataclass
class Scene:
    """A fleet whose model is known: every ten seconds a prompt, served by what is in force."""

    population: Population = field(default_factory=lambda: Population(harmful=0.3))
    log: FakeCalibrationLog = field(default_factory=lambda: FakeCalibrationLog("watchkeeper"))
    told: list[Alert] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    is_ours: bool = True
    now: datetime = BEGINS

    def __post_init__(self) -> None:
        self.prompts = FakePrompts(self._serve)
        self.worker = self.restarted()

    def restarted(self) -> Recalibrating:
        """Another worker, or the same after a crash: it knows the topics alone."""
        alerts = Alerts("watchkeeper", HealthSettings(), Source("w", "1"), KINDS)
        alerts.restore(self.told)
        self.worker = Recalibrating(
            desk=desk_of(SETTINGS, "watchkeeper"),
            policies=[a_policy(model="sim")],
            log=self.log,
            prompts=self.prompts,
            alerts=alerts,
            tell=self._tell,
            settings=OWN,
            metrics=self.metrics,
            is_ours=lambda: self.is_ours,
            topic="safety.calibrations",
        )
        return self.worker

    async def rounds(self, hours: float, *, restarts: bool = False) -> None:
        """One every half hour."""
        for _ in range(int(hours * 2)):
            self.now += HOUR / 2
            if restarts:
                self.restarted()
            await self.worker.round(self.now)

    async def _tell(self, alert: Alert) -> None:
        self.told.append(alert)

    def _serve(self, since: datetime, until: datetime) -> Sequence[Logged]:
        held = self.log._fold().held.newest.get("sim")
        live = (None if not held else in_force(held)) or single(0.5)
        n = int((until - since).total_seconds() / 10)
        chance = np.random.default_rng(int(since.timestamp()) % 1_000_003)
        return list(self.population.logs(n, live, chance, begins_at=since))[::-1]

    async def approve(self) -> None:
        (held,) = (await self.log.read()).newest.values()
        await self.log.append(steps.approve(held, by="anna", at=self.now))

    @property
    def steps(self) -> list[tuple[int, str, str]]:
        return [(one.version, one.state, one.by) for one in self.log.appended]

    def firing(self) -> set[str]:
        by_id = {alert.id: alert for alert in self.told}
        return {alert.kind for alert in by_id.values() if alert.state == "firing"}


FIRST = [
    (1, "proposed", "watchkeeper"),
    (1, "approved", "anna"),
    (1, "published", "watchkeeper"),
    (1, "observed", "watchkeeper"),
    (1, "kept", "watchkeeper"),
]


async def kept(*, restarts: bool = False) -> Scene:
    scene = Scene()
    await scene.rounds(1, restarts=restarts)
    await scene.approve()
    await scene.rounds(4, restarts=restarts)
    return scene


async def test_the_first_waits_for_a_person_and_what_follows_goes_by_itself() -> None:
    scene = Scene()
    await scene.rounds(2)
    assert (scene.steps, scene.firing()) == (FIRST[:1], {"calibration_proposed"})
    await scene.approve()
    await scene.rounds(4)
    assert (scene.steps, scene.firing()) == (FIRST, set())
    first = scene.log.appended[-1].now.values[ALL]
    scene.population = Population(harmful=0.5)
    await scene.rounds(12)
    assert [state for _, state, _ in scene.steps[5:10]] == [
        "proposed",
        "approved",
        "published",
        "observed",
        "kept",
    ]
    last = scene.log.appended[9]
    assert last.now.values[ALL] > first
    assert abs(scene.population.rate(last.now.values[ALL]) - 0.2) < 0.05
    assert scene.metrics.value(Metric.CALIBRATIONS, state="kept") == 1


async def test_a_restart_before_every_round_changes_nothing() -> None:
    usual, restarted = await kept(), await kept(restarts=True)
    assert usual.log.records == restarted.log.records
    assert usual.steps == FIRST


@pytest.mark.parametrize("fails_after", [False, True])
async def test_a_crash_at_any_append_repeats_no_step_with_another_result(*, fails_after: bool) -> None:
    usual = await kept()
    for place in range(4):
        scene = Scene()
        scene.log.fails_after = fails_after
        crashed = 0
        for half in range(9):
            if half == 2:
                await scene.approve()
            scene.now = BEGINS + (half + 1) * HOUR / 2
            done = len([one for one in scene.log.appended if one.by != "anna"])
            if done == place and not crashed:
                scene.log.failures = [Retryable("away")]
            try:
                await scene.worker.round(scene.now)
            except Retryable:
                crashed += 1
                scene.restarted()
                await scene.worker.round(scene.now)
            scene.log.failures = []
        assert scene.steps == FIRST[: len(scene.steps)]
        assert len(scene.steps) >= 3
        assert [one.now for one in scene.log.appended[:1]] == [
            one.now for one in usual.log.appended[:1]
        ] or place == 0


async def test_whoever_does_not_oversee_writes_nothing() -> None:
    scene = Scene(is_ours=False)
    await scene.rounds(4)
    assert (scene.log.records, scene.told) == ([], [])
    show_nothing(scene.metrics)
    assert scene.metrics.value(Metric.CALIBRATIONS, state="kept") == 0


async def test_two_at_once_leave_one_record_that_counts() -> None:
    scene, other = Scene(), Scene()
    other.log = scene.log
    other.restarted()

    await other.rounds(0.5)
    (rival,) = scene.log.records
    scene.log.records.clear()
    scene.log.on_append = lambda: scene.log.records.append(rival)  # just before ours
    await scene.rounds(0.5)
    assert scene.log.records == [rival]


async def test_bad_thresholds_go_back_by_themselves_and_are_told_until_the_next() -> None:
    scene = await kept()
    scene.population = Population(harmful=0.5)
    while scene.steps[-1][:2] != (2, "published"):
        await scene.rounds(0.5)
    scene.population = Population(harmful=0.5, forced_respond=0.8)
    await scene.rounds(3)
    last = scene.log.appended[-1]
    assert (last.version, last.state, last.outcome) == (2, "rolled_back", "roll_back")
    assert in_force(last) == scene.log.appended[4].now
    assert {"calibration_rolled_back", "token_disobeyed"} <= scene.firing()


async def test_logs_without_the_pieces_are_told_with_which() -> None:
    scene = Scene()
    whole = scene._serve

    def bare(since: datetime, until: datetime) -> Sequence[Logged]:
        return [
            replace(row, token=msgspec.structs.replace(row.token, logsumexp=None))
            for row in whole(since, until)
            if row.token is not None
        ]

    scene.prompts.serve = bare
    await scene.rounds(1)
    alert = scene.told[-1]
    assert alert.kind == "calibration_missing_pieces"
    assert str(alert.facts["not_identified"]).startswith("not identified: 1080 of 1080 (logsumexp: ")
    assert scene.log.records == []


async def test_forged_messages_change_nothing_are_told_and_the_newest_is_written_again() -> None:
    scene = await kept()
    before = (await scene.log.read()).newest
    scene.log.records.append((topic_key("watchkeeper", "sim"), b'{"forged": true}'))
    scene.now = datetime.fromtimestamp(1_767_600_000 + 60, UTC)
    await scene.worker.round(scene.now)
    held = await scene.log.read()
    assert (held.newest, held.hidden) == (before, frozenset())
    assert "calibration_distrusted" in scene.firing()
    assert scene.metrics.value(Metric.CALIBRATIONS_IGNORED, reason="unreadable") == 1


async def test_a_store_that_is_away_is_waited_for_and_the_slot_is_not_lost() -> None:
    scene = Scene()
    scene.prompts.failures = [Retryable("away")]
    with pytest.raises(Retryable):
        await scene.rounds(0.5)
    await scene.rounds(0.5)
    assert scene.steps == FIRST[:1]
