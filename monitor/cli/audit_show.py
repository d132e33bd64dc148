"""`watchkeeper audit show`: the newest audit, or another one, and the history it stands in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.text import Text

from monitor.adapters.audits import history_of, newest_records, record_of
from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.audit.pictures import PastPoint, audit_picture, past_points
from monitor.cli.audit_shapes import AuditDocument, AuditPastLine, AxiomLine
from monitor.cli.audit_view import audit_view, headline
from monitor.cli.choices import said
from monitor.cli.console import notes, output, print_json
from monitor.cli.parts import parts_here
from monitor.errors import Misconfigured
from monitor.settings import Settings
from schemas.audits import AuditRecord

LOOKED_AT: Final = 200
"""Newest audits among which the beginning of an id is looked for."""
_WHOLE_ID: Final = 32
_FORMATS: Final[dict[str, Literal["svg", "png"]]] = {".svg": "svg", ".png": "png"}


@dataclass(frozen=True, slots=True)
class Shown:
    """An audit with what stands beside it. `layer`: whose J `history` holds."""

    record: AuditRecord
    before: AuditRecord | None
    layer: str
    history: Sequence[dict[str, Any]]

    @property
    def past(self) -> tuple[PastPoint, ...]:
        """The history that can be compared with it: of its own series."""
        return past_points([row for row in self.history if row["series"] == self.record.series])


def show(
    audit: Annotated[
        str | None,
        typer.Argument(
            help="The audit's id; its beginning is enough.", metavar="ID", show_default="the newest"
        ),
    ] = None,
    *,
    model: Annotated[
        str | None, typer.Option(help="The newest audit of this model.", metavar="NAME", show_default="any")
    ] = None,
    anchor_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="The newest audit on these anchors.",
            metavar="FILE|matched|live",
            show_default="any",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw J by layer, J over time and the anchors on a plane.",
            metavar="FILE.svg|png",
            show_default=False,
        ),
    ] = None,
) -> None:
    """One audit: how far safe and unsafe prompts lie apart in each layer of a model, and what changed since the audit before.

    J is the headline: 0 says that the labels tell nothing, and it doesn't grow with the number of anchors. The other measures, and each
    form of AQI under its own name, stand below. docs/audit.md says what they are worth.

    Examples:
        watchkeeper audit show
        watchkeeper audit show 3f2a --plot audit.svg
        watchkeeper audit show --json | jq '.changes[] | select(.is_significant)'
    """
    if plot is not None:
        plot_format(plot)
    settings = parts_here().settings
    shown = asyncio.run(_look(settings, audit or "", model or "", anchor_set or ""))
    tell(shown, as_json=as_json, plot=plot)


def tell(
    shown: Shown,
    *,
    as_json: bool,
    plot: Path | None,
    axioms: Sequence[AxiomLine] = (),
    axioms_layer: str = "",
) -> None:
    """Print an audit, and draw it where a file is named. Raises Misconfigured where that can't be written."""
    if plot is not None:
        _write(plot, shown)
    if as_json:
        print_json(audit_document(shown, axioms=axioms, axioms_layer=axioms_layer))
        return
    console = output()
    console.print(
        audit_view(
            shown.record,
            shown.past,
            console.width,
            layer=shown.layer,
            before=shown.before,
            axioms=axioms,
            axioms_layer=axioms_layer,
        )
    )
    if plot is not None:
        notes().print(Text("✓ ", style="green").append(f"drawn to {plot}", style="default"))


def audit_document(
    shown: Shown, *, axioms: Sequence[AxiomLine] = (), axioms_layer: str = ""
) -> AuditDocument:
    """What `--json` prints."""
    record = {name: getattr(shown.record, name) for name in shown.record.__struct_fields__}
    for name in ("fleet", "request_id", "max_tokens", "version", "schema_version"):
        del record[name]
    history = [
        AuditPastLine(
            id=row["id"],
            at=row["at"],
            value=row["value"],
            low=row["low"],
            high=row["high"],
            has_changed=bool(row["has_changed"]),
            series=row["series"],
        )
        for row in shown.history
    ]
    return AuditDocument.model_validate(
        {
            **record,
            "history_layer": shown.layer,
            "history": history,
            "axioms": list(axioms),
            "axioms_layer": axioms_layer,
        }
    )


def plot_format(path: Path) -> Literal["svg", "png"]:
    """By what the name ends in. Raises Misconfigured for another one."""
    found = _FORMATS.get(path.suffix.casefold())
    if found is None:
        raise Misconfigured("--plot names a file that is neither *.svg nor *.png", "give one of them")
    return found


def _write(path: Path, shown: Shown) -> None:
    if shown.record.state == "refused":
        raise Misconfigured(
            "there is nothing to draw: the audit was refused", "look at it without --plot: it says why"
        )
    content = audit_picture(
        shown.record, shown.before, shown.past, layer=shown.layer, format=plot_format(path)
    )
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise Misconfigured(
            f"--plot {str(path)!r} can't be written: {exc.strerror}", "name another file"
        ) from exc


async def looked_up(store: ClickHouse, fleet: str, record: AuditRecord) -> Shown:
    """A record with its history. Raises Retryable, Misconfigured."""
    before = await record_of(store, fleet, record.previous_id) if record.previous_id else None
    layer = headline(record)
    history = (
        await history_of(store, fleet, record.model, record.anchor_set, layer=layer, until=record.at)
        if layer
        else []
    )
    return Shown(record, before, layer, [*history, *itself(record, layer)])


def itself(record: AuditRecord, layer: str) -> list[dict[str, Any]]:
    """The record's own point of the history."""
    changed = {one.layer for one in record.changes if one.is_significant and one.is_large}
    return [
        {
            "at": record.at,
            "id": record.id,
            "series": record.series,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "has_changed": layer in changed,
        }
        for one in record.values
        if one.layer == layer and one.measure == "j"
    ]


async def _look(settings: Settings, id_: str, model: str, anchor_set: str) -> Shown:
    fleet = settings.kafka.group_prefix
    async with await connect(settings.clickhouse) as store:
        if len(id_) == _WHOLE_ID:
            found = await record_of(store, fleet, id_)
            matching = [found] if found is not None else []
        else:
            newest = await newest_records(
                store, fleet, model=model, anchor_set=anchor_set, limit=LOOKED_AT if id_ else 1
            )
            matching = [record for record in newest if record.id.startswith(id_)]
        if not matching:
            asked = said(model=[model] if model else [], anchors=[anchor_set] if anchor_set else [])
            raise Misconfigured(
                f"there is no audit{f' {id_!r}' if id_ else ''} of {asked or 'this fleet'}"
                + ("" if id_ else " yet"),
                "`watchkeeper audit run` makes one; `watchkeeper audit show` shows the newest",
            )
        if id_ and len(matching) > 1:
            raise Misconfigured(
                f"{len(matching)} audits begin with {id_!r}", "give more of the id: " + matching[0].id
            )
        return await looked_up(store, fleet, matching[0])
