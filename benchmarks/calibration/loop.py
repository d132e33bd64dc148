"""The whole loop on simulated logs: calibrate, publish, observe, keep or roll back, and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from benchmarks.calibration.population import SERVING, Population, single
from monitor.recalibration.exceedance import dkw
from monitor.recalibration.life import in_force, step
from monitor.recalibration.observing import Decision, Expectations, observe
from monitor.recalibration.proposing import Declined, Place, propose
from monitor.recalibration.readiness import Limits
from monitor.recalibration.rules import checked
from monitor.recalibration.windows import Window, read
from schemas.calibrations import ALL, Calibration, Policy, Thresholds

BEGINS: Final = datetime(2026, 1, 5, tzinfo=UTC)
LIMITS: Final = Limits()
EXPECTED: Final = Expectations()


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one cycle brought: no proposal, with the reasons; or the calibration in its last state, and why."""

    declined: tuple[str, ...]
    calibration: Calibration | None
    decision: Decision | None
    live: Thresholds


@dataclass(frozen=True, slots=True)
class Traffic:
    """The population in each part of a cycle: when it is calibrated on, when it is proposed, and after it is published."""

    then: Population
    now: Population
    after: Population


def window(
    of: Population,
    n: int,
    live: Thresholds,
    chance: np.random.Generator,
    begins_at: datetime,
    *,
    explored: float = 0.0,
) -> Window:
    """`n` prompts served under `live`, read as under the same rule."""
    return read(
        of.logs(n, live, chance, begins_at=begins_at, explored=explored), SERVING, single(0.5), live=live
    )


def cycle(
    traffic: Traffic,
    live: Thresholds,
    policy: Policy,
    chance: np.random.Generator,
    *,
    version: int,
    prompts: int,
) -> Cycle:
    """One: a window to calibrate on, half as many now, and as many after publishing."""
    at = BEGINS + timedelta(days=7 * version)
    then = window(traffic.then, prompts, live, chance, at)
    now = window(traffic.now, prompts // 2, live, chance, then.ends_at + timedelta(seconds=10))
    proposed = propose(
        then,
        now,
        {ALL: policy},
        serving=SERVING,
        shape=single(0.5),
        before=live,
        place=Place("sim", version, now.ends_at, "simulation"),
        limits=LIMITS,
    )
    if isinstance(proposed, Declined):
        return Cycle(proposed.reasons, None, None, live)
    calibration = proposed
    for state in ("approved", "published"):
        calibration = step(calibration, state, by="simulation", reason="", at=calibration.at)
    served = in_force(calibration)
    if served is None:
        raise RuntimeError("a published calibration is in force")
    after = window(traffic.after, prompts, checked(served), chance, calibration.at + timedelta(seconds=10))
    decision = observe(calibration, after, EXPECTED)
    calibration = step(calibration, "observed", by="simulation", reason="", at=after.ends_at)
    if decision.verdict != "wait":
        calibration = step(
            calibration,
            "kept" if decision.verdict == "keep" else "rolled_back",
            by="simulation",
            reason=decision.reason,
            at=after.ends_at,
        )
    return Cycle((), calibration, decision, in_force(calibration) or live)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Traffic of each cycle, and what is wanted."""

    name: str
    cycles: tuple[Traffic, ...]
    policy: Policy
    live: float = 0.5

    @property
    def last(self) -> Population:
        """Traffic in the end."""
        return self.cycles[-1].after


@dataclass(frozen=True, slots=True)
class Outcome:
    """Over the repetitions, shares: `arrived`: the true rate in the end within DKW's error (95 %) of the target. By cycle:
    declined, kept, rolled back. `distance`: mean distance from the target before and in the end."""

    name: str
    arrived: float
    declined: tuple[float, ...]
    kept: tuple[float, ...]
    rolled_back: tuple[float, ...]
    distance_before: float
    distance_after: float
    reasons: tuple[str, ...]


def run(scenario: Scenario, *, times: int, prompts: int, seed: int) -> Outcome:
    """Seeded. `reasons`: the first reason of each cycle's first repetition that was declined or rolled back."""
    chance = np.random.default_rng(seed)
    cycles = len(scenario.cycles)
    declined, kept, rolled_back = (np.zeros(cycles) for _ in range(3))
    reasons: dict[int, str] = {}
    distances = []
    target = scenario.policy.target_rate or 0.0
    for _ in range(times):
        live = single(scenario.live)
        for number, traffic in enumerate(scenario.cycles):
            found = cycle(traffic, live, scenario.policy, chance, version=number + 1, prompts=prompts)
            live = found.live
            if found.calibration is None:
                declined[number] += 1
                reasons.setdefault(number, found.declined[0])
            else:
                kept[number] += found.calibration.state == "kept"
                rolled_back[number] += found.calibration.state == "rolled_back"
                if found.calibration.state == "rolled_back":
                    reasons.setdefault(number, found.calibration.reason)
        distances.append(abs(scenario.last.rate(live.values[ALL]) - target))
    before = abs(scenario.last.rate(scenario.live) - target)
    return Outcome(
        scenario.name,
        float((np.array(distances) <= dkw(prompts, 0.05)).mean()),
        tuple((declined / times).tolist()),
        tuple((kept / times).tolist()),
        tuple((rolled_back / times).tolist()),
        before,
        float(np.mean(distances)),
        tuple(reasons[number] for number in sorted(reasons)),
    )


_OLD: Final = Population(harmful=0.2)
_NEW: Final = Population(harmful=0.4)
_DEAF: Final = Population(harmful=0.4, forced_respond=0.6)
_ALL_NEW: Final = Traffic(_NEW, _NEW, _NEW)
_TARGET: Final = Policy(target_rate=0.3)

SCENARIOS: Final = (
    Scenario("mix shifts before the first cycle", (_ALL_NEW, _ALL_NEW), _TARGET),
    Scenario("mix shifts before it is proposed", (Traffic(_OLD, _NEW, _NEW), _ALL_NEW), _TARGET),
    Scenario("mix shifts after it is published", (Traffic(_OLD, _OLD, _NEW), _ALL_NEW), _TARGET),
    Scenario(
        "forced [respond] is followed by refusals",
        (Traffic(_DEAF, _DEAF, _DEAF),),
        Policy(target_rate=0.2),
    ),
)
