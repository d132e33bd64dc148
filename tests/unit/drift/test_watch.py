"""From traffic to alerts: one a cause, at its place, until it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from monitor.drift.measures import Measure
from monitor.drift.policy import DriftPolicy
from monitor.drift.watch import Watch
from schemas.alert_actions import AlertAction, Verb
from schemas.alerts import alert_id
from schemas.windows import Window
from tests.unit.drift.traffic import GUARD, START, Cell, Memory, Told, row_of, watched, window_of, windows

FLEET = [
    Cell(tenant=t, model=m, category=c)
    for t in ("acme", "beta")
    for m in ("m1", "m2")
    for c in ("benign", "violence", "x")
]
PLACE = ("acme", "m1", "violence")
POLICY = DriftPolicy(dwell_s=600.0, stale_after_s=1200.0)
WARM = 300


def _where(cell: Cell) -> tuple[str, str, str]:
    return cell.tenant, cell.model, cell.category


def _shifted(
    change: Callable[[Cell], Cell], is_in: Callable[[Cell], bool], begins: int, ends: int
) -> Callable[[int], list[Cell]]:
    """The fleet, in which `change` holds for the cells that are in it, in windows `begins` to `ends`."""

    def cells(number: int) -> list[Cell]:
        if not begins <= number < ends:
            return FLEET
        return [change(cell) if is_in(cell) else cell for cell in FLEET]

    return cells


def _doubled(cell: Cell) -> Cell:
    return replace(cell, refuses_harmless=0.18)


def _counted(watch: Watch) -> dict[str, dict[str, int]]:
    """The states of its streams, counted one by one."""
    counts: dict[str, dict[str, int]] = {}
    for view in watch.streams():
        of = counts.setdefault(view.key.measure.value, {})
        of[view.state] = of.get(view.state, 0) + 1
    return counts


def _in_place(cell: Cell) -> bool:
    return _where(cell) == PLACE


ONE_CELL = _shifted(_doubled, _in_place, WARM, 10_000)


@cache
def _warm_windows() -> tuple[tuple[Window, ...], bytes]:
    told = watched(POLICY)
    seen = windows(lambda _: FLEET, WARM, seed=1)
    assert told.see(seen) == []
    return tuple(seen), told.watch.to_bytes()


def _warm(policy: DriftPolicy = POLICY) -> Told:
    """A watch that has seen the fleet for five hours, in which nothing changed."""
    seen, state = _warm_windows()
    return Told(Watch.from_bytes(state, policy, "fleet"), Memory(list(seen)))


def _then(cells: Callable[[int], Sequence[Cell]], until: int, first: int = WARM) -> list[Window]:
    """What comes after that, until a window's number."""
    return windows(cells, until - first, seed=1, first=first)


def _fired() -> Told:
    told = _warm()
    told.see(_then(ONE_CELL, WARM + 60))
    return told


def test_nothing_changes_and_nothing_is_told() -> None:
    told = watched()
    assert told.see(windows(lambda _: FLEET, 1000, seed=2)) == []
    assert {view.state for view in told.watch.streams()} == {"armed", "learning"}
    assert told.watch.streams_by_state() == _counted(told.watch)


def test_a_cell_that_shifts_gives_one_alert_with_all_that_says_the_same() -> None:
    told = _fired()
    (alert,) = told.begun
    assert alert.place in (
        {"measure": "refusal", "tenant": "acme", "model": "m1", "category": "violence"},
        {"measure": "over_refusal", "tenant": "acme", "model": "m1", "category": "violence"},
    )
    assert (alert.kind, alert.severity, alert.state) == ("rate_shift", "warning", "firing")
    assert alert.id == alert_id("fleet", "rate_shift", alert.place, alert.started_at)
    last = told.alerts[-1]
    evidence = last.drift
    assert evidence is not None
    assert {other["measure"] for other in evidence.also} <= {"refusal", "over_refusal"}
    assert any(other["measure"] != alert.place["measure"] for other in evidence.also)
    began = START + timedelta(minutes=WARM)
    assert evidence.changed_from <= began + timedelta(minutes=2)
    assert began - timedelta(minutes=2) <= evidence.changed_until
    assert evidence.odds_ratio.low <= 4.17 <= evidence.odds_ratio.high or alert.place["measure"] == "refusal"
    assert evidence.crossing >= 1.0
    assert evidence.watched_by.guard_name == GUARD[0]
    assert alert.title
    assert alert.remedy
    assert "acme" in evidence.query


