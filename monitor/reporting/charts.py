"""The report's pictures, by matplotlib as SVG: texts stay texts, nothing is fetched, and the same figures give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from monitor.drift.measures import Measure
from monitor.reporting import words
from monitor.reporting.changes import RATES, Changes
from monitor.reporting.document import Cell, Column, Picture, Table
from monitor.reporting.facts import EVERYTHING, AuditValue, CellKey
from monitor.wording.figures import NOTHING

_QUERIES: Final = ("report_days",)
_INK, _QUIET, _LINE, _BAND, _SHADE = "#1b1f24", "#57606a", "#0b5394", "#9fc5e8", "#eef2f6"
_LETTERS: Final = "DejaVu Sans"
_HEADER: Final = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")
_ID: Final = re.compile(r'\sid="([^"]*)"')
_REFERENCE: Final = re.compile(r'(?:url\(|href=")#([^")]+)')
_LONGEST_LABEL: Final = 34
LEAST_IN_A_FIELD: Final = 20
"""Exchanges that a field of a heat map needs for a colour: a rate of fewer is mostly chance, and would set the scale of all others."""


@contextmanager
def _drawing(width: float, height: float, salt: str, **grid: Any) -> Iterator[tuple[Any, Any, io.StringIO]]:
    """A figure with its axes; what is written to the text is its SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": salt,  # ids differ from picture to picture, or one page's would clash
            "text.parse_math": False,  # a name with dollar signs is no formula
            "font.family": [_LETTERS],
            "font.size": 8,
            "axes.edgecolor": _QUIET,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
        }
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(**grid)
        written = io.StringIO()
        yield figure, axes, written
        figure.savefig(
            written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )


def _svg(written: io.StringIO, salt: str) -> str:
    """The element alone, without declaration and document type, which have no place in a page; ids that nothing refers to are left out, and the
    others are this picture's own."""
    drawn = _HEADER.sub("", written.getvalue()).strip()
    used = set(_REFERENCE.findall(drawn))

    def own(tag: re.Match[str]) -> str:
        ids = _ID.sub(lambda found: f' id="{salt}-{found[1]}"' if found[1] in used else "", tag[0])
        return _REFERENCE.sub(lambda found: found[0].replace("#", f"#{salt}-"), ids)

    return _TAG.sub(own, drawn)


def rates_by_day(changes: Changes) -> Picture:
    """The five rates over five weeks, day by day, with intervals."""
    grid = changes.grid
    rows: list[tuple[Cell, ...]] = []
    has_past = changes.has_past()
    first = 0 if has_past else 28
    days = range(first, len(grid.days))
    measures = RATES
    with _drawing(7.2, 5.6, "rates-by-day", nrows=len(measures), ncols=1, sharex=True) as (_, axes, written):
        for axis, measure in zip(axes, measures, strict=True):
            _, d, _ = changes.counts(measure, EVERYTHING)
            at, low, high, mid = [], [], [], []
            for number in days:
                if d[number] <= 0:
                    continue
                one = np.zeros(len(grid.days), dtype=np.bool_)
                one[number] = True
                rate = changes.rate(measure, EVERYTHING, one)
                at.append(number)
                mid.append(100 * (rate.value or 0.0))
                low.append(100 * (rate.low or 0.0))
                high.append(100 * (rate.high or 0.0))
                day = grid.days[number]
                rows.append(
                    (
                        Cell(f"{words.TITLES[measure]}, {day.day} {day:%B}", day.isoformat()),
                        Cell(words.share(rate.value), rate.value),
                        Cell(words.interval(rate.low, rate.high)),
                        Cell(words.whole(rate.denominator), rate.denominator),
                    )
                )
            axis.axvspan(27.5, 34.5, color=_SHADE, zorder=0, linewidth=0)
            axis.vlines(at, low, high, color=_BAND, linewidth=4, zorder=1)
            axis.plot(at, mid, color=_LINE, linewidth=1, marker="o", markersize=2.6, zorder=2)
            axis.set_title(f"{words.TITLES[measure]}, %", loc="left", fontsize=8, pad=3)
            axis.set_ylim(bottom=0, top=max(high, default=1.0) * 1.15 or 1.0)
            axis.locator_params(axis="y", nbins=3)
            if not at:
                axis.set_yticks([])
                axis.text(
                    0.5,
                    0.5,
                    "nothing to count",
                    transform=axis.transAxes,
                    ha="center",
                    va="center",
                    color=_QUIET,
                )
            axis.tick_params(length=2)
        ticks = list(range(first, len(grid.days), 7 if has_past else 1))
        axes[-1].set_xticks(ticks, [f"{grid.days[number].day} {grid.days[number]:%b}" for number in ticks])
        axes[-1].set_xlim(first - 0.5, 34.5)
    over = "five weeks; this week is shaded" if has_past else "this week's days"
    return Picture(
        "chart-rates",
        f"Rates of all traffic by day, with 95 % intervals{', this week shaded' if has_past else ''}",
        f"Five line charts of the daily rates in per cent over {over}, with 95 % intervals as bars. The table after it has the same figures.",
        _svg(written, "rates"),
        Table(
            "chart-rates-data",
            "Figures of the chart",
            (Column("Rate and day", is_number=False), *map(Column, ("Rate", "95 % interval", "Of"))),
            tuple(rows),
            _QUERIES,
        ),
        _QUERIES,
    )


