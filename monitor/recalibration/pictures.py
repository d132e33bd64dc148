"""The rate of a refusal token against its threshold as a picture, old and new marked."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import ceil
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from monitor.recalibration.rate_curve import RateCurve, RateMark

Form = Literal["svg", "png"]
MOST_GROUPS: Final = 12
_ACROSS: Final = 3
_CURVE, _OLD, _NEW, _WANTED = "#1f6f8b", "#b7791f", "#a0218c", "#2f855a"


def rate_picture(curves: Sequence[RateCurve], *, title: str, form: Form) -> bytes:
    """One panel a group, the first MOST_GROUPS of them: the share of prompts with the token at every threshold, its 95 % interval,
    the rate that is wanted, the thresholds before and now, and for a single group, as a bar at the threshold, bounds of the
    refusals in words.

    No text is read as markup. Raises ValueError for no curve.
    """
    shown = curves[:MOST_GROUPS]
    if not shown:
        raise ValueError("a picture needs at least one curve")
    across = min(len(shown), _ACROSS)
    down = ceil(len(shown) / across)
    figure = Figure(figsize=(max(4.6 * across, 6.4), 3.6 * down + 0.9), layout="constrained")
    figure.suptitle(_plain(title), fontsize=12, parse_math=False)
    for number, curve in enumerate(shown, start=1):
        axes = figure.add_subplot(down, across, number)
        _panel(axes, curve, is_alone=len(shown) == 1)
    output = BytesIO()
    if form == "svg":
        FigureCanvasSVG(figure)
        figure.savefig(output, format="svg", metadata={"Date": None})
    else:
        FigureCanvasAgg(figure)
        figure.savefig(output, format="png", dpi=150)
    return output.getvalue()


def _panel(axes: Axes, curve: RateCurve, *, is_alone: bool) -> None:
    thresholds = [point.threshold for point in curve.points]
    axes.fill_between(
        thresholds,
        [point.low for point in curve.points],
        [point.high for point in curve.points],
        step="pre",
        alpha=0.18,
        color=_CURVE,
        linewidth=0,
    )
    axes.step(
        thresholds,
        [point.rate for point in curve.points],
        where="pre",
        color=_CURVE,
        linewidth=1.6,
        label="share with the token, 95 %",
    )
    if curve.target is not None:
        axes.axhline(
            curve.target, color=_WANTED, linestyle=":", linewidth=1.3, label=f"wanted {curve.target:.1%}"
        )
    if curve.old is not None:
        _mark(axes, curve.old, "before", _OLD, "o", has_text=is_alone)
    _mark(axes, curve.new, "new", _NEW, "D", has_text=is_alone)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="threshold")
    axes.set_ylabel("prompts with the refusal token")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    name = "" if is_alone and not curve.group else f"{_plain(curve.group) or 'all'}, "
    axes.set_title(f"{name}{curve.n:,} prompts", fontsize=10, parse_math=False)
    axes.legend(fontsize=8, framealpha=0.92, edgecolor="none", loc="upper right")


def _mark(axes: Axes, mark: RateMark, word: str, colour: str, marker: str, *, has_text: bool) -> None:
    axes.axvline(mark.threshold, color=colour, linestyle="--", linewidth=1)
    axes.plot(
        [mark.threshold],
        [mark.rate.value],
        marker,
        color=colour,
        markersize=6,
        label=f"{word}: {mark.threshold:.3f}, {mark.rate.value:.1%}",
    )
    if has_text and mark.text is not None:
        axes.plot(
            [mark.threshold, mark.threshold],
            [mark.text.low, mark.text.high],
            color=colour,
            linewidth=5,
            alpha=0.35,
            solid_capstyle="butt",
            label=f"{word}: refusals in words {mark.text.low:.1%} to {mark.text.high:.1%}",
        )


def _plain(text: str) -> str:
    """Without characters that a picture can't show or that break its XML; at most 80 of them."""
    kept = "".join(char if char.isprintable() else "�" for char in text)
    return kept if len(kept) <= 80 else kept[:79] + "…"
