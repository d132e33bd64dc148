"""Asks the store for rates, and gives them as the document that `--json` prints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from monitor.adapters.clickhouse import connect
from monitor.cli.rates_shapes import CorrectedFigure, RateCell, RatesDocument
from monitor.corrected import CorrectedRates, corrected_rates
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
        self,
        by: Sequence[Dimension],
        since: datetime | None,
        until: datetime | None,
        *,
        window_s: int,
        is_corrected: bool = False,
    ) -> RatesDocument:
        """The rates of exchanges that arrived in [since, until), by cell and in total; corrected by the judge where
        `is_corrected`."""
        begin, end = since or _FIRST, until or _LAST
        cells = await rates_of(self.store, by=by, since=begin, until=end, window_s=window_s) if by else []
        totals = await rates_of(self.store, by=(), since=begin, until=end, window_s=window_s)
        document = RatesDocument(
            at=datetime.now(UTC),
            since=since,
            until=until,
            by=list(by),
            cells=[RateCell.model_validate(row) for row in cells],
            total=RateCell.model_validate(totals[0] if totals else NOTHING),
        )
        if not is_corrected:
            return document
        asked = [tuple(by), ()] if by else [()]
        found = [
            await corrected_rates(self.store, by=one, since=begin, until=end, window_s=window_s)
            for one in asked
        ]
        return document.model_copy(
            update={
                "cells": [_with(cell, found[0]) for cell in document.cells],
                "total": _with(document.total, found[-1]),
                "judges": list(found[-1].judges),
            }
        )


def _with(cell: RateCell, found: CorrectedRates) -> RateCell:
    """The cell with its corrected rates; one without an answered exchange stays as it is."""
    corrected = found.cells.get((cell.window_start, cell.tenant, cell.model, cell.category))
    if corrected is None:
        return cell
    figures = [
        figure.model_copy(update={"corrected": CorrectedFigure.model_validate(one)})
        for figure, one in zip(cell.rates, corrected, strict=True)
    ]
    return cell.model_copy(update={"rates": figures})


NOTHING: Final = RateRow(None, None, None, None, 0, 0, None, ())
"""The total of no exchange: no row comes back for it."""


@asynccontextmanager
async def look(settings: ClickHouseSettings) -> AsyncIterator[Look]:
    """A look at the store of these settings. Raises what connecting raises."""
    async with await connect(settings) as store:
        yield Look(store)
