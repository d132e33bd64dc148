"""The sections that hold what alerts say against the truth: intervals in simulation (effects.py), and a replay of real labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.drift.effects import EffectRow, coverage, table
from benchmarks.drift.gates import Gate
from benchmarks.drift.replay import (
    MONDAY,
    WEEK,
    Exchange,
    as_one_model,
    exchanges,
    repeated,
    thinned,
    windows,
)
from benchmarks.drift.running import Figure
from benchmarks.drift.watching import Told, told
from monitor.drift.policy import MONTH_S, DriftPolicy

CHANGE: Final = timedelta(days=3, hours=12)
"""From Monday: the middle of the week, Thursday noon."""
CATEGORY: Final = "benign"
_POLICY: Final = DriftPolicy()


def effects(*, is_short: bool, seed: int) -> list[Gate]:
    """Print how often the intervals of alerts hold the truth; the gates of it, over all alarms."""
    rows = coverage(short=is_short, seed=seed)
    print(table(rows))
    return [
        Gate("odds ratio within its 95 % interval, all alarms", _share(rows, "odds_ratio"), low=0.93),
        Gate(
            "change of the rate within its 95 % interval, all alarms", _share(rows, "rate_change"), low=0.93
        ),
        Gate("start within its 95 % set, all alarms", _share(rows, "change_time"), low=0.92),
    ]


def _share(rows: list[EffectRow], name: str) -> Figure:
    alarms = np.array([row.alarms for row in rows], np.float64)
    shares = np.array([getattr(row, name) for row in rows], np.float64)
    share = float((alarms * np.nan_to_num(shares)).sum() / alarms.sum())
    return Figure(share, float(np.sqrt(share * (1.0 - share) / alarms.sum())))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one replay with a change told. `is_right`: one alert, of the category, with the change in its set and the odds
    ratio in its interval."""

    alerts: int
    is_right: bool
    noticed_after_h: float | None


def replay(folder: Path, *, is_short: bool, seed: int) -> list[Gate]:
    """Print what the watch, with default settings, tells of the week; the gates of it."""
    week = exchanges(folder)
    calm = {"as it was": week, "all models behind one name": as_one_model(week)}
    gates = []
    for name, of in calm.items():
        found = told(windows(of), _POLICY)
        print(f"the week, {name}: {len(found)} alerts")
        gates.append(Gate(f"alerts on the real week, {name}", Figure(len(found), 0.0), high=0.0))
    times = 4 if is_short else 60
    gates.append(_changed("one name", as_one_model(week), MONDAY + CHANGE, times=times, seed=seed))
    if not is_short:
        four = repeated(week, 4)
        gates.append(_changed("4 weeks, models apart", four, MONDAY + 2 * WEEK + CHANGE, times=8, seed=seed))
    _false_alarms(as_one_model(week), times=times, seed=seed)
    return gates


def _changed(name: str, of: list[Exchange], change: datetime, *, times: int, seed: int) -> Gate:
    found = [_outcome(of, change, np.random.default_rng((seed, number))) for number in range(times)]
    noticed = [one.noticed_after_h for one in found if one.noticed_after_h is not None]
    right = sum(one.is_right for one in found)
    print(
        f"{CATEGORY} refusals twice as frequent, {name}: {times} draws, one alert in the right cell with start and size within in {right}, "
        f"no alert in {sum(one.alerts == 0 for one in found)}, several in {sum(one.alerts > 1 for one in found)}; "
        f"noticed after {np.mean(noticed) if noticed else float('nan'):.0f} h on average"
    )
    # With one more of each, as all of a few right isn't certainty.
    guess = (right + 1.0) / (times + 2.0)
    figure = Figure(right / times, float(np.sqrt(guess * (1.0 - guess) / times)))
    return Gate(f"one right alert where {CATEGORY} refusals doubled, {name}", figure, low=0.9)


def _outcome(of: list[Exchange], change: datetime, chance: np.random.Generator) -> Outcome:
    alerts = list(told(windows(thinned(of, CATEGORY, change, chance)), _POLICY).values())
    noticed = [one.first.at for one in alerts if one.first.at > change and is_of(one, CATEGORY)]
    hours = (min(noticed) - change).total_seconds() / 3600.0 if noticed else None
    is_right = len(alerts) == 1 and bool(noticed) and holds(alerts[0], change, _odds_ratio(of, change))
    return Outcome(len(alerts), is_right, hours)


def is_of(one: Told, category: str) -> bool:
    """Whether it is a shift of how often a category is refused."""
    place = one.first.place
    return place.get("category") == category and place.get("measure") in ("refusal", "over_refusal")


def holds(one: Told, change: datetime, odds_ratio: float) -> bool:
    """Whether the start is in the alert's set and the odds ratio in its interval."""
    said = one.first.drift
    return (
        said is not None
        and said.changed_from <= change <= said.changed_until
        and said.odds_ratio.low <= odds_ratio <= said.odds_ratio.high
    )


def _odds_ratio(of: list[Exchange], change: datetime) -> float:
    """What the thinning makes of it: that of the week's own drift, times that of a rate that doubles."""
    counts = np.zeros((2, 2))
    for one in of:
        if one.category == CATEGORY and one.refusal is not None:
            counts[int(one.at >= change), one.refusal] += 1.0
    counts[0, 1] /= 2.0
    odds = counts[:, 1] / counts[:, 0]
    return float(odds[1] / odds[0])


def _false_alarms(of: list[Exchange], *, times: int, seed: int) -> None:
    """The week with half of the category's refusals left out from beginning to end: nothing changes."""
    never = of[-1].at + timedelta(seconds=1)
    count = sum(
        len(told(windows(thinned(of, CATEGORY, never, np.random.default_rng((seed, 1, number)))), _POLICY))
        for number in range(times)
    )
    promised = times * _POLICY.budget_per_month * (of[-1].at - of[0].at).total_seconds() / MONTH_S
    print(
        f"the same thinning all week, {times} draws: {count} alerts, at most {promised:.1f} promised (the draws share one week, so this is a look, no gate)"
    )
