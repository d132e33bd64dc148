"""From settings to a policy, with every fault at once."""

from __future__ import annotations

import math

import pytest

from monitor.drift.measures import Measure
from monitor.drift.policy import DEFAULT_SHARES, LEVEL_SHARES, policy_of
from monitor.drift_settings import DriftSettings
from monitor.errors import Misconfigured


def test_the_default_settings_are_the_default_policy() -> None:
    assert dict(policy_of(DriftSettings()).shares) == dict(DEFAULT_SHARES)


def test_what_is_not_named_or_has_no_parts_is_not_watched() -> None:
    policy = policy_of(DriftSettings(shares=" refusal = 3, mix=1,volume=0 ,"))
    assert [policy.share(measure) for measure in (Measure.REFUSAL, Measure.MIX)] == [0.75, 0.25]
    assert sum(policy.share(measure) for measure in Measure) == 1.0
    assert policy.share(Measure.VOLUME) == policy.share(Measure.COVERAGE) == 0.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget_per_month": 0.0}, "BUDGET_PER_MONTH is 0"),
        ({"budget_per_month": -1.0}, "BUDGET_PER_MONTH is -1"),
        ({"budget_per_month": math.inf}, "BUDGET_PER_MONTH is inf"),
        ({"budget_per_month": math.nan}, "BUDGET_PER_MONTH is nan"),
        ({"shares": ""}, "nothing a part"),
        ({"shares": "refusal=0"}, "nothing a part"),
        ({"shares": "refusal=1,refusal=2"}, "refusal twice"),
        ({"shares": "kindness=1"}, "'kindness'"),
        ({"shares": "refusal"}, "gives refusal"),
        ({"shares": "refusal=-1"}, "gives refusal"),
        ({"shares": "refusal=nan"}, "gives refusal"),
        ({"shares": "refusal=many"}, "gives refusal"),
        ({"window_s": 7.0}, "divide a day"),
        ({"window_s": 2.5}, "divide a day"),
        ({"dwell_s": math.inf}, "DWELL_S"),
        ({"learn_events": math.inf}, "LEARN_EVENTS"),
    ],
)
def test_what_cannot_be_is_said(settings: dict[str, float | str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        policy_of(DriftSettings.model_construct(**{**dict(DriftSettings()), **settings}))


def test_all_faults_are_said_at_once() -> None:
    wrong = DriftSettings.model_construct(
        **{**dict(DriftSettings()), "budget_per_month": 0.0, "shares": "kindness=1,refusal=x"}
    )
    with pytest.raises(Misconfigured) as caught:
        policy_of(wrong)
    assert all(word in str(caught.value) for word in ("BUDGET_PER_MONTH", "kindness", "refusal"))


def test_the_levels_share_out_all() -> None:
    assert sum(LEVEL_SHARES.values()) == pytest.approx(1.0)
