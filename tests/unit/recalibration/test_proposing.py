from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from benchmarks.calibration.population import Population
from monitor.errors import Misconfigured
from monitor.recalibration.proposing import Declined, Place, propose
from monitor.recalibration.readiness import Limits, Obstacle
from monitor.recalibration.windows import Sample, Window
from schemas.calibrations import Calibration, Policy, TextBounds, Thresholds
from tests.unit.recalibration.logs import AT, ONE, TWO, thresholds

PLACE = Place("watchkeeper", 4, AT, "anna")
CHANCE = np.random.default_rng(8)


def window(of: Sample) -> Window:
    at = AT - timedelta(hours=1)
    return Window(of, at, at, len(of), {})


THEN = window(Population().draw(2000, CHANCE))
NOW = window(Population().draw(1000, CHANCE))


def proposed(policies: dict[str, Policy], **changed: Any) -> Calibration | Declined:
    whole: dict[str, Any] = {
        "then": THEN,
        "now": NOW,
        "serving": ONE,
        "shape": thresholds("single", 0.5),
        "before": thresholds("single", 0.5),
        "place": PLACE,
        "limits": Limits(),
    }
    whole |= changed
    return propose(whole.pop("then"), whole.pop("now"), policies, **whole)


def test_a_proposal_has_its_evidence() -> None:
    found = proposed({"": Policy(target_rate=0.25)})
    assert isinstance(found, Calibration)
    assert (found.state, found.version, found.by, found.model) == ("proposed", 4, "anna", "m")
    assert (found.before, found.text) == (thresholds("single", 0.5), None)  # no texts were logged
    (part,) = found.evidence
    assert (part.group, part.procedure, part.n) == ("", "quantile", 2000)
    assert part.effective == pytest.approx(2000)
    assert (part.threshold_before, part.threshold) == (0.5, found.now.values[""])
    assert part.rate.value == pytest.approx(0.25, abs=1e-3)
    assert part.rate.low < 0.25 < part.rate.high
    assert part.harmless + part.harmful == 2000
    assert part.rate_before is not None
    assert part.over_refusal is not None
    assert part.miss is not None
    assert part.rate_before.value == pytest.approx(Population().rate(0.5), abs=0.04)
    assert part.over_refusal.value == pytest.approx(
        Population().refused(part.threshold, harmful=False), abs=0.03
    )
    assert part.miss.value == pytest.approx(1 - Population().refused(part.threshold, harmful=True), abs=0.06)


def test_texts_that_were_logged_bound_the_texts_rate() -> None:
    of = THEN.sample
    emitted = (of.score >= 0.5).astype(np.float64)
    found = proposed({"": Policy(target_rate=0.25)}, then=window(replace(of, emitted=emitted, text=emitted)))
    assert isinstance(found, Calibration)
    assert isinstance(found.text, TextBounds)
    assert found.text.low < 0.25 < found.text.high
    assert found.text.switched == pytest.approx(abs(emitted.mean() - 0.25), abs=1e-3)
    assert not found.text.is_randomised


def test_without_a_rule_before_it_there_is_nothing_to_compare() -> None:
    found = proposed({"": Policy(target_rate=0.25)}, before=None)
    assert isinstance(found, Calibration)
    assert (found.before, found.evidence[0].threshold_before, found.evidence[0].rate_before) == (
        None,
        None,
        None,
    )
    other = proposed({"": Policy(target_rate=0.25)}, before=thresholds("bias", 0.5))
    assert isinstance(other, Calibration)
    assert other.evidence[0].threshold_before is None


def test_none_certified_changes_nothing_and_says_why() -> None:
    found = proposed({"": Policy(over_refusal=0.001, miss=0.001)})
    assert isinstance(found, Declined)
    assert found.objections == ()
    assert found.reasons[0].startswith("all: none certified: over-refusal at most 0.001: ")


def test_logs_that_are_objected_to_are_not_calibrated_on() -> None:
    shifted = window(Population(harmful=0.7).draw(1000, CHANCE))
    found = proposed({"": Policy(target_rate=0.25)}, now=shifted)
    assert isinstance(found, Declined)
    assert [one.obstacle for one in found.objections] == [Obstacle.DRIFTED]
    assert found.reasons[0].startswith("drifted: scores of all: ")


def categories(policies: dict[str, Policy]) -> Calibration | Declined:
    def named(of: Window) -> Window:
        groups = np.where(np.arange(len(of.sample)) % 2, "[a]", "[b]")
        return window(replace(of.sample, group=groups))

    return proposed(
        policies,
        then=named(THEN),
        now=named(NOW),
        serving=TWO,
        shape=Thresholds(
            rule="category", selected=("[a]", "[b]"), temperature=1.0, values={"[a]": 0.5, "[b]": 0.7}
        ),
        before=None,
    )


def test_each_category_has_its_own_policy_and_the_others_stay() -> None:
    found = categories({"[a]": Policy(target_rate=0.1)})
    assert isinstance(found, Calibration)
    assert found.now.values["[b]"] == 0.7
    assert found.now.values["[a]"] > 0.5
    assert [(part.group, part.n) for part in found.evidence] == [("[a]", 1000)]


def test_if_one_category_cannot_be_certified_none_is_changed() -> None:
    found = categories({"[a]": Policy(target_rate=0.1), "[b]": Policy(miss=0.001)})
    assert isinstance(found, Declined)
    assert list(found.uncertified) == ["[b]"]


@pytest.mark.parametrize("policies", [{}, {"[c]": Policy(target_rate=0.1)}, {"": Policy(target_rate=0.1)}])
def test_policies_for_groups_that_there_are_not_are_refused(policies: dict[str, Policy]) -> None:
    with pytest.raises(Misconfigured, match=r"the category rule has \[a\], \[b\]"):
        categories(policies)