@pytest.mark.parametrize(
    ("is_in", "place"),
    [
        (lambda cell: (cell.tenant, cell.model) == ("acme", "m1"), {"tenant": "acme", "model": "m1"}),
        (lambda cell: cell.category == "violence", {"category": "violence"}),
        (lambda cell: cell.tenant == "acme", {"tenant": "acme"}),
    ],
    ids=["a tenant's model", "a category", "a tenant"],
)
def test_a_broad_shift_gives_one_alert_at_its_place(
    is_in: Callable[[Cell], bool], place: dict[str, str]
) -> None:
    told = _warm()
    told.see(_then(_shifted(_doubled, is_in, WARM, 10_000), WARM + 60))
    (alert,) = told.begun
    assert {name: part for name, part in alert.place.items() if name != "measure"} == place
    assert alert.place["measure"] in ("refusal", "over_refusal")


def test_two_causes_give_two_alerts() -> None:
    def cells(number: int) -> list[Cell]:
        changed = ONE_CELL(number)
        if number < WARM:
            return changed
        return [
            replace(cell, harmful_responses=0.1) if (cell.tenant, cell.model) == ("beta", "m2") else cell
            for cell in changed
        ]

    told = _warm()
    told.see(_then(cells, WARM + 60))
    harm, refusal = sorted(told.begun, key=lambda alert: alert.place["tenant"], reverse=True)
    assert harm.place == {"measure": "response_harm", "tenant": "beta", "model": "m2"}
    assert harm.severity == "critical"
    assert refusal.place["tenant"] == "acme"


def test_it_is_over_when_the_rate_is_back_and_not_before() -> None:
    told = _warm()
    told.see(_then(_shifted(_doubled, _in_place, WARM, WARM + 300), WARM + 420))
    (alert,) = told.begun
    ended = [record for record in told.alerts if record.state == "resolved"]
    assert [record.id for record in ended] == [alert.id]
    back = START + timedelta(minutes=WARM + 300)
    assert ended[0].ended_at is not None
    assert back < ended[0].ended_at < back + timedelta(minutes=60)
    assert told.watch.firing() == ()
    assert {view.state for view in told.watch.streams()} == {"armed", "learning"}


def test_a_short_one_fires_through_the_dwell() -> None:
    told = _warm()
    told.see(_then(_shifted(_doubled, _in_place, WARM, WARM + 25), WARM + 200))
    (alert,) = told.begun
    (ended,) = [record for record in told.alerts if record.state == "resolved"]
    assert ended.ended_at is not None
    assert ended.ended_at - alert.started_at >= timedelta(seconds=POLICY.dwell_s)


def test_what_fires_is_said_again_every_five_minutes_with_its_newest_figures() -> None:
    told = _fired()
    records = [alert for alert in told.alerts if alert.state == "firing"]
    gaps = [after.at - before.at for before, after in pairwise(records)]
    assert max(gaps) <= timedelta(minutes=5)
    assert len({record.id for record in records}) == 1
    assert float(records[-1].facts["n"]) > float(records[0].facts["n"])
    assert records[-1].started_at == records[0].started_at


def _act(told: Told, verb: Verb, *, fleet: str = "fleet", alert: str | None = None) -> tuple[str, ...]:
    position = told.watch.position
    assert position is not None
    action = AlertAction(
        alert_id=alert or told.begun[0].id, fleet=fleet, verb=verb, by="someone", note="", until=None
    )
    return tuple(alert.state for alert in told.watch.act(action, position + timedelta(seconds=1)))


def test_the_new_normal_is_normal_and_a_further_shift_fires_anew() -> None:
    told = _fired()
    assert _act(told, "acknowledge") == ("acknowledged",)
    assert told.watch.firing() == ()

    def further(number: int) -> list[Cell]:
        return [
            replace(c, refuses_harmless=0.5) if _in_place(c) and number >= WARM + 400 else c
            for c in ONE_CELL(number)
        ]

    assert told.see(windows(further, 340, seed=1, first=WARM + 60)) == []
    again = told.see(windows(further, 40, seed=1, first=WARM + 400))
    assert {alert.place["category"] for alert in again} == {"violence"}
    assert {alert.started_at >= START + timedelta(minutes=WARM + 400) for alert in again} == {True}


def test_resolved_by_hand_it_fires_anew_while_it_lasts() -> None:
    told = _fired()
    first = told.begun[0].id
    assert _act(told, "resolve") == ("resolved",)
    told.see(windows(ONE_CELL, 60, seed=1, first=WARM + 60))
    assert len(told.begun) == 2
    assert told.begun[1].id != first
    assert {k: v for k, v in told.begun[1].place.items() if k != "measure"} == {
        "tenant": "acme",
        "model": "m1",
        "category": "violence",
    }


def test_actions_that_are_of_no_concern_change_nothing() -> None:
    told = _fired()
    before = told.watch.to_bytes()
    assert _act(told, "mute") == _act(told, "unmute") == ()
    assert _act(told, "resolve", fleet="another") == _act(told, "acknowledge", alert="0" * 32) == ()
    assert told.watch.to_bytes() == before


