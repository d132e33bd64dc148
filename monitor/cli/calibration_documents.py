"""Calibrations as the documents of `--json`."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.cli.calibrate_shapes import (
    CalibrationDocument,
    CalibrationLine,
    EvidenceLine,
    RateCurveLine,
    RatePointLine,
    TextLine,
    ThresholdsLine,
)
from monitor.cli.shapes import Estimate
from monitor.recalibration.life import in_force, version_in_force
from monitor.recalibration.rate_curve import RateCurve
from schemas.calibrations import Calibration, GroupEvidence, Thresholds
from schemas.evidence import Interval


def calibration_line(calibration: Calibration, needs_person: Sequence[str] = ()) -> CalibrationLine:
    """How it stands. `needs_person`: of a proposal, why it isn't approved by itself."""
    return CalibrationLine(
        model=calibration.model,
        version=calibration.version,
        state=calibration.state,
        at=calibration.at,
        by=calibration.by,
        reason=calibration.reason,
        now=_thresholds(calibration.now),
        before=None if calibration.before is None else _thresholds(calibration.before),
        in_force=None if (found := in_force(calibration)) is None else _thresholds(found),
        version_in_force=version_in_force(calibration),
        published_at=calibration.published_at,
        outcome=calibration.outcome,
        needs_person=list(needs_person) if calibration.state == "proposed" else [],
        next_step=next_step(calibration, needs_person),
    )


def next_step(calibration: Calibration, needs_person: Sequence[str]) -> str:
    """What happens next, or what a person can do."""
    match calibration.state:
        case "proposed" if needs_person:
            return "a person approves it (`watchkeeper calibrate approve`) or turns it down (`rollback`)"
        case "proposed":
            return "the workers approve it: it is within the limits"
        case "approved":
            return "the workers publish it"
        case "published":
            return (
                "the workers see whether the rate arrives, and whether the token decides the text; "
                "then it is kept, or rolled back"
            )
        case "observed" if calibration.outcome == "keep":
            return "the workers keep it"
        case "observed":
            return "the workers roll it back"
        case "kept":
            return "it stays in force until the next one"
        case "rolled_back":
            return "the thresholds before it are in force; the workers look for others by schedule"


def calibration_document(
    calibration: Calibration,
    curves: Sequence[RateCurve],
    *,
    curves_missing: str = "",
    needs_person: Sequence[str] = (),
) -> CalibrationDocument:
    """All that is known of it."""
    text = calibration.text
    return CalibrationDocument(
        calibration=calibration_line(calibration, needs_person),
        evidence=[_evidence(part) for part in calibration.evidence],
        text=None if text is None else TextLine.model_validate(text),
        calls_from=calibration.calls_from,
        calls_until=calibration.calls_until,
        curves=[_curve(one) for one in curves],
        curves_missing=curves_missing,
    )


def _thresholds(found: Thresholds) -> ThresholdsLine:
    return ThresholdsLine(
        rule=found.rule,
        selected=list(found.selected),
        temperature=found.temperature,
        values=dict(found.values),
    )


def _evidence(part: GroupEvidence) -> EvidenceLine:
    return EvidenceLine(
        group=part.group,
        procedure=part.procedure,
        guarantee=part.guarantee,
        n=part.n,
        effective=part.effective,
        harmless=part.harmless,
        harmful=part.harmful,
        target_rate=part.policy.target_rate,
        over_refusal_at_most=part.policy.over_refusal,
        miss_at_most=part.policy.miss,
        delta=part.policy.delta,
        threshold_before=part.threshold_before,
        threshold=part.threshold,
        rate_before=_estimate(part.rate_before),
        rate=Estimate.model_validate(part.rate),
        over_refusal=_estimate(part.over_refusal),
        miss=_estimate(part.miss),
    )


def _estimate(interval: Interval | None) -> Estimate | None:
    return None if interval is None else Estimate.model_validate(interval)


def _curve(curve: RateCurve) -> RateCurveLine:
    return RateCurveLine(
        group=curve.group,
        n=curve.n,
        effective=curve.effective,
        band=curve.band,
        target=curve.target,
        points=[RatePointLine.model_validate(point) for point in curve.points],
    )
