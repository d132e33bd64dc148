"""The life of a calibration: proposed, approved, published, observed, and then kept or rolled back. Pure.

    proposed ── approved ── published ── observed ── kept
        └───────────┴───────────┴───────────┴─────────┴──→ rolled_back

Every step makes a new record of the same version; the next proposal has the next version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from monitor.errors import Rejected
from monitor.recalibration.signing import Distrust
from schemas.calibrations import Calibration, CalibrationState, Outcome, Thresholds

_NEXT: Final[Mapping[CalibrationState, frozenset[CalibrationState]]] = MappingProxyType(
    {
        "proposed": frozenset({"approved", "rolled_back"}),
        "approved": frozenset({"published", "rolled_back"}),
        "published": frozenset({"observed", "rolled_back"}),
        "observed": frozenset({"kept", "rolled_back"}),
        "kept": frozenset({"rolled_back"}),
        "rolled_back": frozenset(),
    }
)
_ORDER: Final[tuple[CalibrationState, ...]] = (
    "proposed",
    "approved",
    "published",
    "observed",
    "kept",
    "rolled_back",
)
_SERVED: Final = frozenset({"published", "observed", "kept"})


@dataclass(frozen=True, slots=True)
class StepLimit:
    """What may be approved without a person: in every group at most so much change of the threshold and of the expected
    rate of the token. Of a calibration without one before it nothing may."""

    threshold: float = 0.1
    rate: float = 0.05

    def __post_init__(self) -> None:
        """Raise ValueError for a limit that can't be."""
        if not (0 <= self.threshold <= 1 and 0 <= self.rate <= 1):
            raise ValueError("step limits are between 0 and 1")


def step(
    calibration: Calibration,
    state: CalibrationState,
    *,
    by: str,
    reason: str,
    at: datetime,
    outcome: Outcome | None = None,
) -> Calibration:
    """The calibration in its next state. `outcome`: of the observation, in the step to "observed".

    Raises Rejected("bad_step") where none leads there, or time would go back.
    """
    if state not in _NEXT[calibration.state]:
        raise Rejected(
            "bad_step",
            f"version {calibration.version} is {calibration.state}: expected one of "
            f"{', '.join(sorted(_NEXT[calibration.state])) or 'none'}, not {state}",
        )
    if at < calibration.at:
        raise Rejected(
            "bad_step", f"version {calibration.version}: {state} before it was {calibration.state}"
        )
    return msgspec.structs.replace(
        calibration,
        state=state,
        by=by,
        reason=reason,
        at=at,
        published_at=at if state == "published" else calibration.published_at,
        outcome=outcome or calibration.outcome,
    )


def beyond_limit(calibration: Calibration, limit: StepLimit) -> tuple[str, ...]:
    """Why a person has to approve it; empty if it may approve itself."""
    if calibration.before is None:
        return ("there is no calibration before it",)
    if (calibration.before.rule, set(calibration.before.selected), calibration.before.temperature) != (
        calibration.now.rule,
        set(calibration.now.selected),
        calibration.now.temperature,
    ):
        return ("it changes the rule, not only thresholds",)
    found = []
    for part in calibration.evidence:
        name = part.group or "all"
        if part.threshold_before is None or part.rate_before is None:
            found.append(f"{name}: no threshold before it")
            continue
        by_threshold = abs(part.threshold - part.threshold_before)
        if by_threshold > limit.threshold:
            found.append(
                f"{name}: the threshold moves by {by_threshold:.3f}, {limit.threshold:.3f} without a person"
            )
        by_rate = abs(part.rate.value - part.rate_before.value)
        if by_rate > limit.rate:
            found.append(f"{name}: the rate moves by {by_rate:.3f}, {limit.rate:.3f} without a person")
    return tuple(found)


def next_version(held: Calibration | None) -> int:
    """The version of the next proposal. Raises Rejected("unsettled") while one is under way: a record of a newer version hides
    all later ones of an older, so that one couldn't be rolled back any more."""
    if held is None:
        return 1
    if held.state not in ("kept", "rolled_back"):
        raise Rejected(
            "unsettled", f"version {held.version} is {held.state}: keep it or roll it back before the next"
        )
    return held.version + 1


def in_force(calibration: Calibration) -> Thresholds | None:
    """What whoever serves the model has to use, given the newest record: the new thresholds once published, else those before.
    None: no rule, the model chooses its token itself."""
    return calibration.now if calibration.state in _SERVED else calibration.before


def version_in_force(calibration: Calibration) -> int:
    """The version whose thresholds `in_force` gives; 0 where there is no rule, or none that came from a calibration. Who serves the
    model logs it, so that rates under different thresholds aren't taken for a drift."""
    return calibration.version if calibration.state in _SERVED else calibration.before_version


def supersedes(new: Calibration, held: Calibration | None, *, fleet: str, model: str) -> bool:
    """Whether a verified message is to be taken in place of the one that is held; False for the same one again.

    Raises Rejected, reason a `Distrust`, for another fleet's or model's, and for an older one: its signature is good, so whoever
    can only write to the topic could else bring back any calibration there ever was.
    """
    if (new.fleet, new.model) != (fleet, model):
        raise Rejected(Distrust.OTHER_PLACE, "fleet, model: expected those that are served here")
    if held is None:
        return True
    if new == held:
        return False
    is_newer = new.version > held.version or (
        new.version == held.version
        and new.at >= held.at
        and _ORDER.index(new.state) > _ORDER.index(held.state)
    )
    if not is_newer:
        raise Rejected(
            Distrust.NOT_NEWER,
            f"version {new.version} {new.state} after version {held.version} {held.state}",
        )
    return True
