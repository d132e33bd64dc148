"""The document that `watchkeeper rates --json` prints, as monitor/cli/shapes.py has the others."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from monitor.cli.shapes import Document


class EstimateFigure(Document):
    """An estimate with its interval."""

    rate: float | None = Field(description="The estimate, 0 to 1; null where there is none.")
    low: float | None = Field(description="Lower end of the 95 % interval.")
    high: float | None = Field(description="Upper end.")
    reason: str = Field(description="Why there is no estimate; empty where there is.")


class CorrectedFigure(Document):
    """A rate corrected by the judge's answers."""

    horvitz_thompson: EstimateFigure = Field(
        description="From the judged alone, each weighted by 1 / its probability."
    )
    prediction_powered: EstimateFigure = Field(
        description="From the guard's opinion of all, corrected by where the judge differs (PPI++)."
    )
    tuning: float | None = Field(description="Lambda, how far the guard's opinion is used: 0 to 1.")
    judged: int = Field(description="Judged exchanges in the denominator.")
    covered: float = Field(
        description="Share of the exchanges that the judged can speak for; without 0.9, no estimate."
    )
    narrower: float | None = Field(
        description="Width of the first interval over that of the second: above 1, the guard helps."
    )


class RateFigure(Document):
    """One rate."""

    name: Literal["refusal", "over_refusal", "under_refusal", "prompt_harm", "response_harm"] = Field(
        description="`refusal`: refused of all answered. `over_refusal`: refused of the harmless prompts. "
        "`under_refusal`: not refused of the harmful prompts. `prompt_harm`, `response_harm`: harmful of all."
    )
    numerator: float = Field(description="How many are; weighted where a sample was scored.")
    denominator: float = Field(description="Of how many; weighted likewise.")
    rate: float | None = Field(description="The rate, 0 to 1; null of nothing.")
    low: float | None = Field(description="Lower end of the 95 % Wilson interval.")
    high: float | None = Field(description="Upper end.")
    corrected: CorrectedFigure | None = Field(
        default=None, description="What the judge makes of it, with `--corrected`; else null."
    )


class RateCell(Document):
    """The rates of one cell."""

    window_start: datetime | None = Field(
        description="Beginning of the window, with `--by window`; else null."
    )
    tenant: str | None = Field(description="The tenant, with `--by tenant`; else null.")
    model: str | None = Field(description="The model, with `--by model`; else null.")
    category: str | None = Field(description="The category, with `--by category`; else null.")
    events: int = Field(description="Exchanges, scored or not.")
    answered: int = Field(description="Of those, with an answer of the guard: what the rates are of.")
    coverage: float | None = Field(
        description="answered of those that were to be scored; unknown is never safe."
    )
    rates: list[RateFigure] = Field(description="The five rates, in this order.")


class RatesDocument(Document):
    """`watchkeeper rates --json`; with `--watch` one a line, at each look."""

    at: datetime = Field(description="When this was asked.")
    since: datetime | None = Field(description="Exchanges that arrived from then on; null: from the first.")
    until: datetime | None = Field(description="Exchanges that arrived before; null: to the last.")
    by: list[str] = Field(description="What the cells are by, in order; none: the total alone.")
    cells: list[RateCell] = Field(description="The cells.")
    total: RateCell = Field(description="All together.")
    judges: list[str] = Field(
        default=[], description="Judges whose answers the corrected rates use, with `--corrected`."
    )
