"""Pictures of audits by matplotlib, as SVG or PNG: J by layer now and before, J over time, and the anchors on a plane.

Names in them are strangers' text: nothing of it is read as markup or as mathematics. Points that are infinite, or none, are left out.
"""

from __future__ import annotations

import importlib
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from monitor.audit.auditing import POOLED
from monitor.audit.wording import place
from schemas.audits import AuditPicture, AuditRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAFE_COLOUR: Final = "#0072b2"
UNSAFE_COLOUR: Final = "#d55e00"
"""Okabe and Ito's blue and vermilion: told apart by every kind of eye, and shapes say the same."""
NOW_COLOUR: Final = "#0072b2"
BEFORE_COLOUR: Final = "#8a8a8a"
INK: Final = "#333333"
MOST_NAMES: Final = 14
MOST_DRAWN: Final = 1e30
"""A value beyond is no separation that anything has."""
LONGEST_NAME: Final = 48
Format = Literal["svg", "png"]
_STYLE: Final[Any] = {
    "text.parse_math": False,  # a name may hold dollars
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "watchkeeper",  # the same audit gives the same bytes
    "svg.fonttype": "path",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its 95 % interval; None where it is infinite or none."""

    name: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PastPoint:
    """J of one place in one audit. `has_changed`: since the audit before, significantly and by more than the floor."""

    at: datetime
    value: float | None
    low: float | None
    high: float | None
    has_changed: bool = False


def layer_points(record: AuditRecord, measure: str = "j") -> tuple[Point, ...]:
    """The values of one measure, in the record's order."""
    return tuple(
        Point(one.layer, drawable(one.value), drawable(one.low), drawable(one.high))
        for one in record.values
        if one.measure == measure
    )


def past_points(history: Sequence[Mapping[str, Any]]) -> tuple[PastPoint, ...]:
    """Of rows of audit_history.sql."""
    return tuple(
        PastPoint(
            row["at"] if row["at"].tzinfo else row["at"].replace(tzinfo=UTC),
            drawable(row["value"]),
            drawable(row["low"]),
            drawable(row["high"]),
            bool(row.get("has_changed")),
        )
        for row in history
    )


def drawable(value: float | None) -> float | None:
    """The value, or None where a plot could not hold it."""
    return value if value is not None and math.isfinite(value) and abs(value) < MOST_DRAWN else None


def audit_picture(
    record: AuditRecord,
    before: AuditRecord | None,
    history: Sequence[PastPoint],
    *,
    layer: str,
    format: Format = "svg",  # noqa: A002  # matplotlib's word
) -> bytes:
    """All three on one sheet. `layer`: whose J `history` holds. `before`: the audit that `record` was compared with, if any."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(10, 8.4), layout="constrained")
        sheet = figure.add_gridspec(2, 2, height_ratios=(1.05, 1))
        draw_layers(figure.add_subplot(sheet[0, :]), record, before)
        draw_history(figure.add_subplot(sheet[1, 0]), history, layer=layer)
        draw_plane(figure.add_subplot(sheet[1, 1]), record.picture)
        title = f"{_shown(record.model)} on {_shown(record.anchor_set)}, {record.at:%Y-%m-%d %H:%M} UTC"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        return saved(figure, format)


def draw_layers(axes: Axes, record: AuditRecord, before: AuditRecord | None) -> None:
    """J of each layer, then of the poolings, with 95 % intervals; the audit before in grey, open, beside."""
    now = layer_points(record)
    places = _places(now)
    old = {point.name: point for point in layer_points(before)} if before is not None else {}
    was = [old[point.name] for point in now if point.name in old]
    aside = 0.16 if was else 0.0
    if was:
        _bars(
            axes,
            [places[point.name] - aside for point in was],
            was,
            BEFORE_COLOUR,
            "o",
            is_open=True,
            label=f"before, {before.at:%Y-%m-%d %H:%M}" if before is not None else "",
        )
    drawn = _bars(
        axes, [places[p.name] + aside for p in now], now, NOW_COLOUR, "o", is_open=False, label="this audit"
    )
    changed = [one for one in record.changes if one.is_significant and one.is_large and one.layer in places]
    if changed:
        axes.plot(
            [places[one.layer] + aside for one in changed],
            [one.after for one in changed],
            "D",
            color=UNSAFE_COLOUR,
            markersize=7 if len(now) < 80 else 4,
            label="changed, by more than the floor",
        )
    _zero(axes)
    layers = [point for point in now if not point.name.startswith(POOLED)]
    step = max(1, math.ceil(len(layers) / MOST_NAMES))
    poolings = now[len(layers) :]
    room = step // 2 if poolings else 0  # so that the last name doesn't run into theirs
    named = [*layers[: max(len(layers) - room, 1) : step], *poolings]
    axes.set_xticks([places[point.name] for point in named])
    axes.set_xticklabels(
        [_tick(point.name) for point in named], rotation=30 if len(named) > 4 else 0, ha="right" if len(named) > 4 else "center"
    )  # fmt: skip
    if now:
        axes.set_xlim(-0.8, max(places.values()) + 0.8)
    axes.set_ylabel("J: how far apart, 0 is not at all")
    _head(axes, "Safe and unsafe anchors by layer, with 95 % intervals")
    if drawn or was:
        _key(axes)
    else:
        _nothing(axes, "no finite value")


def draw_history(axes: Axes, history: Sequence[PastPoint], *, layer: str) -> None:
    """J of one layer or pooling in every audit of the series, by time."""
    dates: Any = importlib.import_module("matplotlib.dates")  # it has no types

    points = sorted((point for point in history if point.value is not None), key=lambda point: point.at)
    _head(axes, f"J over time, {_shown(place(layer))}")
    axes.set_ylabel("J")
    if not points:
        _nothing(axes, "no audit with a finite value")
        return
    moments = [float(dates.date2num(point.at)) for point in points]
    axes.plot(
        moments, [point.value or 0.0 for point in points], "-", color=NOW_COLOUR, linewidth=1, alpha=0.6
    )
    _bars(
        axes,
        moments,
        [Point("", point.value, point.low, point.high) for point in points],
        NOW_COLOUR,
        "o",
        is_open=False,
        label="",
    )
    changed = [(at, point.value) for at, point in zip(moments, points, strict=True) if point.has_changed]
    if changed:
        axes.plot(
            [at for at, _ in changed], [value or 0.0 for _, value in changed], "D", color=UNSAFE_COLOUR, label="changed"
        )  # fmt: skip
        _key(axes)
    _zero(axes)
    if len(points) == 1:
        axes.set_xlim(moments[0] - 0.5, moments[0] + 0.5)
    locator = dates.AutoDateLocator(minticks=2, maxticks=6, tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlabel("when, UTC")


def draw_plane(axes: Axes, picture: AuditPicture | None) -> None:
    """The anchors of one layer: safe ones as circles, unsafe ones as triangles. The axes never saw the labels."""
    if picture is None or not picture.x:
        _head(axes, "Anchors on a plane")
        _nothing(axes, "this audit has no picture")
        return
    for is_safe, colour, mark, label in (
        (True, SAFE_COLOUR, "o", "safe"),
        (False, UNSAFE_COLOUR, "^", "unsafe"),
    ):
        chosen = [
            (x, y)
            for x, y, safe in zip(picture.x, picture.y, picture.is_safe, strict=False)
            if safe is is_safe and drawable(x) is not None and drawable(y) is not None
        ]
        axes.scatter(
            [x for x, _ in chosen],
            [y for _, y in chosen],
            s=14,
            marker=mark,
            facecolors="none",
            edgecolors=colour,
            linewidths=0.9,
            label=f"{label} ({len(chosen):,})",
        )
    how = {"pca": "principal component"}.get(picture.projection, "axis")
    shares = [f"{share * 100:.2g} %" for share in picture.shares]
    axes.set_xlabel(f"first {how}, {shares[0]} of the variance")
    axes.set_ylabel(f"second {how}, {shares[1]}")
    _key(axes)
    _head(axes, f"The anchors in {_shown(picture.layer)}")


def saved(figure: Figure, format: Format) -> bytes:  # noqa: A002
    """The figure's bytes, the same for the same figure."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        # a name in a script that the font lacks is drawn as boxes; nobody who runs a command can do anything about it
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(out, format=format, dpi=120, metadata={"Date": None} if format == "svg" else None)
    return out.getvalue()


def _places(points: Sequence[Point]) -> dict[str, float]:
    """Where each is on the x axis: layers side by side, poolings apart from them."""
    layers = [point.name for point in points if not point.name.startswith(POOLED)]
    poolings = [point.name for point in points if point.name.startswith(POOLED)]
    beyond = len(layers) + max(0.5, len(layers) * 0.02)
    step = max(1.0, len(layers) / 12)
    return {name: float(n) for n, name in enumerate(layers)} | {
        name: beyond + n * step for n, name in enumerate(poolings)
    }


def _bars(
    axes: Axes, xs: Sequence[float], points: Sequence[Point], colour: str, mark: str, *, is_open: bool, label: str
) -> bool:  # fmt: skip
    """Points with their intervals as far as they have any. Whether there was one."""
    drawn = [(x, point) for x, point in zip(xs, points, strict=True) if point.value is not None]
    if not drawn:
        return False
    for x, point in drawn:
        if point.low is not None and point.high is not None:
            axes.plot([x, x], [point.low, point.high], "-", color=colour, linewidth=1.2, alpha=0.8)
    axes.plot(
        [x for x, _ in drawn],
        [point.value or 0.0 for _, point in drawn],
        mark,
        color=colour,
        markersize=5 if len(drawn) < 80 else 3,
        markerfacecolor="white" if is_open else colour,
        label=label or None,
    )
    return True


def _zero(axes: Axes) -> None:
    axes.axhline(0, color=INK, linewidth=0.6, linestyle=":")


def _head(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)


def _key(axes: Axes) -> None:
    """Above the axes, where nothing is drawn."""
    axes.legend(
        frameon=False,
        fontsize=8,
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.1,
        columnspacing=1.2,
        handletextpad=0.3,
    )


def _nothing(axes: Axes, why: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color=BEFORE_COLOUR)


def _tick(name: str) -> str:
    return f"pooled\n{_shown(name.removeprefix(POOLED))}" if name.startswith(POOLED) else _shown(name)


def _shown(text: str) -> str:
    """A stranger's name on one line of bounded length, without what draws as nothing or turns the line round."""
    printable = "".join(char if char.isprintable() else "\ufffd" for char in text)
    return printable if len(printable) <= LONGEST_NAME else printable[: LONGEST_NAME - 1] + "…"
