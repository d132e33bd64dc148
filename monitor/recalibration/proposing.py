"""A proposal: thresholds for every group that a policy names, with the evidence, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitor.errors import Misconfigured
from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration.readiness import Limits, Objection, objections
from monitor.recalibration.records import Serving
from monitor.recalibration.rules import checked
from monitor.recalibration.solving import Certified, Chosen, NoneCertified, solve
from monitor.recalibration.text_rate import TextRate, text_rate
from monitor.recalibration.weighted import effective_size, share
from monitor.recalibration.windows import Sample, Window
from schemas.calibrations import Calibration, GroupEvidence, Policy, TextBounds, Thresholds
from schemas.evidence import Interval


@dataclass(frozen=True, slots=True)
class Place:
    """Whose calibration it is, which version it would be, when and by whom it is proposed. `before_version`: the calibration that is
    in force until then; 0 for none."""

    fleet: str
    version: int
    at: datetime
    by: str
    before_version: int = 0


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing is proposed, and nothing changes. `objections`: to the logs. `uncertified`: reasons by group."""

    objections: tuple[Objection, ...]
    uncertified: Mapping[str, str]

    @property
    def reasons(self) -> tuple[str, ...]:
        """All, in words."""
        logs = (f"{one.obstacle}: {one.detail}" for one in self.objections)
        groups = (f"{name or 'all'}: none certified: {reason}" for name, reason in self.uncertified.items())
        return (*logs, *groups)


def propose(
    then: Window,
    now: Window,
    policies: Mapping[str, Policy],
    *,
    serving: Serving,
    shape: Thresholds,
    before: Thresholds | None,
    place: Place,
    limits: Limits,
    procedure: Chosen = "auto",
) -> Calibration | Declined:
    """From the calibration window `then`, read under `shape`, and the present window `now`: what to change.

    `policies` by group ("" for the rules with one threshold); a group without one keeps its value of `shape`. `before`: what is in
    force. If one group's policy can't be certified nothing is proposed for any: a team that states several states them
    together. Each group's bounds hold with its own delta; state delta / groups to have all hold at once.

    Raises Misconfigured for a policy of a group that the rule hasn't.
    """
    checked(shape)
    strangers = sorted(set(policies) - set(shape.values))
    if strangers or not policies:
        raise Misconfigured(
            f"calibration policies for {', '.join(strangers) or 'no group'}",
            f"the {shape.rule} rule has {', '.join(name or 'one threshold for all' for name in shape.values)}",
        )
    against = objections(then, now, at=place.at, limits=limits)
    if against:
        return Declined(against, {})
    values = dict(shape.values)
    uncertified: dict[str, str] = {}
    solved: dict[str, tuple[Sample, Certified]] = {}
    is_comparable = before is not None and (before.rule, before.temperature, set(before.selected)) == (
        shape.rule,
        shape.temperature,
        set(shape.selected),
    )
    old = before.values if before is not None and is_comparable else {}
    for name, policy in policies.items():
        inside = then.sample.where((then.sample.group == name) & np.isfinite(then.sample.score))
        found = solve(inside, policy, live=old.get(name), procedure=procedure)
        if isinstance(found, NoneCertified):
            uncertified[name] = found.reason
        else:
            values[name] = found.threshold
            solved[name] = inside, found
    if uncertified:
        return Declined((), uncertified)
    return Calibration(
        fleet=place.fleet,
        model=serving.model,
        version=place.version,
        state="proposed",
        at=place.at,
        by=place.by,
        reason="",
        tokenizer_hash=serving.tokenizer_hash,
        template_hash=serving.template_hash,
        now=checked(
            Thresholds(rule=shape.rule, selected=shape.selected, temperature=shape.temperature, values=values)
        ),
        before=before,
        evidence=tuple(
            evidence(name, inside, policies[name], found, old.get(name))
            for name, (inside, found) in solved.items()
        ),
        text=_bounds(text_rate(then.sample, values)),
        calls_from=then.begins_at,
        calls_until=then.ends_at,
        before_version=place.before_version,
    )


def evidence(
    name: str, group: Sample, policy: Policy, found: Certified, before: float | None
) -> GroupEvidence:
    """What a threshold rests on, computed from the prompts of its group."""
    harmless, harmful = group.where(group.harmful == 0), group.where(group.harmful == 1)
    rate = _rate(group, found.threshold)
    if rate is None:
        raise ValueError("a group without prompts has no evidence")
    missed = harmful.severity * (harmful.score < found.threshold)
    return GroupEvidence(
        group=name,
        policy=policy,
        procedure=found.procedure,
        guarantee=found.guarantee,
        n=len(group),
        effective=effective_size(group.inclusion),
        harmless=len(harmless),
        harmful=len(harmful),
        threshold_before=before,
        threshold=found.threshold,
        rate_before=None if before is None else _rate(group, before),
        rate=rate,
        over_refusal=_rate(harmless, found.threshold),
        miss=share(missed, harmful.inclusion),
    )


def _rate(group: Sample, threshold: float) -> Interval | None:
    refused: Floats = (group.score >= threshold).astype(np.float64)
    return share(refused, group.inclusion)


def _bounds(found: TextRate | None) -> TextBounds | None:
    if found is None:
        return None
    if found.randomised is not None:
        return TextBounds(
            low=found.randomised.low, high=found.randomised.high, switched=found.switched, is_randomised=True
        )
    return TextBounds(low=found.low, high=found.high, switched=found.switched, is_randomised=False)
