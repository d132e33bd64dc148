"""State as bytes: the same wherever it was carried, and refused where it was damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.drift.measures import Measure
from monitor.drift.policy import DriftPolicy
from monitor.drift.state import STATE_VERSION, StateDamaged, StateOfOtherVersion
from monitor.drift.watch import Watch
from monitor.errors import Misconfigured
from schemas.alerts import Alert
from schemas.windows import Window
from tests.unit.drift.traffic import GUARD, Cell, Told, watched, windows

CELLS = [
    Cell(tenant=t, model=m, category=c, rate=15.0) for t in ("a", "b") for m in ("m", "n") for c in ("x", "y")
]
POLICY = DriftPolicy(learn_events=60.0, dwell_s=300.0)


def _shifting(number: int) -> list[Cell]:
    """One cell refuses thrice as much from window 40 to 90, and another vanishes."""
    cells = list(CELLS)
    if 40 <= number < 90:
        cells[0] = Cell(tenant="a", model="m", category="x", rate=15.0, refuses_harmless=0.4)
    return cells[:-1] if number > 70 else cells


RUN = windows(_shifting, 120, seed=11)


def _told_by(whole: list[Window], cuts: set[int]) -> tuple[list[Alert], bytes]:
    told = watched(POLICY)
    for number, window in enumerate(whole):
        if number in cuts:
            told = Told(Watch.from_bytes(told.watch.to_bytes(), POLICY, "fleet"), told.memory, told.alerts)
        told.see([window])
    return told.alerts, told.watch.to_bytes()


WHOLE = _told_by(RUN, set())


def test_the_run_has_what_is_to_be_carried() -> None:
    assert {alert.state for alert in WHOLE[0]} == {"firing", "resolved"}


@settings(max_examples=8, deadline=None)
@given(cuts=st.sets(st.integers(1, 119), max_size=6))
def test_a_watch_that_was_carried_tells_the_same(cuts: set[int]) -> None:
    assert _told_by(RUN, cuts) == WHOLE


def test_the_same_state_gives_the_same_bytes() -> None:
    state = WHOLE[1]
    assert Watch.from_bytes(state, POLICY, "fleet").to_bytes() == state
    assert Watch.new(POLICY, "fleet").to_bytes() == Watch.new(POLICY, "fleet").to_bytes()


def test_every_truncation_is_told() -> None:
    state = WHOLE[1]
    for end in {0, 1, 7, 8, 11, 12, 43, 44, 45, len(state) // 2, len(state) - 1}:
        with pytest.raises(StateDamaged, match="drift rebuild"):
            Watch.from_bytes(state[:end], POLICY, "fleet")
    with pytest.raises(StateDamaged):
        Watch.from_bytes(state + b"\0", POLICY, "fleet")


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(WHOLE[1]) - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_is_told(at: int, bit: int) -> None:
    state = bytearray(WHOLE[1])
    state[at] ^= 1 << bit
    with pytest.raises((StateDamaged, StateOfOtherVersion), match="drift rebuild"):
        Watch.from_bytes(bytes(state), POLICY, "fleet")


def test_another_version_is_told_as_such() -> None:
    state = bytearray(WHOLE[1])
    state[8:12] = (STATE_VERSION + 1).to_bytes(4, "big")
    with pytest.raises(StateOfOtherVersion, match=f"layout {STATE_VERSION + 1}"):
        Watch.from_bytes(bytes(state), POLICY, "fleet")


def test_nonsense_of_any_size_is_refused_by_its_first_bytes() -> None:
    for nonsense in (bytes(1 << 28), np.random.default_rng(1).bytes(1 << 20), b"{}", b"WKDRIFT"):
        with pytest.raises(StateDamaged):
            Watch.from_bytes(nonsense, POLICY, "fleet")
    assert issubclass(StateDamaged, Misconfigured)
    assert issubclass(StateOfOtherVersion, Misconfigured)


def test_another_fleets_state_is_refused() -> None:
    with pytest.raises(StateDamaged, match="another fleet"):
        Watch.from_bytes(WHOLE[1], POLICY, "other")


def test_a_window_that_is_not_finished_is_not_kept() -> None:
    told = watched(POLICY)
    step = told.watch.take(RUN[0])
    with pytest.raises(RuntimeError):
        told.watch.to_bytes()
    with pytest.raises(RuntimeError):
        told.watch.take(RUN[1])
    told.watch.finish(step, {})
    with pytest.raises(RuntimeError):
        told.watch.finish(step, {})


@pytest.mark.parametrize(
    "policy",
    [
        DriftPolicy(budget_per_month=10_000.0),
        DriftPolicy(budget_per_month=1e-9),
        DriftPolicy(shares={Measure.MIX: 1.0}),
        DriftPolicy(shares={Measure.REFUSAL: 1.0, Measure.VOLUME: 2.0}, learn_events=1e6),
    ],
)
def test_a_state_goes_on_under_another_policy(policy: DriftPolicy) -> None:
    told = watched(POLICY)
    told.see(RUN[:60])
    other = Told(Watch.from_bytes(told.watch.to_bytes(), policy, "fleet"), told.memory)
    other.see(RUN[60:])
    assert other.watch.position == RUN[-1].ends_at
    kept = other.watch.to_bytes()
    assert Watch.from_bytes(kept, policy, "fleet").to_bytes() == kept
    assert GUARD in {view.key.watched_by for view in other.watch.streams()}
