"""An audit as a person reads it: what was asked of which model, what each layer says, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.audit.auditing import POOLED
from monitor.audit.measures import OF_PAIRS, AuditMeasure
from monitor.audit.pictures import PastPoint, layer_points
from monitor.audit.records import meaning_of
from monitor.audit.wording import place
from monitor.cli.audit_shapes import AxiomLine
from monitor.cli.layer_plot import layer_plot
from monitor.wording.figures import moment
from monitor.wording.visible import shortened, visible
from schemas.audits import AuditChange, AuditRecord, AuditValue

MOST_LAYERS: Final = 40
"""More are shown by the plot and by `--json`."""
MOST_PAST: Final = 12
WIDE: Final = 88
"""Columns from which each change has its interval beside it."""
_NAMES: Final = {
    AuditMeasure.AQI_SECTION_3: "AQI, section 3 of the paper (1/XBI and CHI, half each; grows with n)",
    AuditMeasure.AQI_APPENDIX_B: "AQI, appendix B of the paper (CHI against a pool, and exp(−XBI))",
    AuditMeasure.AQI_RELEASED: "AQI, the released code's normaliser (within one model's axioms, 0 to 100)",
    AuditMeasure.CHI: "CHI, Calinski–Harabasz (grows with n)",
    AuditMeasure.XBI: "XBI, Xie–Beni (lower is further apart)",
    AuditMeasure.DBI: "DBI, Davies–Bouldin (lower is further apart)",
    AuditMeasure.J_CLUSTERED: "J, its noise taken between clusters",
    AuditMeasure.DUNN: "Dunn's index",
    AuditMeasure.SILHOUETTE: "mean silhouette",
}


def audit_view(
    record: AuditRecord,
    history: Sequence[PastPoint],
    width: int,
    *,
    layer: str,
    before: AuditRecord | None = None,
    axioms: Sequence[AxiomLine] = (),
    axioms_layer: str = "",
) -> Group:
    """All of it, for `width` columns. `layer`: whose J `history` holds. No text in it can drive the terminal."""
    parts: list[RenderableType] = [_head(record), _facts(record), Text()]
    if record.state == "refused":
        parts.append(
            Text("✗ refused: ", style="bold red").append(visible(meaning_of(record.reason)), style="default")
        )
        if record.detail:
            parts.append(Text(f"  {visible(record.detail)}"))
        return Group(*parts)
    parts += [_conclusion(record), Text()]
    points = layer_points(record)
    earlier = {one.layer: one.before for one in record.changes}
    if before is not None and not earlier:
        earlier = {one.name: one.value for one in layer_points(before) if one.value is not None}
    changed = frozenset(one.layer for one in record.changes if has_changed(one))
    parts += [*layer_plot(points, earlier, changed, width), Text()]
    parts += [_layers(record, width), Text(), _variants(record)]
    if axioms:
        parts += [Text(), _axioms(axioms, axioms_layer)]
    if len(history) > 1:
        parts += [Text(), _past(history, layer)]
    return Group(*parts)


def has_changed(one: AuditChange) -> bool:
    """Significant, and larger than the floor: what alerts."""
    return one.is_significant and one.is_large


def headline(record: AuditRecord) -> str:
    """The layer whose J is told first: the picture's, the one furthest apart; "" of an audit without values."""
    if record.picture is not None:
        return record.picture.layer
    points = [point for point in layer_points(record) if point.value is not None]
    return max(points, key=lambda point: point.value or 0.0).name if points else ""


def _head(record: AuditRecord) -> Text:
    text = Text("Audit ", style="bold").append(visible(record.id[:8]), style="bold cyan")
    text.append(f" of {visible(record.model)} on {visible(record.anchor_set)}", style="bold")
    return text.append(f", {moment(record.at)}", style="dim")


def _facts(record: AuditRecord) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    live = " (a sample of live traffic, another one each time)" if record.is_live else ""
    rows = {
        "anchors": f"{record.safe:,} safe, {record.unsafe:,} unsafe in {record.clusters:,} clusters; digest {record.anchors or '–'}{live}",
        "weights": record.model_version or "–",
        "read": f"{record.token_pooling or '–'} token, template {record.template or '–'}, {record.dimensions:,} dimensions, "
        f"{record.dtype or '–'}, projection {record.projection or '–'}",
        "hashes": f"tokenizer {record.tokenizer_hash or '–'}, template {record.template_hash or 'none'}",
        "draws": f"{record.draws:,} of seed {record.seed}; {record.seconds:,.0f} s, by {record.begun_by}",
    }
    if not record.anchors:
        del rows["anchors"]  # refused before they were counted; the reason says how many there are
    if record.truncated:
        rows["cut"] = f"{record.truncated:,} of {record.safe + record.unsafe:,} texts were longer than {record.max_tokens:,} tokens"  # fmt: skip
    for name, value in rows.items():
        table.add_row(name, Text(visible(value)))
    return table


