"""How the report says names, shares and times. Texts from strangers are made visible and bounded here, before any format is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from monitor.drift.measures import Measure
from monitor.drift.wording import printable
from monitor.reporting.facts import CellKey
from monitor.wording.figures import NOTHING, share_text
from monitor.wording.visible import visible

LONGEST_TEXT: Final = 400

TITLES: Final[Mapping[Measure, str]] = {
    Measure.REFUSAL: "Refusal",
    Measure.OVER_REFUSAL: "Over-refusal",
    Measure.UNDER_REFUSAL: "Under-refusal",
    Measure.PROMPT_HARM: "Harmful prompts",
    Measure.RESPONSE_HARM: "Harmful responses",
    Measure.COVERAGE: "Without an answer of the guard",
}
MEANINGS: Final[Mapping[Measure, str]] = {
    Measure.REFUSAL: "Refused, of all exchanges with a response.",
    Measure.OVER_REFUSAL: "Refused, of the exchanges whose prompt is harmless: help that was withheld.",
    Measure.UNDER_REFUSAL: "Not refused, of the exchanges whose prompt is harmful: harm that may have been done.",
    Measure.PROMPT_HARM: "Prompts that ask for harm, of all that the guard answered.",
    Measure.RESPONSE_HARM: "Responses that do harm, of all responses.",
    Measure.COVERAGE: "Exchanges that the guard gave no answer to, of all that were to be scored. No rate counts them.",
}
CONCERNED: Final[Mapping[Measure, tuple[str, str]]] = {
    Measure.REFUSAL: ("exchanges with a response", "were refused"),
    Measure.OVER_REFUSAL: ("harmless prompts", "were refused"),
    Measure.UNDER_REFUSAL: ("harmful prompts", "were answered"),
    Measure.PROMPT_HARM: ("prompts", "were harmful"),
    Measure.RESPONSE_HARM: ("responses", "were harmful"),
    Measure.COVERAGE: ("exchanges", "had no answer of the guard"),
}


def name(text: str) -> str:
    """A name of a tenant, a model and the like, on one line and short."""
    return printable(visible(text))


def category(slug: str) -> str:
    """A category as people read it; "" is what has none."""
    return name(slug.replace("_", " ")) if slug else "(no answer)"


def cell(key: CellKey) -> str:
    """As in northwind / atlas-mini / cyberattacks; all traffic where nothing is named."""
    tenant, model, slug = key
    parts = [name(part) for part in (tenant, model) if part is not None]
    if slug is not None:
        parts.append(category(slug))
    return " / ".join(parts) or "all traffic"


def place(key: CellKey) -> dict[str, str]:
    """A cell as an alert's place."""
    named = zip(("tenant", "model", "category"), key, strict=True)
    return {
        part: value.replace("_", " ") if part == "category" else value
        for part, value in named
        if value is not None
    }


def text(hostile: str, most: int = LONGEST_TEXT) -> str:
    """What somebody typed, on one line, with what hides or turns made visible, and bounded."""
    shown = " ".join(visible(hostile[: most * 4]).split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def share(value: float | None) -> str:
    """4.1 %; a dash of nothing."""
    return NOTHING if value is None else share_text(value)


def interval(low: float | None, high: float | None) -> str:
    """3.2–5.0 %."""
    if low is None or high is None:
        return NOTHING
    return f"{share_text(low).removesuffix(' %')}–{share_text(high)}"


def points_beside(change: float, rate: float) -> str:
    """+3.2, with as many decimals as make two digits of the rate beside it, and at least one."""
    per_cent = 100 * rate
    decimals = 1 if per_cent >= 1 or per_cent <= 0 else min(1 - math.floor(math.log10(per_cent)), 6)
    shown = f"{abs(100 * change):.{decimals}f}"
    return shown if not float(shown) else f"{'+' if change > 0 else '−'}{shown}"


def few(names: Sequence[str]) -> str:
    """The first three, and how many more."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"


def whole(value: float) -> str:
    """A count, with commas."""
    return f"{value:,.0f}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Mon 16 November, 14:05, by the clocks of the zone."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%B}, {local:%H:%M}"


def span(begin: datetime, end: datetime) -> str:
    """How long: 40 s, 12 min, 3.5 h, 2.1 days."""
    seconds = max(0.0, (end - begin).total_seconds())
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
