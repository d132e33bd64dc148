"""An alert in words, for people: title, place, figures with intervals, since when, the next step. No user text: there is none in it.

What it says is plain text on one line each; each channel escapes it in its own way.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from monitor.drift.measures import Measure
from monitor.drift.units import change_interval_text, rate_interval_text
from monitor.notifying.message import Message, Telling
from monitor.notifying.news import News, is_over
from monitor.wording.figures import moment, number, times_text
from schemas.alerts import Alert
from schemas.evidence import DriftEvidence

MOST_FACTS: Final = 8
MOST_CELLS: Final = 3
TITLE: Final = 200
VALUE: Final = 300
REMEDY: Final = 600
TEST: Final = "TEST, nothing is wrong"

_SAYS: Final[dict[News, str]] = {
    News.BEGAN: "began",
    News.ESCALATED: "has become stronger",
    News.EASED: "has become less severe",
    News.STALE: "has no data any more",
    News.BACK: "has data again and goes on",
    News.GOES_ON: "goes on",
    News.ACKNOWLEDGED: "was acknowledged",
    News.RESOLVED: "is over",
}
_PLACES: Final = ("measure", "tenant", "model", "category")
"""In this order, before all others."""


@dataclass(frozen=True, slots=True)
class Words:
    """`headline`: severity, news and title. `fields`: name and value, in order. `command` shows all of it."""

    headline: str
    title: str
    fields: tuple[tuple[str, str], ...]
    remedy: str
    command: str


def words(telling: Telling, *, is_test: bool = False) -> Words:
    """One telling in words."""
    alert = telling.alert
    title = one_line(alert.title, TITLE)
    said = f"{alert.kind} {_SAYS[telling.news]}"
    mark = TEST if is_test else alert.severity.upper()
    fields = [("Kind", said), ("Fleet", alert.fleet), *_where(alert), *_when(alert), *_figures(alert)]
    return Words(
        headline=one_line(f"[{mark}] {_SAYS[telling.news]}: {title}", TITLE + 60),
        title=title,
        fields=tuple((one_line(name, 60), one_line(value, VALUE)) for name, value in fields if value),
        remedy="" if is_over(alert) else one_line(alert.remedy, REMEDY),
        command=f"watchkeeper alerts show {one_line(alert.id, 64)}",
    )


def subject(message: Message) -> str:
    """One line for the whole message."""
    first = words(message.tellings[0], is_test=message.is_test).headline
    more = len(message.tellings) - 1
    return first if not more else one_line(f"{first} (and {more} more)", TITLE + 80)


def one_line(text: str, most: int) -> str:
    """The text without what breaks lines, hides or turns text round, at most so many characters."""
    # C: control, format (bidi, zero width), surrogates, private use. Zl, Zp: separators that end lines.
    plain = "".join(
        " " if unicodedata.category(char)[0] == "C" or unicodedata.category(char) in ("Zl", "Zp") else char
        for char in text
    )
    plain = " ".join(plain.split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _where(alert: Alert) -> list[tuple[str, str]]:
    keys = [*(key for key in _PLACES if key in alert.place), *sorted(alert.place.keys() - set(_PLACES))]
    return [("Place", ", ".join(f"{key} {alert.place[key]}" for key in keys))]


def _when(alert: Alert) -> list[tuple[str, str]]:
    ended = [("Until", moment(alert.ended_at))] if alert.ended_at is not None else []
    if alert.drift is None:
        return [("Since", moment(alert.started_at)), *ended]
    drift = alert.drift
    since = (
        f"{moment(drift.changed_at)} (95 %: {moment(drift.changed_from)} to {moment(drift.changed_until)}), "
        f"noticed {moment(alert.started_at)}"
    )
    return [("Since", since), *ended]


def _figures(alert: Alert) -> list[tuple[str, str]]:
    if alert.drift is not None:
        return drift_figures(alert.drift)
    facts = sorted(alert.facts.items())[:MOST_FACTS]
    return [
        (name.replace("_", " "), value if isinstance(value, str) else number(value)) for name, value in facts
    ]


def drift_figures(drift: DriftEvidence) -> list[tuple[str, str]]:
    """What a shift rests on, each estimate with its 95 % interval."""
    measure, is_volume = drift.measure, drift.measure == Measure.VOLUME
    before, after = (rate_interval_text(measure, one) for one in (drift.rate_before, drift.rate_after))
    change = change_interval_text(measure, drift.rate_change)
    odds = drift.odds_ratio
    counted = (
        f"{number(drift.k)} events, {number(drift.expected)} expected"
        if is_volume
        else f"{number(drift.k)} of {number(drift.n)}, {number(drift.expected)} expected"
    )
    affected = [stratum for stratum in drift.strata if stratum.is_affected]
    named = "; ".join(f"{one.tenant} {one.model} {one.category}" for one in affected[:MOST_CELLS])
    more = len(affected) - MOST_CELLS
    return [
        ("Measure", f"{drift.measure} {drift.direction}, level {drift.level}"),
        ("Rate", f"{before} before, {after} after, change {change}"),
        (
            "Rate ratio" if is_volume else "Odds ratio",
            f"{times_text(odds.value)} ({times_text(odds.low)} to {times_text(odds.high)})",
        ),
        ("Counted", counted),
        ("Affected", f"{named}{f' and {more} more' if more > 0 else ''}"),
        ("Budget", f"at most {number(drift.budget_per_month)} false alarms a month over everything watched"),
    ]
