"""Asks the store for rates, and gives them as the document that `--json` prints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from monitor.adapters.clickhouse import connect
from monitor.cli.shapes import RateCell, RatesDocument
from monitor.rates import Dimension, Queries, RateRow
from monitor.rates import rates as rates_of
from monitor.settings import ClickHouseSettings

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2199, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at the rates in one store, again and again over one connection."""

    store: Queries

    async def at(
        self, by: Sequence[Dimension], since: datetime | None, until: datetime | None, *, window_s: int
    ) -> RatesDocument:
        """The rates of exchanges that arrived in [since, until), by cell and in total."""
        begin, end = since or _FIRST, until or _LAST
        cells = await rates_of(self.store, by=by, since=begin, until=end, window_s=window_s) if by else []
        totals = await rates_of(self.store, by=(), since=begin, until=end, window_s=window_s)
        return RatesDocument(
            at=datetime.now(UTC),
            since=since,
            until=until,
            by=list(by),
            cells=[RateCell.model_validate(row) for row in cells],
            total=RateCell.model_validate(totals[0] if totals else NOTHING),
        )


NOTHING: Final = RateRow(None, None, None, None, 0, 0, None, ())
"""The total of no exchange: no row comes back for it."""


@asynccontextmanager
async def look(settings: ClickHouseSettings) -> AsyncIterator[Look]:
    """A look at the store of these settings. Raises what connecting raises."""
    async with await connect(settings) as store:
        yield Look(store)
