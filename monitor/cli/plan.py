"""`watchkeeper plan`: how soon a shift would be noticed in each cell, at today's traffic."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import typer

from monitor.adapters.windows import WatchTables
from monitor.cli.backtest import read_budgets, read_policies
from monitor.cli.choices import chosen, said
from monitor.cli.console import output, print_json
from monitor.cli.drift_shapes import PlanDocument, PlanLine
from monitor.cli.parts import parts_here
from monitor.cli.plan_view import plan_view
from monitor.cli.watch_state import nothing_kept, watch_tables
from monitor.drift.kept import newest
from monitor.drift.measures import RATES, Measure, k_of_n
from monitor.drift.needs import SeasonNeed
from monitor.drift.policy import DriftPolicy
from monitor.drift.streams import StreamKey
from monitor.drift.views import PlanRow, StreamView
from monitor.drift.watch import Watch
from monitor.errors import Misconfigured
from monitor.intervals import Z_95, wilson
from monitor.settings import Settings
from schemas.taxonomy import CATEGORIES
from schemas.windows import Window

_DAY: Final = timedelta(days=1)
Sort = Literal["noticed", "traffic", "rate", "name"]
_SORTS: Final = ("noticed", "traffic", "rate", "name")
_Cell = tuple[Measure, str | None, str | None, str | None]


def plan(
    *,
    budget: Annotated[
        str | None,
        typer.Option(
            help="What another budget would do: false alarms a month.",
            metavar="N",
            show_default="the setting",
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Only this tenant; may be given again.", metavar="TENANT")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; may be given again.", metavar="MODEL")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category; may be given again.", metavar="CATEGORY")
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="Only this measure; may be given again.", metavar="MEASURE")
    ] = None,
    sort: Annotated[
        str, typer.Option(help="By `noticed` (soonest first), `traffic`, `rate` or `name`.", metavar="ORDER")
    ] = "noticed",
    limit: Annotated[
        int, typer.Option(help="At most so many cells in the table; --json has all.", min=1, metavar="N")
    ] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """How soon a shift would be noticed in each cell that is watched, on average, at the traffic of the last day.

    Times are until the alert when the odds become 1.5, 2 or 3 times or half of what they are. A cell that is learning
    can't fire yet: it says how much more traffic it needs. With --budget, what another budget would do to those times;
    how many alerts it would bring is what `watchkeeper backtest` says.

    Examples:
        watchkeeper plan
        watchkeeper plan --budget 10 --tenant acme --measure refusal
        watchkeeper plan --json | jq '.cells[] | select(.state == "learning")'
    """
    wanted = Choice(
        frozenset(tenant or ()),
        frozenset(model or ()),
        chosen(category, CATEGORIES, option="--category", what="category"),
        chosen(measure, [one.value for one in Measure], option="--measure", what="measure"),
    )
    (order,) = chosen([sort], _SORTS, option="--sort", what="order")
    if budget is not None:
        read_budgets(budget)  # a mistake is told before anything is asked
    settings = parts_here().settings
    policies = read_policies(settings.drift, budget, None)
    if len(policies) > 1:
        raise Misconfigured(
            f"--budget {budget!r} names {len(policies)} budgets",
            "give one; `watchkeeper backtest` compares several",
        )
    document = asyncio.run(_plan(settings, policies[0]))
    document = document.model_copy(
        update={"cells": in_order([c for c in document.cells if wanted.takes(c)], order)}
    )
    if as_json:
        print_json(document)
    else:
        console = output()
        console.print(plan_view(document, console.width, limit, wanted=str(wanted)))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cells; empty sets are all."""

    tenants: frozenset[str]
    models: frozenset[str]
    categories: frozenset[str]
    measures: frozenset[str]

    def __str__(self) -> str:
        """In words; empty where all are chosen."""
        return said(tenant=self.tenants, model=self.models, category=self.categories, measure=self.measures)

    def takes(self, cell: PlanLine) -> bool:
        """Whether the cell is among them."""
        wanted = (
            (self.tenants, cell.tenant),
            (self.models, cell.model),
            (self.categories, cell.category),
            (self.measures, cell.measure),
        )
        return all(not names or name in names for names, name in wanted)


async def _plan(settings: Settings, policy: DriftPolicy) -> PlanDocument:
    async with watch_tables(settings) as tables:
        kept = await newest(tables)
        if kept is None:
            raise nothing_kept(settings, await tables.last_end())
        watch = kept.watch(policy, tables.fleet)
        position = watch.position or kept.checkpoint.position
        return PlanDocument(
            position=position,
            budget_per_month=policy.budget_per_month,
            cells=plan_lines(watch, policy, await _events_of_day(tables, position)),
        )


