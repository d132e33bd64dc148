"""The first page: every rate of the fleet, one of them by model and category, and how it went. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from monitor.drift.measures import Measure
from monitor.web.asking import MEASURES, Ask
from monitor.web.baselines import Baselines
from monitor.web.charts import rate_chart
from monitor.web.figures import Baseline, Counted, Figure, begin_of, figure, series, tiles_of, total
from schemas.taxonomy import CATEGORIES

MOST_MODELS: Final = 8
"""So many columns at most, those with most exchanges; the others by the choice above the table."""
LEAST_N: Final = 20
"""Exchanges of which a rate is held against its baseline."""
LEAST_EXCESS: Final = 5.0
"""Exchanges more or less than expected that are worth a mark."""
LEAST_ODDS: Final = 1.25
"""A shift of the odds that is worth a mark: of very many exchanges any is outside of the band."""
_LEVELS: Final = (0.002, 0.01, 0.03, 0.08, 0.2, 0.45, 0.75)

Side = Literal["up", "down", ""]
Rows = Mapping[tuple[str | None, str | None], Sequence[Counted]]


@dataclass(frozen=True, slots=True)
class Tile:
    """One rate of everything that is chosen."""

    measure: Measure
    figure: Figure
    baseline: Baseline | None
    side: Side
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """`level`: how deep it is coloured, 0 to 7. `points`: an SVG polyline's, per stretch without a gap."""

    model: str | None
    category: str | None
    figure: Figure
    baseline: Baseline | None
    side: Side
    level: int
    points: tuple[str, ...]
    base_y: float | None
    fires: bool


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A category, or all of them (None)."""

    category: str | None
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """`models`: the columns after the one for all. `more_models`: how many more there are."""

    exchanges: int
    tiles: tuple[Tile, ...]
    models: tuple[str, ...]
    more_models: int
    rows: tuple[MatrixRow, ...]
    chart: Mapping[str, Any]
    times: tuple[datetime, ...]


def overview(
    rows: Sequence[Counted],
    ask: Ask,
    baselines: Baselines,
    *,
    since: datetime,
    until: datetime,
    firing: Collection[tuple[str | None, str | None]] = (),
) -> Overview:
    """Everything on the page. `rows` are of the tenant that is asked for, of all models and categories. `firing`: the cells of which
    an alert about this measure goes on."""
    chosen = [row for row in rows if ask.model in (None, row.counts.model)]
    cells = by_cell(chosen)
    tiles = tiles_of(since, until, ask.span.tile)
    there = _by_traffic(chosen)
    models = (ask.model,) if ask.model is not None else there[:MOST_MODELS]
    categories: tuple[str | None, ...] = (None,)
    if ask.measure.grain == "category" or ask.measure is Measure.PROMPT_HARM:
        categories = (None, *CATEGORIES)
    return Overview(
        exchanges=sum(row.counts.events for row in chosen),
        tiles=tuple(_tile(measure, chosen, ask, baselines) for measure in MEASURES),
        models=models,
        more_models=max(0, len(there) - MOST_MODELS),
        rows=tuple(
            _row(category, (None, *models), cells, ask=ask, baselines=baselines, tiles=tiles, firing=firing)
            for category in categories
        ),
        chart=_chart(cells, ask, baselines, tiles=tiles, models=models),
        times=tuple(begin_of(tile, ask.span.tile) for tile in tiles),
    )


def by_cell(rows: Sequence[Counted]) -> Rows:
    """By model and category, each and all (None)."""
    found: dict[tuple[str | None, str | None], list[Counted]] = {}
    for row in rows:
        model, category = row.counts.model, row.counts.category
        for cell in ((model, category), (None, category), (model, None), (None, None)):
            found.setdefault(cell, []).append(row)
    return found


def _by_traffic(rows: Sequence[Counted]) -> tuple[str, ...]:
    """The models, those with most exchanges first."""
    events: Counter[str] = Counter()
    for row in rows:
        events[row.counts.model] += row.counts.events
    return tuple(name for name, _ in sorted(events.items(), key=lambda one: (-one[1], one[0])))


def side_of(found: Figure, expected: Baseline | None) -> Side:
    """Whether a rate lies outside of where its baseline says it should, by enough to matter."""
    band = expected.band(found.n) if expected is not None else None
    if expected is None or band is None or found.rate is None or found.n < LEAST_N:
        return ""
    odds = _odds(found.rate) / _odds(expected.rate)
    if abs(found.k - expected.rate * found.n) < LEAST_EXCESS:
        return ""
    if found.rate > band[1] and odds >= LEAST_ODDS:
        return "up"
    return "down" if found.rate < band[0] and odds <= 1 / LEAST_ODDS else ""


def level_of(rate: float | None) -> int:
    """How deep a rate is coloured, 0 to 7."""
    return sum(rate >= level for level in _LEVELS) if rate is not None else 0


def _odds(rate: float) -> float:
    held = min(max(rate, 1e-9), 1 - 1e-9)
    return held / (1 - held)


def _tile(measure: Measure, rows: Sequence[Counted], ask: Ask, baselines: Baselines) -> Tile:
    found = total(rows, measure)
    expected = baselines.of(measure, ask.tenant, ask.model, None)
    return Tile(measure, found, expected, side_of(found, expected), measure is ask.measure)


def _row(
    category: str | None,
    models: Sequence[str | None],
    cells: Rows,
    *,
    ask: Ask,
    baselines: Baselines,
    tiles: Sequence[int],
    firing: Collection[tuple[str | None, str | None]],
) -> MatrixRow:
    lines = [series(cells.get((model, category), ()), ask.measure, tiles) for model in models]
    top = max((one.rate for line in lines for one in line if one.rate is not None), default=0.0)
    found = []
    for model, line in zip(models, lines, strict=True):
        here = figure(sum(one.k for one in line), sum(one.n for one in line))
        expected = baselines.of(ask.measure, ask.tenant, model or ask.model, category)
        top_here = max(top, expected.rate if expected else 0.0, 1e-9)
        found.append(
            MatrixCell(
                model=model,
                category=category,
                figure=here,
                baseline=expected,
                side=side_of(here, expected),
                level=level_of(here.rate),
                points=sparkline([one.rate for one in line], top_here),
                base_y=_y(expected.rate, top_here) if expected else None,
                fires=(model, category) in firing,
            )
        )
    return MatrixRow(category, tuple(found))


WIDTH: Final = 100.0
HEIGHT: Final = 20.0


def sparkline(rates: Sequence[float | None], top: float) -> tuple[str, ...]:
    """Polylines in a box of WIDTH by HEIGHT, one for each stretch without a gap; a single point is a short dash."""
    step = WIDTH / max(len(rates) - 1, 1)
    lines: list[str] = []
    stretch: list[str] = []
    for at, rate in enumerate((*rates, None)):
        if rate is not None:
            stretch.append(f"{at * step:.1f},{_y(rate, top):.1f}")
        elif stretch:
            if len(stretch) == 1:
                x, y = stretch[0].split(",")
                stretch.append(f"{float(x) + step / 2:.1f},{y}")
            lines.append(" ".join(stretch))
            stretch = []
    return tuple(lines)


def _y(rate: float, top: float) -> float:
    return HEIGHT - 1.5 - (HEIGHT - 3.0) * min(rate / top, 1.0)


def _chart(
    cells: Rows, ask: Ask, baselines: Baselines, *, tiles: Sequence[int], models: Sequence[str]
) -> Mapping[str, Any]:
    named = [(model, series(cells.get((model, None), ()), ask.measure, tiles)) for model in models]
    whole = series(cells.get((None, None), ()), ask.measure, tiles)
    return rate_chart(
        [begin_of(tile, ask.span.tile) for tile in tiles],
        [("all" if ask.model is None else ask.model, whole), *(named if ask.model is None else [])],
        baselines.of(ask.measure, ask.tenant, ask.model, None),
        is_long=ask.span.length.days >= 2,
    )