def test_without_data_it_is_stale_which_is_no_end() -> None:
    def silent(number: int) -> list[Cell]:
        return [
            cell for cell in ONE_CELL(number) if not (_in_place(cell) and WARM + 60 <= number < WARM + 120)
        ]

    told = _fired()
    told.see(windows(silent, 60, seed=1, first=WARM + 60))
    first = told.begun[0].id
    assert [alert.state for alert in told.watch.firing() if alert.id == first] == ["stale"]
    assert "stale" in {view.state for view in told.watch.streams()}
    assert told.watch.streams_by_state() == _counted(told.watch)
    told.see(windows(silent, 10, seed=1, first=WARM + 120))
    assert [alert.state for alert in told.watch.firing() if alert.id == first] == ["firing"]
    assert [alert.kind for alert in told.begun] == [
        "rate_shift",
        "mix_shift",
    ]  # its part of the traffic is gone, too


def test_a_shift_that_goes_further_is_told_at_a_higher_level() -> None:
    def further(number: int) -> list[Cell]:
        return [
            replace(c, refuses_harmless=0.6) if _in_place(c) and number >= WARM + 200 else c
            for c in ONE_CELL(number)
        ]

    told = _warm()
    told.see(_then(further, WARM + 260))
    assert len(told.begun) == 1
    levels = [(alert.drift.level, alert.severity) for alert in told.alerts if alert.drift is not None]
    assert levels[0] == (1, "warning")
    assert levels[-1] == (2, "critical")


def test_another_guard_is_a_change_of_instrument_and_no_drift() -> None:
    def labelled(number: int) -> Window:
        rng = np.random.default_rng([8, number])
        is_new = number >= WARM
        guard = (GUARD[0], "2", "def", 1) if is_new else GUARD
        cells = [replace(cell, refuses_harmless=0.15) for cell in FLEET] if is_new else FLEET
        return window_of([row_of(cell, rng, guard) for cell in cells], START + timedelta(minutes=number))

    told = _warm()
    told.see(labelled(number) for number in range(WARM, WARM + 200))
    (alert,) = told.begun
    assert (alert.kind, alert.severity, alert.place) == (
        "instrument_change",
        "info",
        {"measure": "over_refusal"},
    )
    evidence = alert.drift
    assert evidence is not None
    assert evidence.watched_by.guard_version == "2"
    assert evidence.odds_ratio.low <= 3.35 <= evidence.odds_ratio.high
    assert set(alert.facts) >= {"over_refusal_odds_ratio", "refusal_odds_ratio", "response_harm_odds_ratio"}
    assert told.alerts[-1].state == "resolved"


def test_a_month_of_silence_is_no_alarm() -> None:
    told = watched(DriftPolicy(budget_per_month=20.0))
    told.see(windows(lambda _: FLEET, 200, seed=9))
    later = 30 * 24 * 60
    assert told.see(windows(lambda _: FLEET, 200, seed=9, first=later)) == []


def test_a_clock_that_jumps_forward_is_a_pause() -> None:
    told = watched()
    told.see(windows(lambda _: FLEET, 100, seed=9))
    for year in (1, 5, 20):
        told.see(windows(lambda _: FLEET, 20, seed=9, first=year * 365 * 24 * 60))
    assert told.alerts == []


def test_cells_come_and_go_without_an_alert_about_their_rates() -> None:
    def cells(number: int) -> Sequence[Cell]:
        comers = [Cell(tenant=f"new{n}", model="m1", category="x") for n in range(8) if number > 60 * n]
        return [*FLEET[: 12 - number // 100], *comers]

    told = watched(
        DriftPolicy(shares={Measure.REFUSAL: 2.0, Measure.RESPONSE_HARM: 1.0, Measure.COVERAGE: 1.0})
    )
    assert told.see(windows(cells, 600, seed=6)) == []


def test_dead_letters_and_lost_answers_are_watched() -> None:
    def window(number: int) -> Window:
        rng = np.random.default_rng([12, number])
        cells = [replace(cell, lost=0.1) if number >= WARM and cell.model == "m1" else cell for cell in FLEET]
        letters = int(rng.binomial(240, 0.02 if number >= WARM else 0.002))
        return window_of(
            [row_of(c, rng) for c in cells], START + timedelta(minutes=number), dead_letters=letters
        )

    told = watched(POLICY)
    told.see(window(number) for number in range(200, WARM + 40))
    assert {(alert.kind, tuple(alert.place.items())) for alert in told.begun} == {
        ("dead_letter_shift", (("measure", "dead_letters"),)),
        ("coverage_shift", (("measure", "coverage"), ("model", "m1"))),
    }
