"""The overview, and the page of one cell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from monitor.alerts.log import ENDED
from monitor.drift.views import StreamState
from monitor.web.asking import MEASURES, SPANS, Ask, By, read
from monitor.web.baselines import Baselines
from monitor.web.charts import rate_chart
from monitor.web.figures import Counted, begin_of, counted, series, tiles_of, total
from monitor.web.overview import overview, side_of
from monitor.web.rendering import page
from monitor.web.site import Answer, Site, answered
from monitor.web.standing import late_after, pulse, standing
from schemas.alerts import Alert
from schemas.taxonomy import CATEGORIES

STATES: Final[Mapping[StreamState, str]] = {
    "learning": "not watched yet: too few exchanges are known",
    "armed": "watched",
    "firing": "an alert goes on",
    "stale": "an alert goes on, of which no data come",
}
MOST_NAMES: Final = 200
MOST_ALERTS: Final = 5


@dataclass(frozen=True, slots=True)
class Names:
    """The tenants and models that there are, most exchanges first."""

    tenants: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What the store said of an `Ask`."""

    rows: list[Counted]
    names: Names
    baselines: Baselines
    since: datetime
    until: datetime
    troubles: tuple[str, ...]


async def find(site: Site, ask: Ask) -> Found:
    """Everything that the pages of rates need, asked side by side. Never raises for a part that is away."""
    since, until = ask.bounds(site.now())
    cells, names, expected = await asyncio.gather(
        answered(_cells(site, ask, since, until)),
        answered(_names(site, ask.span.by, since, until)),
        site.expected(),
    )
    none: Answer[Names] = Answer(Names((), ()))
    return Found(
        rows=cells.value or [],
        names=names.value or none.value or Names((), ()),
        baselines=expected,
        since=since,
        until=until,
        troubles=(cells.trouble, names.trouble, expected.trouble, site.book.trouble),
    )


async def _cells(site: Site, ask: Ask, since: datetime, until: datetime) -> list[Counted]:
    width_us = int(ask.span.tile.total_seconds() * 1_000_000)
    asked = {
        "since": since,
        "until": until,
        "tile_us": width_us,
        "is_one_tenant": ask.tenant is not None,
        "tenant": ask.tenant or "",
    }
    if ask.span.by == "event":
        return counted(await site.store.query("dashboard_cells_by_event", **asked))
    return counted(await site.store.query("dashboard_cells", fleet=site.fleet, **asked))


async def _names(site: Site, by: By, since: datetime, until: datetime) -> Names:
    asked = {"since": since, "until": until, "limit": MOST_NAMES}
    if by == "event":
        rows = await site.store.query("dashboard_names_by_event", **asked)
    else:
        rows = await site.store.query("dashboard_names", fleet=site.fleet, **asked)
    return Names(
        tuple(row["name"] for row in rows if row["kind"] == "tenant"),
        tuple(row["name"] for row in rows if row["kind"] == "model"),
    )


def _with(names: Sequence[str], chosen: str | None) -> list[str]:
    """The names, and the one that is chosen though there is nothing of it."""
    return [*names, *([chosen] if chosen is not None and chosen not in names else [])]


def _choices(ask: Ask, found: Found) -> dict[str, Any]:
    return {
        "ask": ask,
        "measures": MEASURES,
        "spans": SPANS,
        "categories": CATEGORIES,
        "tenants": _with(found.names.tenants, ask.tenant),
        "all_models": _with(found.names.models, ask.model),
    }


async def overview_page(request: Request) -> Response:
    """`/`."""
    site: Site = request.app.state.site
    ask = read(request.query_params)
    now = site.now()
    found, beats = await asyncio.gather(find(site, ask), pulse(site, now))
    view = overview(
        found.rows,
        ask,
        found.baselines,
        since=found.since,
        until=found.until,
        firing={
            (alert.place.get("model"), alert.place.get("category"))
            for alert in site.book.log.alerts
            if alert.state not in ENDED
            and alert.place.get("measure") == ask.measure
            and ask.tenant in (None, alert.place.get("tenant"))
        },
    )
    log = site.book.log
    going = [alert for alert in log.alerts if alert.state not in ENDED]
    return page(
        request,
        "overview.html",
        troubles=(*found.troubles, beats.trouble),
        title="Overview",
        view=view,
        found=found,
        going=[(alert, log.mute_of(alert, now), log.last_of(alert)) for alert in going[:MOST_ALERTS]],
        more_going=max(0, len(going) - MOST_ALERTS),
        standing=standing(
            going, beats, alerts_trouble=site.book.trouble, now=now, late=late_after(site.settings)
        ),
        pulse=beats,
        chat_logs=site.settings.kafka.chat_logs_topic,
        is_still=beats.ends_at is not None and now - beats.ends_at > late_after(site.settings),
        **_choices(ask, found),
    )


async def cell_page(request: Request) -> Response:
    """`/cell`: one cell over time, every rate of it, and how the watch stands there."""
    site: Site = request.app.state.site
    ask = read(request.query_params)
    found = await find(site, ask)
    rows = [
        row
        for row in found.rows
        if ask.model in (None, row.counts.model) and ask.category in (None, row.counts.category)
    ]
    tiles = tiles_of(found.since, found.until, ask.span.tile)
    times = [begin_of(tile, ask.span.tile) for tile in tiles]
    line = series(rows, ask.measure, tiles)
    expected = found.baselines.of(ask.measure, ask.tenant, ask.model, ask.category)
    all_rates = [
        (measure, total(rows, measure), found.baselines.of(measure, ask.tenant, ask.model, ask.category))
        for measure in MEASURES
    ]
    planned = (
        found.baselines.planned(ask.measure, ask.tenant, ask.model, ask.category)
        if ask.tenant is not None and ask.model is not None
        else None
    )
    return page(
        request,
        "cell.html",
        troubles=found.troubles,
        title=" · ".join(filter(None, (ask.tenant, ask.model))) or "Everything",
        chart=rate_chart(times, [("observed", line)], expected, is_long=ask.span.length.days >= 2),
        table=list(
            zip(times, line, [expected.band(one.n) if expected else None for one in line], strict=True)
        ),
        here=total(rows, ask.measure),
        exchanges=sum(row.counts.events for row in rows),
        side=side_of(total(rows, ask.measure), expected),
        expected=expected,
        all_rates=[(measure, one, base, side_of(one, base)) for measure, one, base in all_rates],
        planned=planned,
        meanings=STATES,
        alerts=[alert for alert in site.book.log.alerts if _is_about(alert, ask)][:MOST_ALERTS],
        found=found,
        **_choices(ask, found),
    )


def _is_about(alert: Alert, ask: Ask) -> bool:
    """Whether a shift is of the cell, or of cells around it."""
    wanted = {"tenant": ask.tenant, "model": ask.model, "category": ask.category}
    return alert.drift is not None and all(
        value is None or alert.place.get(name, value) == value for name, value in wanted.items()
    )
