from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import get_args

import msgspec
import pytest

from monitor.errors import Rejected
from monitor.recalibration.life import StepLimit, beyond_limit, in_force, next_version, step, supersedes
from monitor.recalibration.signing import Distrust
from schemas.calibrations import Calibration, CalibrationState
from tests.unit.recalibration.calibrations import a_calibration, part
from tests.unit.recalibration.logs import AT

STATES: tuple[CalibrationState, ...] = get_args(CalibrationState)
LEADS = {
    ("proposed", "approved"),
    ("approved", "published"),
    ("published", "observed"),
    ("observed", "kept"),
    *((state, "rolled_back") for state in STATES if state != "rolled_back"),
}
replace = msgspec.structs.replace


def in_state(state: CalibrationState, **fields: object) -> Calibration:
    return replace(a_calibration(), state=state, **fields)


@pytest.mark.parametrize(("here", "there"), list(product(STATES, STATES)))
def test_only_the_steps_of_the_drawing_are_taken(here: CalibrationState, there: CalibrationState) -> None:
    later = AT + timedelta(minutes=1)
    if (here, there) in LEADS:
        found = step(in_state(here), there, by="bert", reason="why", at=later)
        published_at = later if there == "published" else None
        assert found == in_state(there, by="bert", reason="why", at=later, published_at=published_at)
    else:
        with pytest.raises(Rejected, match="bad_step"):
            step(in_state(here), there, by="bert", reason="why", at=later)


def test_no_step_goes_back_in_time() -> None:
    with pytest.raises(Rejected, match="before it was proposed"):
        step(a_calibration(), "approved", by="bert", reason="", at=AT - timedelta(seconds=1))


def test_a_small_step_approves_itself() -> None:
    assert beyond_limit(a_calibration(), StepLimit(threshold=0.06, rate=0.03)) == ()


def test_a_large_step_names_what_is_beyond() -> None:
    assert beyond_limit(a_calibration(), StepLimit(threshold=0.04, rate=0.01)) == (
        "[a]: the threshold moves by 0.050, 0.040 without a person",
        "[a]: the rate moves by 0.020, 0.010 without a person",
    )


def test_what_has_nothing_before_it_needs_a_person() -> None:
    limit = StepLimit(threshold=1.0, rate=1.0)
    first = replace(a_calibration(), before=None)
    assert beyond_limit(first, limit) == ("there is no calibration before it",)
    before = a_calibration().before
    assert before is not None
    other = replace(a_calibration(), before=replace(before, rule="sum"))
    assert beyond_limit(other, limit) == ("it changes the rule, not only thresholds",)
    new = replace(a_calibration(), evidence=(part("[a]", None, 0.5, None, 0.3),))
    assert beyond_limit(new, limit) == ("[a]: no threshold before it",)


@pytest.mark.parametrize("limit", [(-0.1, 0.1), (0.1, 1.5), (float("nan"), 0.1)])
def test_limits_that_cannot_be_are_refused(limit: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        StepLimit(*limit)


def test_the_new_thresholds_serve_from_publishing_until_they_are_rolled_back() -> None:
    one = a_calibration()
    served = {state: in_force(in_state(state)) for state in STATES}
    assert served == {
        "proposed": one.before,
        "approved": one.before,
        "published": one.now,
        "observed": one.now,
        "kept": one.now,
        "rolled_back": one.before,
    }
    assert in_force(replace(one, before=None)) is None


def test_one_is_under_way_at_a_time() -> None:
    assert next_version(None) == 1
    for state in STATES:
        if state in ("kept", "rolled_back"):
            assert next_version(in_state(state)) == 4
        else:
            with pytest.raises(Rejected, match=f"version 3 is {state}"):
                next_version(in_state(state))


def accepted(new: Calibration, held: Calibration | None) -> bool | str:
    try:
        return supersedes(new, held, fleet="watchkeeper", model="m")
    except Rejected as refused:
        return refused.reason


def test_a_later_version_or_state_is_taken_and_nothing_older() -> None:
    held = in_state("published")
    assert accepted(held, None) is True
    assert accepted(held, held) is False
    assert accepted(in_state("observed"), held) is True
    assert accepted(in_state("rolled_back"), held) is True
    assert accepted(in_state("proposed", version=4), held) is True
    assert accepted(in_state("approved"), held) == Distrust.NOT_NEWER
    assert accepted(in_state("kept", version=2), held) == Distrust.NOT_NEWER
    assert accepted(in_state("published", reason="another"), held) == Distrust.NOT_NEWER
    assert accepted(in_state("observed", at=AT - timedelta(hours=1)), held) == Distrust.NOT_NEWER
    assert accepted(in_state("published"), in_state("rolled_back")) == Distrust.NOT_NEWER


def test_another_fleets_or_models_is_not_taken() -> None:
    assert accepted(in_state("published", fleet="b"), None) == Distrust.OTHER_PLACE
    assert accepted(in_state("published", model="b"), None) == Distrust.OTHER_PLACE
