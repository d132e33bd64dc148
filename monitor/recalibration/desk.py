"""The steps of a calibration, each from what is held and what was logged to the next record, with the reason. Pure.

The worker takes them by the clock, a person by command: both append what comes out (monitor/recalibration/ports.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

import msgspec

from monitor.errors import Misconfigured
from monitor.recalibration import proposing
from monitor.recalibration.life import StepLimit, beyond_limit, in_force, next_version, step, version_in_force
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.observing import Decision, Expectations, Finding, Observed, observe, tokens
from monitor.recalibration.ports import Logs
from monitor.recalibration.proposing import Declined, Place
from monitor.recalibration.readiness import Limits, Objection, Obstacle
from monitor.recalibration.records import Serving
from monitor.recalibration.windows import Logged, Window, read
from schemas.calibrations import Calibration, CalibrationState, Thresholds

_MISTRUSTED: Final = re.compile(
    rf"\b({Finding.RESPOND_DISOBEYED}|{Finding.REFUSE_DISOBEYED}|{Finding.NOT_FOLLOWED}): "
)
"""What a calibration was rolled back for, after which another one isn't approved without a person: it would end the same way."""
FIRST_LOOK: Final = 1 / 8
"""Of the least time of observation: then it is looked at first, and again whenever that has doubled."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing is proposed: no rate would move by more than `least`. `moves`: the largest."""

    moves: float
    least: float


@dataclass(frozen=True, slots=True)
class Desk:
    """By whom and by which rules. `limit` None: a person approves all. `least_change`: of an expected rate. Times of observation."""

    fleet: str
    by: str
    limits: Limits
    limit: StepLimit | None
    expected: Expectations
    least_change: float
    observe_at_least: timedelta
    observe_at_most: timedelta


def propose(
    desk: Desk, policy: ModelPolicy, then: Logs, now: Logs, held: Calibration | None, *, at: datetime
) -> Calibration | Declined | Unchanged:
    """The next version, if the logs `then` may be calibrated on, given those of now. Raises Rejected("unsettled") while another is
    under way, Misconfigured for a policy that makes no sense.

    Its `reason` says why a person has to approve it whatever the limits: what it follows was rolled back because a token
    is disobeyed or thresholds aren't followed, or the model's tokenizer or template is another one.
    """
    version = next_version(held)
    if not then.rows or not now.rows:
        which = "calibration" if not then.rows else "present"
        return Declined((Objection(Obstacle.TOO_FEW, f"no logged prompt in the {which} window"),), {})
    serving = serving_of(policy, then.rows, now.rows)
    before = None if held is None else in_force(held)
    found = proposing.propose(
        _window(then, serving, policy.shape),
        _window(now, serving, policy.shape),
        policy.policies,
        serving=serving,
        shape=policy.shape,
        before=before,
        place=Place(
            desk.fleet,
            version,
            at if held is None else max(at, held.at),
            desk.by,
            0 if held is None else version_in_force(held),
        ),
        limits=desk.limits,
        procedure=policy.procedure,
    )
    if isinstance(found, Declined):
        return found
    if before is not None and _is_same_rule(before, found.now):
        moves = max(
            1.0 if part.rate_before is None else abs(part.rate.value - part.rate_before.value)
            for part in found.evidence
        )
        if moves <= desk.least_change:
            return Unchanged(moves, desk.least_change)
    return msgspec.structs.replace(found, reason=_reserve(found, held))


def serving_of(policy: ModelPolicy, *logs: Sequence[Logged]) -> Serving:
    """What the logs are read as. A hash that the file leaves open is that of the newest record which names one."""
    tokens = [row.token for row in sorted(chain(*logs), key=lambda row: row.at, reverse=True) if row.token]
    tokenizer = next((one.tokenizer_hash for one in tokens if one.tokenizer_hash), "")
    template = next((one.template_hash for one in tokens if one.template_hash), "")
    return policy.serving(tokenizer, template)


def needs_person(desk: Desk, calibration: Calibration) -> tuple[str, ...]:
    """Why a proposal isn't approved by itself; empty if it may be."""
    if desk.limit is None:
        return ("proposals are approved by hand",)
    own = (calibration.reason,) if calibration.reason else ()
    return (*own, *beyond_limit(calibration, desk.limit))


def approve(calibration: Calibration, *, by: str, at: datetime, reason: str = "") -> Calibration:
    """Raises Rejected("bad_step") unless it is proposed."""
    return step(calibration, "approved", by=by, reason=reason, at=max(at, calibration.at))


def publish(calibration: Calibration, *, by: str, at: datetime, reason: str = "") -> Calibration:
    """In force from now on. Raises Rejected("bad_step") unless it is approved."""
    return step(calibration, "published", by=by, reason=reason, at=max(at, calibration.at))


def roll_back(calibration: Calibration, *, by: str, at: datetime, reason: str) -> Calibration:
    """What was before it is in force again. Raises Rejected("bad_step") where it is rolled back already."""
    return step(calibration, "rolled_back", by=by, reason=reason, at=max(at, calibration.at))


