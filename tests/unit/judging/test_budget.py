"""The budget holds whatever comes, the musts come first, and what can't be asked is said."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.judging.budget import (
    CATCHES_UP,
    allowed_per_s,
    expected_per_s,
    first_policy,
    next_policy,
    policy_for,
)
from monitor.judging.policy import Chooser
from monitor.judging.traffic import Traffic
from monitor.judging_settings import JudgingSettings
from monitor.ports import Score
from monitor.settings import ModerationSettings
from schemas.judgements import JudgePolicy
from schemas.status import RoleStatus, WorkerStatus

AT = datetime(2026, 3, 3, tzinfo=UTC)
SETTINGS = JudgingSettings(judge="lite", budget_per_hour=3_600)
QUIET = {"harmful_not_refused": 0.05, "uncertain": 0.1, "sample/benign/answered": 0.5}
BUSY = {
    "harmful_not_refused": 0.2,
    "uncertain": 0.3,
    "sample/benign/answered": 90.0,
    "sample/benign/refused": 1.0,
    "sample/cyberattacks/refused": 0.01,
}


def made(rates: dict[str, float], allowed: float = 1.0) -> JudgePolicy:
    return policy_for("f", SETTINGS, rates, allowed, AT)


def test_within_the_budget_everything_is_asked() -> None:
    policy = made(QUIET)

    assert set(policy.strata.values()) == {1.0}
    assert policy.asked_per_hour == pytest.approx(0.65 * 3600)
    assert not policy.is_crowded_out


def test_the_musts_are_asked_whole_and_the_rest_uses_the_budget_up() -> None:
    policy = made(BUSY)

    assert policy.strata["harmful_not_refused"] == policy.strata["uncertain"] == 1.0
    assert expected_per_s(policy, BUSY) == pytest.approx(1.0, rel=0.01)


def test_the_rest_is_shared_by_the_root_of_its_traffic_so_that_a_rare_category_is_judged_too() -> None:
    strata = made(BUSY).strata

    assert strata["sample/cyberattacks/refused"] > 4 * strata["sample/benign/refused"]
    asked = [strata[name] * BUSY[name] for name in ("sample/benign/answered", "sample/benign/refused")]
    assert asked[0] / asked[1] == pytest.approx(math.sqrt(90), rel=0.02)


def test_musts_beyond_the_budget_fall_below_1_leave_the_sample_its_share_and_are_said() -> None:
    flood = {**BUSY, "harmful_not_refused": 9.5, "uncertain": 0.5}
    policy = made(flood)

    assert policy.strata["harmful_not_refused"] == policy.strata["uncertain"] == pytest.approx(0.08)
    assert policy.is_crowded_out
    assert expected_per_s(policy, flood) == pytest.approx(1.0, rel=0.01)


def test_a_stratum_that_was_not_seen_is_judged_like_the_rarest_that_was() -> None:
    policy = made(BUSY)

    assert policy.otherwise == policy.strata["sample/cyberattacks/refused"]


@given(
    st.dictionaries(
        st.sampled_from(sorted(BUSY)), st.floats(1e-4, 1e5, allow_nan=False, allow_infinity=False)
    ),
    st.floats(0.001, 100.0),
)
def test_whatever_the_traffic_the_budget_holds_and_every_probability_is_above_0(
    rates: dict[str, float], allowed: float
) -> None:
    policy = made(rates, allowed)

    assert all(0 < probability <= 1 for probability in (*policy.strata.values(), policy.otherwise))
    assert expected_per_s(policy, rates) <= 1.01 * allowed + 1e-4


def test_what_was_asked_is_taken_off_and_a_quiet_time_is_caught_up_with_care() -> None:
    steady = SETTINGS.budget_per_hour / 3600
    assert allowed_per_s(SETTINGS, 3_000) == pytest.approx(steady)
    assert allowed_per_s(SETTINGS, 0) == CATCHES_UP * steady
    assert 0 < allowed_per_s(SETTINGS, 9_999) < 0.02 * steady


def test_a_policy_is_kept_while_it_still_does() -> None:
    current = made(BUSY)

    a_little_less = {stratum: 0.9 * rate for stratum, rate in BUSY.items()}
    assert next_policy(current, SETTINGS, a_little_less, 1.0, AT) is current
    twice = {stratum: 2 * rate for stratum, rate in BUSY.items()}
    assert next_policy(current, SETTINGS, twice, 1.0, AT) is not current
    wider = SETTINGS.model_copy(update={"uncertain_band": 0.2})
    assert next_policy(current, wider, BUSY, 1.0, AT).band == 0.2


def test_the_first_policy_is_a_function_of_the_settings() -> None:
    later = first_policy("f", SETTINGS, AT + timedelta(days=1))

    assert first_policy("f", SETTINGS, AT).version == later.version
    assert later.strata == {"harmful_not_refused": 1.0, "uncertain": 1.0}
    assert later.otherwise == 0.01


# -- simulation ----------------------------------------------------------------------------------------------------

HARMFUL = Score("ok", 0.9, 0.05, 0.9, "cyberattacks", 0.9, False)
UNSURE = Score("ok", 0.45, 0.05, 0.1, "benign", 0.9, False)
PLAIN = Score("ok", 0.05, 0.02, 0.01, "benign", 0.9, False)
REFUSED = Score("ok", 0.05, 0.95, 0.01, "benign", 0.9, False)
SAID = (HARMFUL, UNSURE, PLAIN, REFUSED)
MIX = (0.02, 0.03, 0.9, 0.05)
THRESHOLDS = ModerationSettings()


@dataclass
class Worker:
    """Chooses by the policy it has heard of, and says every 5 s what it did."""

    name: str
    chooser: Chooser
    strata: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def status(self) -> WorkerStatus:
        role = RoleStatus(
            role="moderation",
            topic="chat.logs",
            group="f.moderation",
            partitions=(),
            in_flight=0,
            in_flight_limit=1,
            spent_s={},
            messages=0,
            exchanges=0,
            unanswered=0,
            dead=0,
            breaker="",
            strata=dict(self.strata),
            asked=self.asked,
        )
        return WorkerStatus(
            worker=self.name,
            fleet="f",
            version="1",
            started_at=AT,
            at=AT,
            state="running",
            waits_for="",
            cpu_s=0.0,
            roles=(role,),
        )


@dataclass
class Simulated:
    """A fleet under traffic: every event's choice, and how many were asked in each second."""

    workers: int
    per_s: list[float]
    seed: int = 1
    asked: list[int] = field(default_factory=list)
    chosen: dict[str, tuple[str, bool, float]] = field(default_factory=dict)
    by_policy: dict[tuple[float, bool], int] = field(default_factory=dict)
    policies: list[JudgePolicy] = field(default_factory=list)

    def run(self) -> Simulated:
        source = random.Random(self.seed)
        place = random.Random(self.workers)
        traffic = Traffic("f")
        current = first_policy("f", SETTINGS, AT)
        workers = [Worker(str(n), Chooser(current, THRESHOLDS)) for n in range(self.workers)]
        number = 0
        for second, rate in enumerate(self.per_s):
            asked = 0
            for _ in range(int(rate) + (source.random() < rate % 1)):
                number += 1
                said = source.choices(SAID, MIX)[0]
                worker = place.choice(workers)
                choice = worker.chooser.choose(f"e{number}", said)
                worker.strata[choice.stratum] = worker.strata.get(choice.stratum, 0) + 1
                worker.asked += choice.is_asked
                asked += choice.is_asked
                self.chosen[f"e{number}"] = (choice.policy, choice.is_asked, choice.probability)
                key = (choice.probability, choice.is_asked)
                self.by_policy[key] = self.by_policy.get(key, 0) + 1
            self.asked.append(asked)
            if second % 5 == 0:
                for worker in workers:
                    traffic.hear(worker.status(), float(second))
            if second and second % 60 == 0:
                spent = traffic.asked(second, SETTINGS.budget_per_hour)
                fresh = next_policy(
                    current, SETTINGS, traffic.rates(second), allowed_per_s(SETTINGS, spent), AT
                )
                if fresh.version != current.version:
                    self.policies.append(fresh)
                    current = fresh
                    for worker in workers:
                        worker.chooser = Chooser(current, THRESHOLDS)
        return self

    def in_hour(self, end_s: int) -> int:
        return sum(self.asked[max(0, end_s - 3600) : end_s])


