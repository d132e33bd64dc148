"""The reliability plot as one SVG file: no script, no font to load, readable on light and dark pages."""

from __future__ import annotations

from html import escape
from math import log10
from typing import Final

from monitor.cli.evaluate_view import TITLES
from monitor.cli.evaluation_shapes import EvaluateDocument, ReliabilityBin, ReliabilityCurve

_SIDE: Final = 220
_LEFT: Final = 52
_TOP: Final = 74
_BAR_HEIGHT: Final = 34
_BETWEEN: Final = 30
_PANEL: Final = _SIDE + _LEFT + _BETWEEN
_HEIGHT: Final = _TOP + _SIDE + _BAR_HEIGHT + 52
_FONTS: Final = "ui-sans-serif, system-ui, sans-serif"
_LEGEND: Final = (
    "On the diagonal, what is said with p happens with p. Bars: 95 % intervals. Dots grow with the rows of their bin; "
    "below, those rows on a logarithmic scale."
)
_LEGEND_WIDTH: Final = 780
_COLOURS: Final = {
    "prompt_harm": "#b45309",
    "response_harm": "#b91c1c",
    "refusal": "#0e7490",
    "category": "#6d28d9",
}


def reliability_plot(document: EvaluateDocument) -> str:
    """The SVG: a panel a question, observed share against said probability, and below it how many rows each bin has."""
    width = max(len(document.reliability) * _PANEL + _BETWEEN, _LEGEND_WIDTH)
    guard = escape(f"{document.guard} {document.guard_version}".strip())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" viewBox="0 0 {width} {_HEIGHT}"',
        f'  font-family="{_FONTS}" font-size="11" role="img" aria-label="Reliability of {guard}">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="600" fill="#111827">Reliability of {guard}</text>',
        f'<text x="{_LEFT}" y="42" fill="#6b7280">{_LEGEND}</text>',
    ]
    for number, curve in enumerate(document.reliability):
        parts += _panel(curve, _LEFT + number * _PANEL, _ece(document, curve))
    return "\n".join([*parts, "</svg>", ""])


def _ece(document: EvaluateDocument, curve: ReliabilityCurve) -> float | None:
    # The first finding of a question is that of all sources.
    found = next(one for one in document.findings if one.question == curve.question)
    return next(figure.value for figure in found.figures if figure.name == "ece")


def _panel(curve: ReliabilityCurve, left: float, ece: float | None) -> list[str]:
    colour = _COLOURS[curve.question]
    rows = sum(each.rows for each in curve.bins)
    bottom = _TOP + _SIDE
    shown = f"{rows:,} rows" + ("" if ece is None else f", ECE {ece:.3f}")
    parts = [
        f'<text x="{left}" y="{_TOP - 8}" fill="#111827" font-weight="600">{TITLES[curve.question]}',
        f'<tspan dx="6" fill="#6b7280" font-weight="400">{shown}</tspan></text>',
        f'<rect x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#d1d5db"/>',
        f'<line x1="{left}" y1="{bottom}" x2="{left + _SIDE}" y2="{_TOP}" stroke="#9ca3af" stroke-dasharray="4 4"/>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = tick * _SIDE
        parts.append(
            f'<text x="{left - 6}" y="{bottom - at + 4:.1f}" text-anchor="end" fill="#6b7280">{tick:g}</text>'
            f'<text x="{left + at:.1f}" y="{bottom + _BAR_HEIGHT + 20}" text-anchor="middle" fill="#6b7280">{tick:g}</text>'
        )
    points = " ".join(
        f"{left + each.mean_probability * _SIDE:.1f},{bottom - each.observed * _SIDE:.1f}"
        for each in curve.bins
    )
    parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-opacity="0.4"/>')
    for each in curve.bins:
        parts += _bin(each, left, bottom, colour=colour, most=max(one.rows for one in curve.bins))
    parts.append(
        f'<text x="{left + _SIDE / 2}" y="{bottom + _BAR_HEIGHT + 38}" text-anchor="middle" fill="#374151">'
        f"{'probability of the chosen category' if curve.question == 'category' else 'probability said'}</text>"
        f'<text transform="translate({left - 36} {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle" fill="#374151">'
        f"{'share that was right' if curve.question == 'category' else 'share that was yes'}</text>"
    )
    return parts


def _bin(each: ReliabilityBin, left: float, bottom: float, *, colour: str, most: int) -> list[str]:
    x, y = left + each.mean_probability * _SIDE, bottom - each.observed * _SIDE
    radius = 2 + 4 * (each.rows / most) ** 0.5
    # Counts span magnitudes: the height is that of their logarithm.
    tall = _BAR_HEIGHT * (log10(1 + each.rows) / log10(1 + most)) * 0.8
    begin, wide = left + each.begin * _SIDE, (each.end - each.begin) * _SIDE - 1
    return [
        f'<path d="M{x:.1f} {bottom - each.low * _SIDE:.1f}V{bottom - each.high * _SIDE:.1f}" stroke="{colour}"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.85"/>',
        f'<rect x="{begin:.1f}" y="{bottom + _BAR_HEIGHT - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"',
        f'  fill="{colour}" fill-opacity="0.25"><title>{each.rows:,} rows</title></rect>',
    ]