async def _events_of_day(tables: WatchTables, position: datetime) -> Mapping[_Cell, float]:
    return events_a_day(await tables.history(SeasonNeed(position - _DAY, position)))


def events_a_day(windows: Sequence[Window]) -> dict[_Cell, float]:
    """What each cell's measures count a day, by windows of at most a day. Of less than a day, as much as a whole one would bring."""
    counts: Counter[_Cell] = Counter()
    for window in windows:
        for row in window.rows:
            for measure in RATES:
                category = row.category if measure.grain == "category" else None
                counts[measure, row.tenant, row.model, category] += k_of_n(measure, row)[1]
            counts[Measure.MIX, row.tenant, row.model, row.category] += row.answered
            counts[Measure.VOLUME, row.tenant, row.model, None] += row.events
        counts[Measure.DEAD_LETTERS, None, None, None] += window.messages
    if not windows:
        return {}
    span = min(max(windows[-1].ends_at - windows[0].begins_at, timedelta(hours=1)), _DAY)
    return {cell: count * (_DAY / span) for cell, count in counts.items()}


def plan_lines(watch: Watch, policy: DriftPolicy, a_day: Mapping[_Cell, float]) -> list[PlanLine]:
    """A line a cell's stream."""
    rows = {row.key: row for row in watch.plan()}
    return [plan_line(stream, rows.get(stream.key), policy, a_day) for stream in watch.streams()]


def plan_line(
    stream: StreamView, row: PlanRow | None, policy: DriftPolicy, a_day: Mapping[_Cell, float]
) -> PlanLine:
    """A stream and its plan."""
    key = stream.key
    events = row.events_per_day if row is not None else a_day.get(_cell(key), 0.0)
    needed = max(policy.learn_events - stream.events, 0.0) if stream.state == "learning" else None
    low, high = _interval(stream)
    return PlanLine(
        measure=key.measure.value,
        tenant=key.tenant,
        model=key.model,
        category=key.category,
        state=stream.state,
        rate=stream.rate if math.isfinite(stream.rate) else None,
        low=low,
        high=high,
        events_per_day=events,
        noticed_after_h={
            factor: hours if math.isfinite(hours) else None
            for factor, hours in (row.noticed_after_h if row is not None else {}).items()
        },
        events_needed=needed,
        armed_in_h=max(needed / events * 24.0, _too_young_h(stream, policy))
        if needed is not None and events > 0
        else None,
    )


def _too_young_h(stream: StreamView, policy: DriftPolicy) -> float:
    """For how many hours it can't fire whatever its events."""
    age_h = (stream.seen_at - stream.began_at).total_seconds() / 3600.0
    return max(24.0 * policy.learn_days - age_h, 0.0)


def _cell(key: StreamKey) -> _Cell:
    return key.measure, key.tenant, key.model, key.category


def _interval(stream: StreamView) -> tuple[float | None, float | None]:
    """Of a rate Wilson's, on the baseline's counts; of a volume the square root's. None where nothing is known."""
    if not (math.isfinite(stream.rate) and stream.a > 0):
        return None, None
    if stream.key.measure is Measure.VOLUME:
        half = Z_95 / math.sqrt(stream.a)
        return stream.rate * max(1.0 - half, 0.0), stream.rate * (1.0 + half)
    return wilson(stream.a, stream.a + stream.b)


def in_order(cells: Sequence[PlanLine], sort: str) -> list[PlanLine]:
    """By the order asked for; what can't fire yet comes last where that is how soon it would."""

    def name(cell: PlanLine) -> tuple[str, ...]:
        return (cell.tenant or "", cell.model or "", cell.category or "", cell.measure)

    orders: dict[str, Callable[[PlanLine], float]] = {
        "noticed": soonest,
        "traffic": lambda cell: -cell.events_per_day,
        "rate": lambda cell: -(cell.rate or 0.0),
        "name": lambda _: 0.0,
    }
    return sorted(cells, key=lambda cell: (orders[sort](cell), name(cell)))


def soonest(cell: PlanLine) -> float:
    """Hours until a doubling is noticed, or else any shift; a learning cell is beyond all of them, by its wait."""
    if cell.events_needed is not None:
        return 1e9 + (cell.armed_in_h if cell.armed_in_h is not None else 1e9)
    known = [hours for hours in cell.noticed_after_h.values() if hours is not None]
    doubled = cell.noticed_after_h.get("x2")
    return doubled if doubled is not None else min(known, default=1e8)
