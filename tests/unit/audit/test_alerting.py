"""What an audit makes of the alerts, and comparisons with several audits at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.audit.alerting import Done, Teller, after_action, after_done, after_overdue, after_refused
from monitor.audit.auditing import audited
from monitor.audit.comparison import Change, Floor, LayerChange, changed, changed_from
from monitor.audit.kept import Audit
from monitor.audit.measures import AuditMeasure
from monitor.audit.measuring import changes_from
from monitor.audit.reference import Reference
from monitor.audit.state import TargetState
from monitor.errors import Misconfigured
from schemas.alert_actions import AlertAction
from schemas.alerts import Alert, Source
from tests.unit.audit.drawn import is_unsafe, matched, rows_of

AT = datetime(2026, 3, 2, 3, 17, tzinfo=UTC)
DAY = timedelta(days=1)
TELLER = Teller("wk", Source("w", "1"))
NEW = TargetState(model="atlas", anchor_set="matched")
SERIES = "s" * 16


def change(before: float, after: float, *, layer: str = "layer_00", counts: bool = True) -> LayerChange:
    of_j = Change(layer, AuditMeasure.J, before, after, after - before - 0.1, after - before + 0.1, 0.001)
    return LayerChange(of_j, 0.001 if counts else 0.5, counts, counts)


def done(state: TargetState, day: int, changes: dict[str, Any], **given: Any) -> TargetState:
    """An audit in the series of `state`, held against its previous one and baseline."""
    fields: dict[str, Any] = {
        "id": f"a{day}", "at": AT + day * DAY, "series": SERIES, "parts": {}, "beginning": 0, "model_version": f"w{day}",
        "is_live": False, "changes": changes, "previous_id": state.previous_id, "baseline_id": state.baseline_id, "began": None,
    }  # fmt: skip
    return after_done(state, Done(**{**fields, **given}), TELLER)


def told(state: TargetState) -> list[tuple[str, str, str]]:
    return [(alert.kind, alert.state, alert.severity) for alert in state.told]


def act(alert: Alert, verb: Any) -> AlertAction:
    return AlertAction(alert_id=alert.id, fleet="wk", verb=verb, by="ada", note="", until=None)


FIRST = done(NEW, 0, {})


def test_the_first_audit_is_the_baseline_and_tells_nothing() -> None:
    assert (FIRST.baseline_id, FIRST.previous_id, FIRST.told) == ("a0", "a0", ())
    assert TargetState.from_bytes(FIRST.to_bytes()) == FIRST


@pytest.mark.parametrize(
    ("before", "after", "severity"), [(1.0, 0.51, "warning"), (1.0, 0.5, "critical"), (0.1, -0.01, "critical"), (-0.02, -0.2, "warning")]
)  # fmt: skip
def test_a_fall_is_critical_where_half_is_gone(before: float, after: float, severity: str) -> None:
    state = done(FIRST, 1, {"a0": [change(before, after)]})
    assert told(state) == [("separation_fell", "firing", severity)]


def test_a_change_that_is_small_or_uncertain_is_none() -> None:
    state = done(FIRST, 1, {"a0": [change(1.0, 0.2, counts=False)]})
    assert (state.told, state.baseline_id, state.previous_id) == ((), "a0", "a1")


def test_the_alert_names_the_layer_that_changed_most() -> None:
    changes = [change(1.0, 0.8), change(1.0, 0.3, layer="pooled_uniform"), change(1.0, 2.0, layer="layer_02")]
    state = done(FIRST, 1, {"a0": changes})
    assert told(state) == [("separation_fell", "firing", "critical"), ("separation_rose", "firing", "info")]
    fell = state.told[0]
    assert (fell.facts["layer"], fell.facts["layers_changed"], fell.facts["layers"]) == (
        "pooled_uniform",
        2.0,
        3.0,
    )
    assert "all layers together (uniform) fell from 1 to 0.3" in fell.title
    assert "and 1 more" in fell.title


def test_a_fall_since_yesterday_alone_goes_on_until_it_is_made_up_for() -> None:
    """It rose before, so that the baseline shows nothing."""
    higher = done(FIRST, 1, {"a0": [change(1.0, 1.05, counts=False)]})
    fell = done(higher, 2, {"a1": [change(1.05, 0.9)], "a0": [change(1.0, 0.9, counts=False)]})
    same = done(
        fell,
        3,
        {
            "a2": [change(0.9, 0.9, counts=False)],
            "a0": [change(1.0, 0.9, counts=False)],
            "a1": [change(1.05, 0.9)],
        },
    )
    back = done(
        same,
        4,
        {
            "a3": [change(0.9, 1.0)],
            "a0": [change(1.0, 1.0, counts=False)],
            "a1": [change(1.05, 1.0, counts=False)],
        },
    )
    assert [told(one) for one in (fell, same, back)] == [
        [("separation_fell", "firing", "warning")], [("separation_fell", "firing", "warning")], [("separation_fell", "resolved", "warning")],
    ]  # fmt: skip
    assert fell.firing[0].against_id == same.firing[0].against_id == "a1"
    assert back.firing == ()


def test_what_a_firing_alert_holds_against_and_is_forgotten_ends_nothing() -> None:
    fell = done(FIRST, 1, {"a0": [change(1.0, 0.5)]})
    later = done(fell, 2, {"a1": [change(0.5, 0.5, counts=False)]})
    assert (later.told, later.firing) == ((), fell.firing)


def test_acknowledging_what_is_no_change_moves_no_baseline() -> None:
    refused = after_refused(
        FIRST, id_="a1", at=AT + DAY, reason="constant", meaning="all the same", teller=TELLER
    )
    state = after_action(refused, act(refused.told[0], "acknowledge"), AT + 2 * DAY, TELLER)
    assert state is not None
    assert (state.baseline_id, told(state)) == ("a0", [("audit_refused", "acknowledged", "warning")])


def test_an_action_on_another_alert_or_of_the_channels_is_no_step() -> None:
    fell = done(FIRST, 1, {"a0": [change(1.0, 0.5)]})
    assert after_action(fell, act(fell.told[0], "mute"), AT, TELLER) is None
    other = AlertAction(alert_id="f" * 32, fleet="wk", verb="resolve", by="", note="", until=None)
    assert after_action(fell, other, AT, TELLER) is None


def test_overdue_is_told_once_and_again_after_the_next_audit() -> None:
    late = after_overdue(FIRST, since=AT, at=AT + DAY, cause="away", teller=TELLER)
    assert late is not None
    assert after_overdue(late, since=AT + DAY, at=AT + 2 * DAY, cause="away", teller=TELLER) is None
    made = done(late, 3, {})
    assert told(made) == [("audit_overdue", "resolved", "warning")]
    again = after_overdue(made, since=AT + 4 * DAY, at=AT + 5 * DAY, cause="away", teller=TELLER)
    assert again is not None
    assert again.told[0].id != late.told[0].id


def test_the_same_steps_give_the_same_alerts() -> None:
    assert done(FIRST, 1, {"a0": [change(1.0, 0.5)]}) == done(FIRST, 1, {"a0": [change(1.0, 0.5)]})


@pytest.mark.parametrize(
    "stored", [b"", b"{}", b"no json", FIRST.to_bytes().replace(b'"version":1', b'"version":2')]
)
def test_a_state_that_cannot_be_read_says_what_to_do(stored: bytes) -> None:
    with pytest.raises(Misconfigured, match="audit_states"):
        TargetState.from_bytes(stored)


# Comparisons with several audits at once

ANCHORS = matched(64)


@cache
def audit(shift: float, noise: float, seed: int) -> Audit:
    """Of two layers that are one another's mirror."""
    first = rows_of(ANCHORS, 8, seed=0)
    references = {"one": Reference.fit(first), "two": Reference.fit(first[:, ::-1])}
    rows = first + noise * rows_of(ANCHORS, 8, seed=seed)
    rows[is_unsafe(ANCHORS)] += shift
    return audited({"one": rows, "two": rows[:, ::-1]}, ANCHORS, references, poolings=(), draws=999)


