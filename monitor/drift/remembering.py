"""Answers what a watch needs to know of the past from the windows that it has been given: for replays that have no store.

As a store answers (monitor/drift/history.py says how wide), but for hours of which `since` cuts a part off: they are left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec

from monitor.drift.history import AS_WATCHED, HOUR, Stretch, by_hours, floor, stretches
from monitor.drift.needs import HistoryNeed, Need, Scope
from schemas.windows import Window, WindowCounts

_KEPT_FOR: Final = timedelta(hours=27)
"""Windows as they came are kept so long: the day by minutes begins on the hour."""
_KEYS: Final = (
    *("tenant", "model", "category"),
    *("guard_name", "guard_version", "guard_prompt_hash", "calibration_version"),
)
_SUMS: Final = tuple(name for name in WindowCounts.__struct_fields__ if name not in _KEYS)
_FIELDS: Final = (*_KEYS, *_SUMS)
_KEY: Final = attrgetter(*_KEYS)
_VALUES: Final = attrgetter(*_SUMS)


@dataclass(slots=True)
class Memory:
    """The windows of the last day as they came, and all before by hours. Grows by an hour's cells an hour."""

    _recent: list[Window] = field(default_factory=list)
    _hours: list[Window] = field(default_factory=list)

    def take(self, window: Window) -> None:
        """Remember the next window. They come in order."""
        hour = floor(window.begins_at, HOUR)
        if self._recent and floor(self._recent[-1].begins_at, HOUR) < hour:
            self._close()
            begin = bisect_left(self._recent, hour - _KEPT_FOR, key=_begin)
            del self._recent[:begin]
        self._recent.append(window)

    def _close(self) -> None:
        """Add up the hour of the newest window."""
        hour = floor(self._recent[-1].begins_at, HOUR)
        self._hours.append(added_up(self._recent[bisect_left(self._recent, hour, key=_begin) :]))

    def history(self, need: Need) -> tuple[Window, ...]:
        """What it asks for, in order; see ports.History."""
        scope = need.scope if isinstance(need, HistoryNeed) else Scope()
        cut = stretches if isinstance(need, HistoryNeed) else by_hours
        found = [window for stretch in cut(need.since, need.until) for window in self._of(stretch)]
        return tuple(within(window, scope) for window in found)

    def _of(self, stretch: Stretch) -> list[Window]:
        if stretch.width == HOUR:
            whole = _between(self._hours, stretch.since, stretch.until)
            last = self._hours[-1].ends_at if self._hours else stretch.since
            # The hour that isn't over yet.
            rest = [w for w in _between(self._recent, stretch.since, stretch.until) if w.begins_at >= last]
            return [*whole, added_up(rest)] if rest else whole
        windows = _between(self._recent, stretch.since, stretch.until)
        if stretch.width == AS_WATCHED:
            return windows
        return [
            added_up(list(group))
            for _, group in groupby(windows, key=lambda window: floor(window.begins_at, stretch.width))
        ]


def added_up(windows: Sequence[Window]) -> Window:
    """One window of several, in order: from the beginning of the first to the end of the last."""
    sums: dict[tuple[object, ...], list[int]] = {}
    for window in windows:
        for row in window.rows:
            key = _KEY(row)
            known = sums.get(key)
            values = _VALUES(row)
            sums[key] = list(values) if known is None else [a + b for a, b in zip(known, values, strict=True)]
    return Window(
        begins_at=windows[0].begins_at,
        ends_at=windows[-1].ends_at,
        rows=tuple(
            msgspec.convert(dict(zip(_FIELDS, (*key, *values), strict=True)), WindowCounts)
            for key, values in sums.items()
        ),
        messages=sum(window.messages for window in windows),
        dead_letters=sum(window.dead_letters for window in windows),
    )


def _between(windows: list[Window], since: datetime, until: datetime) -> list[Window]:
    return windows[bisect_left(windows, since, key=_begin) : bisect_left(windows, until, key=_begin)]


def _begin(window: Window) -> datetime:
    return window.begins_at


def within(window: Window, scope: Scope) -> Window:
    """The window with the cells of `scope` alone."""
    if scope == Scope():
        return window
    rows = tuple(row for row in window.rows if scope.holds(Scope(row.tenant, row.model, row.category)))
    return Window(
        begins_at=window.begins_at,
        ends_at=window.ends_at,
        rows=rows,
        messages=window.messages,
        dead_letters=window.dead_letters,
    )
