"""A calibration with every field set, to be varied with msgspec.structs.replace."""

from __future__ import annotations

from schemas.calibrations import Calibration, GroupEvidence, Policy, TextBounds, Thresholds
from schemas.evidence import Interval
from tests.unit.recalibration.logs import AT


def part(
    group: str, before: float | None, now: float, rate_before: float | None, rate: float
) -> GroupEvidence:
    """Evidence of a group from 500 prompts; intervals of plus and minus 0.04."""
    return GroupEvidence(
        group=group,
        policy=Policy(target_rate=rate),
        procedure="quantile",
        guarantee="the rate is near",
        n=500,
        effective=500.0,
        harmless=300,
        harmful=200,
        threshold_before=before,
        threshold=now,
        rate_before=None
        if rate_before is None
        else Interval(rate_before, rate_before - 0.04, rate_before + 0.04),
        rate=Interval(rate, rate - 0.04, rate + 0.04),
        over_refusal=Interval(0.05, 0.03, 0.08),
        miss=Interval(0.1, 0.07, 0.15),
    )


def a_calibration() -> Calibration:
    """Two categories, one threshold raised, proposed."""
    return Calibration(
        fleet="watchkeeper",
        model="m",
        version=3,
        state="proposed",
        at=AT,
        by="anna",
        reason="",
        tokenizer_hash="tok",
        template_hash="tpl",
        now=Thresholds(
            rule="category", selected=("[a]", "[b]"), temperature=1.0, values={"[a]": 0.55, "[b]": 0.3}
        ),
        before=Thresholds(
            rule="category", selected=("[b]", "[a]"), temperature=1.0, values={"[a]": 0.5, "[b]": 0.3}
        ),
        evidence=(part("[a]", 0.5, 0.55, 0.32, 0.3),),
        text=TextBounds(low=0.2, high=0.35, switched=0.02, is_randomised=False),
        calls_from=AT,
        calls_until=AT,
    )
