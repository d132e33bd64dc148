"""The steps of a calibration: what is proposed, who approves, when it is looked at, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.calibration.population import SERVING, Population, single
from monitor.errors import Misconfigured, Rejected
from monitor.recalibration import desk as steps
from monitor.recalibration.desk import Desk, Unchanged
from monitor.recalibration.life import StepLimit, in_force, version_in_force
from monitor.recalibration.observing import Decision, Expectations, Finding
from monitor.recalibration.ports import Logs
from monitor.recalibration.proposing import Declined
from monitor.recalibration.readiness import Limits, Obstacle
from monitor.recalibration.windows import Logged
from schemas.calibrations import ALL, Calibration, Policy
from tests.unit.recalibration.logs import AT
from tests.unit.recalibration.policies import a_policy

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
POLICY = a_policy(model="sim", logged_as="sim")
DESK = Desk(
    "wk", "watchkeeper", Limits(), StepLimit(1, 1), Expectations(tolerance=0.02), 0.03, HOUR, 12 * HOUR
)
USUAL = Population(harmful=0.3)


@cache
def served(of: Population, n: int, threshold: float, begins: float, seed: int = 1) -> tuple[Logged, ...]:
    chance = np.random.default_rng(seed)
    rows = of.logs(n, single(threshold), chance, begins_at=AT + timedelta(hours=begins))
    return tuple(reversed(list(rows)))


def logs(
    of: Population, threshold: float = 0.5, *, n: int = 1_000, begins: float = 0.0, seed: int = 1
) -> Logs:
    """Newest first, ten seconds apart."""
    since = AT + timedelta(hours=begins)
    return Logs(served(of, n, threshold, begins, seed), since, since + n * 10 * SECOND, is_cut=False)


def proposal(
    held: Calibration | None = None, of: Population = USUAL, now: Population | None = None, **policy: Any
) -> Calibration | Declined | Unchanged:
    live = 0.5 if held is None else (in_force(held) or single(0.5)).values[ALL]
    wanted = a_policy(model="sim", **policy)
    return steps.propose(
        DESK, wanted, logs(of, live), logs(now or of, live, n=500, begins=4, seed=2), held, at=AT + 6 * HOUR
    )


def published(of: Population = USUAL) -> Calibration:
    found = proposal(of=of)
    assert isinstance(found, Calibration)
    approved = steps.approve(found, by="anna", at=AT + 6 * HOUR, reason="looks good")
    return steps.publish(approved, by="watchkeeper", at=AT + 6 * HOUR)


def look(of: Population, calibration: Calibration, *, n: int, hours: float) -> Calibration | Decision:
    rows = served(of, n, calibration.now.values[ALL], 6.0, 3)
    seen = Logs(rows, AT + 6 * HOUR, AT + (6 + hours) * HOUR, is_cut=False)
    return steps.observed(DESK, POLICY, calibration, seen)


def settled(of: Population, *, n: int = 1_000, hours: float = 1) -> Calibration:
    found = look(of, published(), n=n, hours=hours)
    assert isinstance(found, Calibration)
    return steps.settled(DESK, found, at=AT + 8 * HOUR)


def test_a_life_from_proposal_to_keeping() -> None:
    kept = settled(USUAL)
    assert (kept.version, kept.state, kept.outcome, kept.before_version) == (1, "kept", "keep", 0)
    assert kept.published_at == AT + 6 * HOUR
    assert kept.tokenizer_hash == SERVING.tokenizer_hash
    assert abs(USUAL.rate(kept.now.values[ALL]) - 0.2) < 0.04
    assert version_in_force(kept) == 1


def test_the_next_version_knows_what_it_would_go_back_to() -> None:
    kept = settled(USUAL)
    found = proposal(kept, Population(harmful=0.5))
    assert isinstance(found, Calibration)
    assert (found.version, found.before, found.before_version, found.reason) == (2, kept.now, 1, "")
    assert version_in_force(found) == 1
    back = steps.roll_back(found, by="anna", at=AT + 7 * HOUR, reason="no")
    assert (in_force(back), version_in_force(back), back.outcome) == (kept.now, 1, None)
    third = proposal(back, Population(harmful=0.5))
    assert isinstance(third, Calibration)
    assert (third.version, third.before_version, third.reason) == (3, 1, "")


def test_nothing_is_proposed_where_nothing_would_move() -> None:
    found = proposal(settled(USUAL))
    assert isinstance(found, Unchanged)
    assert found.moves <= found.least == DESK.least_change


def test_nothing_is_proposed_while_one_is_under_way() -> None:
    with pytest.raises(Rejected, match="unsettled"):
        proposal(published())


@pytest.mark.parametrize(
    ("then", "now"),
    [(Logs((), AT, AT, is_cut=False), logs(USUAL)), (logs(USUAL), Logs((), AT, AT, is_cut=False))],
)
def test_a_window_without_logs_is_declined(then: Logs, now: Logs) -> None:
    found = steps.propose(DESK, POLICY, then, now, None, at=AT)
    assert isinstance(found, Declined)
    assert [one.obstacle for one in found.objections] == [Obstacle.TOO_FEW]


def test_drift_between_the_windows_is_declined() -> None:
    found = proposal(now=Population(harmful=0.6))
    assert isinstance(found, Declined)
    assert {one.obstacle for one in found.objections} == {Obstacle.DRIFTED}


def test_logs_of_another_tokenizer_or_template_are_declined_with_the_piece() -> None:
    for name in ("tokenizer_hash", "template_hash"):
        another: dict[str, Any] = {name: "another"}
        found = proposal(**another)
        assert isinstance(found, Declined)
        assert f"other_{name.partition('_')[0]}" in " ".join(found.reasons)
        assert "other_" in steps.missing(a_policy(model="sim", **another), logs(USUAL))[0]


def test_a_threshold_outside_and_a_missing_record_are_said_by_piece() -> None:
    rows = list(logs(USUAL, n=200).rows)
    token = rows[0].token
    assert token is not None
    for place, value in ((0, 1.5), (1, -0.1), (2, float("nan"))):
        rows[place] = replace(rows[place], token=msgspec.structs.replace(token, threshold=value))
    rows[3] = replace(rows[3], token=None)
    found = steps.missing(POLICY, Logs(rows, AT, AT, is_cut=False))
    assert [(line.split(" (")[0], line.split("(")[1].split(":")[0]) for line in found] == [
        ("not identified: 2 of 200", "threshold_outside"),
        ("not identified: 1 of 200", "not_finite"),
        ("not identified: 1 of 200", "record"),
    ]


def test_open_hashes_are_those_of_the_newest_record() -> None:
    rows = list(logs(USUAL, n=3).rows)
    token = rows[0].token
    assert token is not None
    rows[0] = replace(rows[0], token=msgspec.structs.replace(token, tokenizer_hash=None))
    rows[1] = replace(rows[1], token=msgspec.structs.replace(token, tokenizer_hash="new", template_hash=None))
    found = steps.serving_of(POLICY, rows)
    assert (found.tokenizer_hash, found.template_hash) == ("new", "tpl")


def test_who_approves() -> None:
    first = published()
    assert steps.needs_person(DESK, first) == ("there is no calibration before it",)
    by_hand = Desk("wk", "w", Limits(), None, Expectations(), 0.03, HOUR, 12 * HOUR)
    assert steps.needs_person(by_hand, first) == ("proposals are approved by hand",)
    kept = settled(USUAL)
    second = proposal(kept, Population(harmful=0.5))
    assert isinstance(second, Calibration)
    assert steps.needs_person(DESK, second) == ()
    other_model = msgspec.structs.replace(kept, tokenizer_hash="old", template_hash="old")
    again = proposal(other_model, Population(harmful=0.5))
    assert isinstance(again, Calibration)
    assert [one.split(" is ")[0] for one in again.reason.split("; ")] == [
        "the model's tokenizer",
        "the model's chat template",
    ]


def test_after_a_disobeyed_token_the_next_one_needs_a_person_and_after_a_wrong_rate_none() -> None:
    deaf = settled(Population(harmful=0.3, forced_respond=0.7))
    assert (deaf.state, deaf.outcome) == ("rolled_back", "roll_back")
    assert deaf.reason.startswith("respond_disobeyed: ")
    again = proposal(msgspec.structs.replace(deaf, before=single(0.5)))
    assert isinstance(again, Calibration)
    assert steps.needs_person(DESK, again)[0].startswith("version 1 was rolled back: respond_disobeyed")
    shifted = settled(Population(harmful=0.7))
    assert shifted.reason.startswith("too_many_refused: ")
    after = proposal(msgspec.structs.replace(shifted, before=single(0.5)), Population(harmful=0.7))
    assert isinstance(after, Calibration)
    assert after.reason == ""


def test_looks_are_few_and_the_same_whenever_they_are_asked_for() -> None:
    calibration = published()
    begins = calibration.published_at
    assert begins is not None
    minutes = [0, 7.4, 7.5, 14, 15, 59, 60, 121, 479, 481, 719, 720, 9_999]
    found = [steps.look_of(DESK, calibration, begins + timedelta(minutes=m)) for m in minutes]
    assert [one and (one - begins) / timedelta(minutes=1) for one in found] == [
        None, None, 7.5, 7.5, 15, 30, 60, 120, 240, 480, 480, 720, 720,
    ]  # fmt: skip
    assert steps.look_of(DESK, calibration, begins - HOUR) is None
    assert steps.look_of(DESK, msgspec.structs.replace(calibration, published_at=None), begins) is None


def test_early_looks_only_roll_back() -> None:
    good = look(USUAL, published(), n=1_000, hours=0.5)
    assert isinstance(good, Decision)
    assert good.verdict == "wait"
    bad = look(Population(harmful=0.9), published(), n=1_000, hours=0.5)
    assert isinstance(bad, Calibration)
    assert (bad.outcome, bad.at) == ("roll_back", AT + 6.5 * HOUR)


def test_thresholds_that_arent_followed_yet_are_waited_for_and_then_rolled_back() -> None:
    calibration = published()
    rows = served(USUAL, 1_000, 0.5, 6.0, 3)
    early, found = (
        steps.observed(
            DESK, POLICY, calibration, Logs(rows, AT + 6 * HOUR, AT + (6 + hours) * HOUR, is_cut=False)
        )
        for hours in (0.5, 1)
    )
    assert isinstance(early, Decision)
    assert isinstance(found, Calibration)
    assert Finding.NOT_FOLLOWED in found.reason


def test_what_cant_be_judged_in_time_goes_back() -> None:
    waiting = look(USUAL, published(), n=50, hours=11)
    assert isinstance(waiting, Decision)
    for n in (50, 0):
        late = look(USUAL, published(), n=n, hours=12)
        assert isinstance(late, Calibration)
        assert (late.state, late.outcome) == ("observed", "roll_back")
        assert late.reason.startswith("could not be judged in time: ")


def test_a_clock_that_goes_back_stops_nothing() -> None:
    early = AT - 100 * HOUR
    found = proposal()
    assert isinstance(found, Calibration)
    approved = steps.approve(found, by="anna", at=early)
    live = steps.publish(approved, by="anna", at=early)
    assert (approved.at, live.at, live.published_at) == (found.at, found.at, found.at)
    seen = steps.observed(DESK, POLICY, live, Logs((), early, early + 24 * HOUR, is_cut=False))
    assert isinstance(seen, Decision)
    assert steps.roll_back(live, by="anna", at=early, reason="no").at == found.at


def test_tokens_are_looked_at_outside_of_an_observation() -> None:
    kept = settled(USUAL)
    threshold = kept.now.values[ALL]
    deaf = Population(harmful=0.3, forced_respond=0.7)
    found = steps.disobeyed(POLICY, kept, logs(deaf, threshold), DESK.expected)
    assert [one.finding for one in found] == [Finding.RESPOND_DISOBEYED]
    assert steps.disobeyed(POLICY, kept, logs(USUAL, threshold), DESK.expected) == ()
    assert steps.disobeyed(POLICY, kept, Logs((), AT, AT, is_cut=False), DESK.expected) == ()
    unknown = steps.roll_back(published(), by="a", at=AT, reason="r")
    assert steps.disobeyed(POLICY, unknown, logs(deaf), DESK.expected) == ()


def test_a_policy_file_that_no_longer_knows_the_tokens_is_told() -> None:
    other = a_policy(model="sim", refusals=("[x]",), selected=("[x]",))
    with pytest.raises(Misconfigured, match="selects tokens that the policy file doesn't name"):
        steps.observed(DESK, other, published(), logs(USUAL))


def test_a_policy_that_none_can_keep_changes_nothing() -> None:
    found = proposal(policies={ALL: Policy(over_refusal=0.001, miss=0.001)})
    assert isinstance(found, Declined)
    assert set(found.uncertified) == {ALL}
