"""The judging policy, as `watchkeeper check` tells it."""

from __future__ import annotations

from monitor.checking.judging import policy_checks


def test_the_first_policy_says_nothing_of_the_traffic() -> None:
    (one,) = policy_checks(None)
    assert (one.state, one.check) == ("ok", "judging policy")
    assert one.facts.startswith("the first one, made before any traffic; the workers replace it once")