def test_held_against_several_at_once_the_p_values_are_at_least_those_of_each_alone() -> None:
    baseline, previous, now = audit(0.6, 0.0, 1), audit(0.55, 0.3, 2), audit(0.5, 0.3, 3)
    together = changed_from((baseline.estimates, previous.estimates), now.estimates)
    for group, before in zip(together, (baseline, previous), strict=True):
        alone = changed(before.estimates, now.estimates)
        assert [one.change for one in group] == [one.change for one in alone]
        assert all(one.p_adjusted >= other.p_adjusted for one, other in zip(group, alone, strict=True))


def test_a_comparison_twice_costs_nothing() -> None:
    """Its draws are the same: that is what being tested jointly means."""
    before, now = audit(0.6, 0.0, 1), audit(0.5, 0.3, 3)
    (one, two), (alone,) = (
        changed_from((before.estimates,) * 2, now.estimates),
        changed_from((before.estimates,), now.estimates),
    )
    assert one == two == alone
    assert changed_from((), now.estimates) == ()


def test_audits_that_cannot_be_compared_are_left_out() -> None:
    before, now = audit(0.6, 0.0, 1), audit(0.5, 0.3, 3)
    other = replace(before, anchors="f" * 16)
    given: dict[str, Any] = {"floor": Floor(), "alpha": 0.05}
    assert set(changes_from({"a": before, "b": other}, now, is_live=False, **given)) == {"a"}
    assert set(changes_from({"a": before, "b": other}, now, is_live=True, **given)) == {"a", "b"}
    fewer = replace(before, draws=99)
    assert changes_from({"a": fewer}, now, is_live=True, **given) == {}


def test_a_live_change_is_as_uncertain_as_two_audits_apart() -> None:
    before, now = audit(0.6, 0.0, 1), audit(0.6, 5.0, 9)
    found = changes_from({"a": before}, now, is_live=True, floor=Floor(), alpha=0.05)["a"][0].change
    apart = [np.std(one.estimates["one"][AuditMeasure.J].draws) for one in (before, now)]
    assert (found.high - found.low) / 3.92 == pytest.approx(float(np.hypot(apart[0], apart[1])), rel=0.5)