def test_in_steady_traffic_every_hour_keeps_the_budget_and_uses_most_of_it() -> None:
    fleet = Simulated(3, [8.0] * 9_000).run()

    hours = [fleet.in_hour(end_s) for end_s in range(3_600, 9_000, 300)]
    assert max(hours) <= 1.05 * SETTINGS.budget_per_hour
    assert min(hours) >= 0.75 * SETTINGS.budget_per_hour
    assert len(fleet.policies) <= 25


def test_a_burst_of_ten_times_the_traffic_costs_at_most_a_tenth_of_an_hour_s_budget() -> None:
    fleet = Simulated(2, [4.0] * 4_000 + [40.0] * 600 + [4.0] * 2_000).run()

    assert max(fleet.in_hour(end_s) for end_s in range(3_600, 6_600, 60)) <= 1.1 * SETTINGS.budget_per_hour


def test_probabilities_are_those_with_which_events_were_asked() -> None:
    """Over all policies of a day's changes: of those chosen at p, p were asked, within four standard errors."""
    fleet = Simulated(3, [5.0 + 4.0 * math.sin(second / 700) for second in range(7_200)]).run()

    for probability in {probability for probability, _ in fleet.by_policy}:
        yes, no = fleet.by_policy.get((probability, True), 0), fleet.by_policy.get((probability, False), 0)
        spread = math.sqrt((yes + no) * probability * (1 - probability))
        assert abs(yes - probability * (yes + no)) <= 4 * spread + 1e-9, probability
    weighted = sum(1 / probability for _, is_asked, probability in fleet.chosen.values() if is_asked)
    assert weighted == pytest.approx(len(fleet.chosen), rel=0.1)


def test_how_many_workers_there_are_changes_no_decision_of_the_same_policy() -> None:
    one, many = (Simulated(workers, [6.0] * 1_500).run() for workers in (1, 5))

    same = [event_id for event_id, (policy, _, _) in one.chosen.items() if many.chosen[event_id][0] == policy]
    assert len(same) == len(one.chosen)
    assert one.chosen == many.chosen