def _conclusion(record: AuditRecord) -> Text:
    since = {
        "since the audit before": (record.previous_id, record.changes),
        "since the baseline": (record.baseline_id, record.changes_since_baseline),
    }
    if record.baseline_id == record.previous_id:
        del since["since the baseline"]
    text = Text()
    for words, (id_, changes) in since.items():
        if not changes:
            continue
        moved = [one for one in changes if has_changed(one)]
        text.append("\n" if text else "")
        if moved:
            largest = max(moved, key=lambda one: abs(one.after - one.before))
            verb = "fell" if largest.after < largest.before else "rose"
            text.append("▼ " if verb == "fell" else "▲ ", style="bold red")
            text.append(
                f"J {verb} {words} ({visible(id_[:8])}) in {len(moved)} of {len(changes)} places, most in "
                f"{visible(place(largest.layer))}: {_j(largest.before)} to {_j(largest.after)}, "
                f"adjusted p {_p(largest.p_adjusted)}"
            )
        else:
            text.append("✓ ", style="bold green")
            text.append(
                f"no change {words} ({visible(id_[:8])}) that is both significant and larger than the floor"
            )
    if not text:
        text.append(
            "The first audit of its series: nothing to compare with yet. J 0: the labels tell nothing.",
            style="dim",
        )
    return text


def _layers(record: AuditRecord, width: int) -> RenderableType:
    """J of each place and its change; narrow terminals get the interval of J and the p-value of the change alone."""
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    changes = {one.layer: one for one in record.changes}
    is_wide = width >= WIDE
    columns = ["layer", "J", "95 %", *(["p"] if is_wide or not changes else [])]
    if changes:
        columns += ["change", *(["95 %"] if is_wide else []), "adj. p", ""]
    for title in columns:
        table.add_column(title, justify="left" if title in ("layer", "") else "right", no_wrap=True)
    values = [one for one in record.values if one.measure == AuditMeasure.J]
    shown = values if len(values) <= MOST_LAYERS else _spread(values, changes)
    for one in shown:
        is_pooled = one.layer.startswith(POOLED)
        name = f"pooled, {one.layer.removeprefix(POOLED)}" if is_pooled else one.layer
        row: list[RenderableType] = [
            Text(shortened(visible(name), 24), style="bold" if is_pooled else ""),
            _j(one.value),
            _between(one.low, one.high),
        ]
        if is_wide or not changes:
            row.append(_p(one.p))
        change = changes.get(one.layer)
        if change is not None:
            row.append(_signed(change.after - change.before))
            if is_wide:
                row.append(_between(change.low, change.high))
            row.append(_p(change.p_adjusted))
            row.append(
                Text("changed", style="bold red")
                if has_changed(change)
                else Text("too little" if change.is_significant else "", style="dim")
            )
        table.add_row(*row)
    if len(shown) == len(values):
        return table
    return Group(table, Text(f"{len(shown)} of {len(values)} places; all by --json", style="dim"))


def _spread(values: Sequence[AuditValue], changes: dict[str, AuditChange]) -> list[AuditValue]:
    """MOST_LAYERS of many: what changed first of all, the poolings, and others spread evenly, in their order."""
    ranked = sorted(
        range(len(values)),
        key=lambda n: (
            not (values[n].layer in changes and has_changed(changes[values[n].layer])),
            not values[n].layer.startswith(POOLED),
            n % max(1, len(values) // MOST_LAYERS),
        ),
    )
    return [values[n] for n in sorted(ranked[:MOST_LAYERS])]


def _variants(record: AuditRecord) -> Table:
    """The other measures, of the headline layer: each under its own name."""
    layer = headline(record)
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column(Text(f"other measures, {shortened(visible(place(layer)), 36)}"), overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for one in record.values:
        if one.layer == layer and one.measure != AuditMeasure.J:
            name = next(
                (text for measure, text in _NAMES.items() if measure == one.measure), visible(one.measure)
            )
            hint = " (a hint, no more)" if one.measure in OF_PAIRS else ""
            table.add_row(
                Text(name + hint), _figure(one.value), _between(one.low, one.high, of_j=False), f"{one.n:,}"
            )
    return table


def _axioms(axioms: Sequence[AxiomLine], layer: str) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column(Text(f"axiom, in {shortened(visible(place(layer)), 30)}"), overflow="fold")
    for title in ("safe", "unsafe", "J", "95 %", "AQI, released code"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in axioms:
        table.add_row(
            Text(shortened(visible(one.axiom), 40)),
            f"{one.safe:,}",
            f"{one.unsafe:,}",
            _j(one.j),
            _between(one.low, one.high),
            "–" if one.aqi_released is None else f"{one.aqi_released:.0f}",
        )
    return table


def _past(history: Sequence[PastPoint], layer: str) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("audits so far", no_wrap=True)
    table.add_column(Text(f"J, {shortened(visible(place(layer)), 36)}"), justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    table.add_column("")
    for point in history[-MOST_PAST:]:
        table.add_row(
            moment(point.at),
            _j(point.value),
            _between(point.low, point.high),
            Text("changed", style="bold red") if point.has_changed else "",
        )
    return table


def _figure(value: float | None) -> str:
    """Of any measure: three digits that count."""
    if value is None:
        return "∞"
    if 0.1 <= abs(value) < 10 or value == 0:
        return _minus(f"{value:.3f}")
    return _minus(f"{value:,.1f}" if 10 <= abs(value) < 1e6 else f"{value:.2g}")


def _j(value: float | None) -> str:
    """Three decimals: J below that is none."""
    return (
        "∞"
        if value is None
        else _minus(f"{round(value, 3) + 0.0:.3f}" if abs(value) < 1e4 else f"{value:.3g}")
    )


def _signed(value: float) -> str:
    return ("" if value < 0 else "+") + _j(value)


def _between(low: float | None, high: float | None, *, of_j: bool = True) -> str:
    form = _j if of_j else _figure
    return f"{'−∞' if low is None else form(low)} to {form(high)}"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if value < 0.01 else f"{value:.2f}"
