"""What a backtest says: budgets beside each other, what each would have told, beside what was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest

from monitor.adapters.past_windows import PastWindows
from monitor.cli.backtest import Trial, document_of, read_budgets, read_policies, replay
from monitor.cli.backtest_view import backtest_view
from monitor.cli.drift_shapes import BacktestDocument
from monitor.drift.replaying import Ledger
from monitor.drift_settings import DriftSettings
from monitor.errors import Misconfigured
from schemas.alerts import Alert
from schemas.windows import Window
from tests.unit.cli.alerts_fixture import shift
from tests.unit.cli.rendering import rendered
from tests.unit.drift.windows import BEGIN, shifting


@dataclass
class FakePast:
    """Windows by a plan."""

    given: list[Window]
    said: list[datetime] = field(default_factory=list)

    async def windows(self, since: datetime, until: datetime) -> AsyncIterator[Window]:
        for window in self.given:
            if since <= window.begins_at < until:
                yield window


async def backtested(
    *,
    count: int = 300,
    shift_at: int = 240,
    budgets: str = "0.1,2,100",
    fired: tuple[Alert, ...] = (),
    learn: float = 200.0,
) -> BacktestDocument:
    past = FakePast(list(shifting(count, shift_at)))
    trials = [
        Trial.of(policy, "watchkeeper")
        for policy in read_policies(DriftSettings(learn_events=learn, learn_days=0.0), budgets, None)
    ]
    tally = await replay(
        cast(PastWindows, past), trials, BEGIN, BEGIN + timedelta(days=99), on_progress=past.said.append
    )
    known = Ledger()
    known.add(fired)
    return document_of("arrival", tally, trials, fired=known, closed=count)


async def test_a_shift_is_told_by_every_budget_and_sooner_by_larger_ones() -> None:
    document = await backtested()

    assert [trial.budget_per_month for trial in document.trials] == [0.1, 2.0, 100.0]
    found = [one for one in document.findings if one.place.get("model") == "atlas"]
    assert len(found) == 1
    waits = [told.noticed_after_s or 0.0 for told in found[0].told if told is not None]
    assert len(waits) == 3
    assert sorted(waits, reverse=True) == waits
    assert found[0].fired is None
    assert document.exchanges == 300 * 90
    assert (document.windows, document.closed_windows) == (300, 300)
    assert (document.since, document.until) == (BEGIN, BEGIN + timedelta(minutes=300))


async def test_traffic_that_does_not_change_tells_nothing() -> None:
    document = await backtested(shift_at=10_000)

    assert document.findings == []
    assert [trial.alerts for trial in document.trials] == [0, 0, 0]
    assert "Nothing would have fired, and nothing did." in rendered(backtest_view(document), 80)


async def test_too_little_history_is_said() -> None:
    document = await backtested(count=3, shift_at=1, learn=1_000)

    assert [trial.armed for trial in document.trials] == [0, 0, 0]
    shown = rendered(backtest_view(document), 200)
    assert "Nothing could fire: no stream has had the 1,000 events that it learns from first" in shown
    assert "3 min of history: that says what is noticed, not how many alerts a month brings." in shown


async def test_days_of_history_give_a_rough_figure_a_month() -> None:
    document = await backtested(count=60 * 26, shift_at=60 * 25, budgets="2")

    assert document.trials[0].per_month is not None
    assert any("a rough figure" in note for note in document.notes)


async def test_what_did_fire_stands_beside_it() -> None:
    elsewhere = shift(state="acknowledged")
    document = await backtested(budgets="2", fired=(elsewhere,))

    assert [
        (one.fired is not None, [told is not None for told in one.told]) for one in document.findings
    ] == [
        (False, [True]),
        (True, [False]),
    ]
    assert any("were acknowledged" in note for note in document.notes)
    shown = rendered(backtest_view(document), 60)
    assert "did fire: no" in shown
    assert "did fire: after 95 s" in shown
    assert max(map(len, shown.splitlines())) <= 60


@pytest.mark.parametrize("width", [40, 60, 100])
async def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = rendered(backtest_view(await backtested()), width)
    assert max(map(len, shown.splitlines())) <= width


async def test_hostile_names_are_harmless() -> None:
    place = {"measure": "refusal", "tenant": "\x1b[31m\u202e"}
    document = await backtested(budgets="2", fired=(shift(place=place, title="\x1b[31m\u202e", kind="\x1b"),))
    assert not set(rendered(backtest_view(document), 80)) & set("\x1b\u202e")


def test_budgets_are_numbers_above_nought_each_once() -> None:
    assert read_budgets("1, 2,5,2") == [1.0, 2.0, 5.0]
    for wrong in ("", "x", "0", "-1", "nan", "inf", "1,,x"):
        with pytest.raises(Misconfigured, match="--budget"):
            read_budgets(wrong)
    with pytest.raises(Misconfigured, match="7 budgets"):
        read_budgets("1,2,3,4,5,6,7")


def test_an_absurd_budget_or_share_is_refused_as_the_setting_would_be() -> None:
    with pytest.raises(Misconfigured, match="can't be used"):
        read_policies(DriftSettings(), "10001", None)
    with pytest.raises(Misconfigured, match="refusals"):
        read_policies(DriftSettings(), None, "refusals=1")
    (policy,) = read_policies(DriftSettings(), None, "refusal=1")
    assert (policy.budget_per_month, dict(policy.shares)) == (2.0, {"refusal": 1.0})
