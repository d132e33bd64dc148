"""The sample is deterministic, nested and of the wanted size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]  # scipy has no types

from monitor.sampling import is_sampled


@given(st.text(), st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_samples_are_nested(event_id: str, p: float, q: float) -> None:
    low, high = sorted((p, q))
    assert is_sampled(event_id, low) <= is_sampled(event_id, high)


def test_the_share_taken_is_the_probability() -> None:
    taken = sum(is_sampled(f"chatcmpl-{i}", 0.1) for i in range(20_000))
    assert binomtest(taken, 20_000, 0.1).pvalue > 0.001


def test_nothing_is_left_out_at_one() -> None:
    assert all(is_sampled(str(i), 1.0) for i in range(1000))