def heat_map(changes: Changes, measure: Measure, categories: Sequence[CellKey]) -> Picture | None:
    """A rate by category and day of the week; None where no day of it has any."""
    from matplotlib.colors import LinearSegmentedColormap

    grid = changes.grid
    days = grid.week.days
    values = np.full((len(categories), len(days)), np.nan)
    counted = np.zeros_like(values)
    for row, key in enumerate(categories):
        n, d, _ = changes.counts(measure, key)
        for column in range(len(days)):
            number = 28 + column
            counted[row, column] = d[number]
            if d[number] > 0:
                values[row, column] = n[number] / d[number]
    kept = [row for row in range(len(categories)) if counted[row].sum() > 0]
    if not kept:
        return None
    categories, values, counted = [categories[row] for row in kept], values[kept], counted[kept]
    told = np.isfinite(values) & (counted >= LEAST_IN_A_FIELD)
    top = max(float(values[told].max()) if told.any() else 0.0, 1e-9)
    palette = LinearSegmentedColormap.from_list("heat", ["#f7fbff", "#6baed6", "#08306b"]).with_extremes(
        bad="#ffffff"
    )
    labels = [_short(words.category(key[2] or "")) for key in categories]
    heads = [f"{day:%a} {day.day} {day:%b}" for day in days]
    salt = f"heat-{measure.value}"
    with _drawing(7.2, 0.75 + 0.26 * len(categories), salt) as (_, axis, written):
        axis.pcolormesh(
            np.where(told, values, np.nan),
            cmap=palette,
            vmin=0,
            vmax=top,
            edgecolors="#ffffff",
            linewidth=1,
        )
        for row in range(len(categories)):
            for column in range(len(days)):
                value = values[row, column]
                ink = _ink_on(palette(value / top)) if told[row, column] else _QUIET
                axis.text(
                    column + 0.5,
                    row + 0.5,
                    f"{100 * value:.1f}" if np.isfinite(value) else "–",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=ink,
                )
        axis.set_yticks(np.arange(len(categories)) + 0.5, labels)
        axis.set_xticks(np.arange(len(days)) + 0.5, heads)
        axis.invert_yaxis()
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        for side in axis.spines.values():
            side.set_visible(False)
    rows = tuple(
        (
            Cell(words.category(key[2] or "")),
            *(
                Cell(words.share(value), value) if np.isfinite(value) else Cell(NOTHING)
                for value in map(float, values[row])
            ),
        )
        for row, key in enumerate(categories)
    )
    return Picture(
        f"chart-{salt.replace('_', '-')}",
        f"{words.TITLES[measure]} by category and day, %",
        f"A grid of categories by days; each field holds the rate of {words.TITLES[measure].lower()} in per cent, darker where it is higher, up to "
        f"{words.share(top)}; without a colour where it is of fewer than {LEAST_IN_A_FIELD}. A dash: nothing to count. The table after it has the same figures.",
        _svg(written, salt),
        Table(
            f"chart-{salt.replace('_', '-')}-data",
            "Figures of the chart",
            (Column("Category", is_number=False), *map(Column, heads)),
            rows,
            _QUERIES,
        ),
        _QUERIES,
    )


def _ink_on(colour: tuple[float, float, float, float]) -> str:
    """Black or white, whichever is easier to read on it: a contrast of 4.5 at least, as WCAG counts it."""
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def audit_picture(
    id_: str, title: str, values: Sequence[AuditValue], newest_id: str, zone: ZoneInfo
) -> Picture | None:
    """J by layer in the newest audit, and over time in the layer where it is largest; None where no J is finite."""
    known = [value for value in values if value.value is not None]
    newest = [value for value in known if value.audit_id == newest_id]
    if not newest:
        return None
    best = max(newest, key=lambda value: value.value or 0.0).layer
    over_time = sorted((value for value in known if value.layer == best), key=lambda value: value.at)
    rows: list[tuple[Cell, ...]] = []
    with _drawing(7.2, 2.4, id_, nrows=1, ncols=2) as (_, axes, written):
        for axis, shown, labels, head in (
            (axes[0], newest, [_short(words.name(one.layer)) for one in newest], "by layer"),
            (
                axes[1],
                over_time,
                [f"{one.at.astimezone(zone).day} {one.at.astimezone(zone):%b}" for one in over_time],
                f"over time, {_short(words.name(best))}",
            ),
        ):
            at = list(range(len(shown)))
            mid = [one.value or 0.0 for one in shown]
            axis.vlines(
                at,
                [_or(one.low, one.value) for one in shown],
                [_or(one.high, one.value) for one in shown],
                color=_BAND,
                linewidth=4,
            )
            axis.plot(at, mid, color=_LINE, linewidth=1, marker="o", markersize=2.6)
            axis.set_title(f"J {head}", loc="left", fontsize=8, pad=6)
            axis.set_ylim(bottom=0)
            step = max(1, len(at) // 8)
            axis.set_xticks(at[::step], labels[::step], rotation=30, ha="right")
            rows += [
                (
                    Cell(f"{words.name(one.layer)}, {one.at.astimezone(zone):%d %B}"),
                    Cell(f"{one.value:.3g}", one.value),
                    Cell(NOTHING if one.low is None or one.high is None else f"{one.low:.3g}–{one.high:.3g}"),
                )
                for one in shown
            ]
    return Picture(
        f"chart-{id_}",
        f"{title}: separation J of safe and unsafe prompts",
        f"Two charts of J with 95 % intervals: by layer in the newest audit, and in {words.name(best)} over {len(over_time)} audits. The table "
        "after it has the same figures.",
        _svg(written, id_),
        Table(
            f"chart-{id_}-data",
            "Figures of the chart",
            (Column("Layer and day", is_number=False), Column("J"), Column("95 % interval")),
            tuple(rows),
            ("report_audits",),
        ),
        ("report_audits",),
    )


def _or(value: float | None, other: float | None) -> float:
    return value if value is not None else other or 0.0