def look_of(desk: Desk, calibration: Calibration, at: datetime) -> datetime | None:
    """The last moment up to `at` up to which a published calibration is to be looked at; None before the first.

    Few, at ever longer distances and the same whoever computes them, so that it isn't judged by chance by looking often
    enough (each look errs in 1 %), and a look that is taken again after a crash has the same prompts.
    """
    begins = calibration.published_at
    if begins is None:
        return None
    found = None
    passed = FIRST_LOOK * desk.observe_at_least
    while passed < desk.observe_at_most and begins + passed <= at:
        found = begins + passed
        passed *= 2
    return begins + desk.observe_at_most if begins + desk.observe_at_most <= at else found


def observed(desk: Desk, policy: ModelPolicy, calibration: Calibration, logs: Logs) -> Calibration | Decision:
    """A published calibration after a look at `logs`, of [published_at, a look): observed, with the outcome; or why to wait.

    Before the least time it is only rolled back, and not for thresholds that aren't followed yet. At the longest time what can't
    be told is rolled back: nobody can see that it works. Raises Rejected("bad_step") unless it is published.
    """
    if not logs.rows:
        decision = Decision("wait", ())
    else:
        decision = observe(calibration, _observed_window(policy, calibration, logs), desk.expected)
    begins = calibration.published_at or calibration.at
    is_early = logs.until < begins + desk.observe_at_least
    if is_early:
        decision = _early(decision)
    if decision.verdict == "wait":
        if logs.until < begins + desk.observe_at_most:
            return decision
        reason = f"could not be judged in time: {decision.reason or 'no logged prompt'}"
        return step(
            calibration,
            "observed",
            by=desk.by,
            reason=reason,
            at=max(logs.until, calibration.at),
            outcome="roll_back",
        )
    return step(
        calibration,
        "observed",
        by=desk.by,
        reason=decision.reason,
        at=max(logs.until, calibration.at),
        outcome=decision.verdict,
    )


def settled(desk: Desk, calibration: Calibration, *, at: datetime) -> Calibration:
    """Kept or rolled back, as its outcome says. Raises Rejected("bad_step") unless it is observed."""
    state: CalibrationState = "kept" if calibration.outcome == "keep" else "rolled_back"
    return step(calibration, state, by=desk.by, reason=calibration.reason, at=max(at, calibration.at))


def disobeyed(
    policy: ModelPolicy, held: Calibration, logs: Logs, expected: Expectations
) -> tuple[Observed, ...]:
    """The tokens that the texts don't obey now, of the prompts decided by what is in force, whatever is under way."""
    if not logs.rows or in_force(held) is None:
        return ()
    sample = _observed_window(policy, held, logs).sample
    return tokens(sample.where(sample.follows == 1), expected)


def missing(policy: ModelPolicy, logs: Logs) -> list[str]:
    """What is not identified in these logs, for want of which piece."""
    if not logs.rows:
        return []
    return _window(logs, serving_of(policy, logs.rows), policy.shape).report()


def window_of(policy: ModelPolicy, calibration: Calibration, logs: Logs) -> Window:
    """Logs read under the thresholds of a calibration, as those of its tokenizer and template."""
    return read(logs.rows, _serving(policy, calibration), calibration.now)


def _window(logs: Logs, serving: Serving, shape: Thresholds) -> Window:
    return read(logs.rows, serving, shape)


def _observed_window(policy: ModelPolicy, calibration: Calibration, logs: Logs) -> Window:
    live = in_force(calibration) or calibration.now
    if not set(live.selected) <= set(policy.refusals):
        raise Misconfigured(
            f"calibration {calibration.version} selects tokens that the policy file doesn't name for its model",
            "name them among its refusals, or roll the calibration back: `watchkeeper calibrate rollback`",
        )
    return read(logs.rows, _serving(policy, calibration), live, live=live)


def _serving(policy: ModelPolicy, calibration: Calibration) -> Serving:
    return Serving(
        calibration.model,
        calibration.tokenizer_hash,
        calibration.template_hash,
        policy.refusals,
        policy.respond,
        policy.context_turns,
    )


def _early(decision: Decision) -> Decision:
    against = [
        one
        for one in decision.observed
        if one.finding not in (Finding.ARRIVED, Finding.TOO_FEW, Finding.NOT_FOLLOWED)
    ]
    return Decision("roll_back", decision.observed) if against else Decision("wait", decision.observed)


def _is_same_rule(one: Thresholds, other: Thresholds) -> bool:
    return (one.rule, set(one.selected), one.temperature, set(one.values)) == (
        other.rule,
        set(other.selected),
        other.temperature,
        set(other.values),
    )


def _reserve(new: Calibration, held: Calibration | None) -> str:
    if held is None:
        return ""
    found = []
    if held.state == "rolled_back" and held.outcome is not None and _MISTRUSTED.search(held.reason):
        found.append(f"version {held.version} was rolled back: {held.reason}")
    if held.tokenizer_hash != new.tokenizer_hash:
        found.append("the model's tokenizer is another one than in the version before")
    if held.template_hash != new.template_hash:
        found.append("the model's chat template is another one than in the version before")
    return "; ".join(found)
