"""The section of the audits: how far safe and unsafe prompts lie apart inside the models, by layer and over time. Pure."""

from __future__ import annotations

from typing import Final

from monitor.reporting import charts, words
from monitor.reporting.document import Block, Cell, Column, Paragraph, Section, Table, Tone
from monitor.reporting.facts import AuditValue, Facts
from monitor.wording.figures import NOTHING

MOST_SETS: Final = 4
MOST_LAYERS: Final = 40
_QUERIES: Final = ("report_audits",)
_MEASURES: Final = {
    "j": "Separation J",
    "aqi_section_3": "AQI as its section 3 has it",
    "aqi_appendix_b": "AQI as its appendix B has it",
    "aqi_released": "AQI as the released code has it",
}
"""AQI is of arXiv 2506.13901, which has three that aren't the same: none is written without saying which."""


def audits_section(facts: Facts) -> Section:
    """Each model and anchor set: its newest audit by layer, and how it came to that."""
    if not facts.audits:
        return Section(
            "audits",
            "Inside the models",
            (
                Paragraph(
                    "No model's hidden states were audited in this week or the twelve before (docs/audit.md says how to).",
                    "quiet",
                    _QUERIES,
                ),
            ),
        )
    by_set: dict[tuple[str, str], list[AuditValue]] = {}
    for value in facts.audits:
        by_set.setdefault((value.model, value.anchor_set), []).append(value)
    blocks: list[Block] = [
        Paragraph(
            "An audit asks how far safe and unsafe prompts lie apart in a model's hidden states. Figures of different measures, models or "
            "anchors can't be compared.",
            "",
            _QUERIES,
        )
    ]
    for number, ((model, anchors), values) in enumerate(list(by_set.items())[:MOST_SETS]):
        blocks += _of_set(facts, number, f"{words.name(model)}, anchors {words.name(anchors)}", values)
    if len(by_set) > MOST_SETS:
        blocks.append(
            Paragraph(f"{len(by_set) - MOST_SETS} more are left out: `watchkeeper audit show`.", "quiet")
        )
    return Section("audits", "Inside the models", tuple(blocks))


def _of_set(facts: Facts, number: int, title: str, values: list[AuditValue]) -> list[Block]:
    """`values`: newest audit first."""
    zone = facts.week.zone
    done = [value for value in values if value.state == "done"]
    refused = {value.audit_id: value for value in values if value.state != "done"}
    blocks: list[Block] = []
    if refused:
        last = next(iter(refused.values()))
        blocks.append(
            Paragraph(
                f"{title}: {len(refused)} {'audit was' if len(refused) == 1 else 'audits were'} refused, the last on {words.moment(last.at, zone)}: "
                f"{words.text(last.reason.replace('_', ' '), 160)}.",
                "warning",
                _QUERIES,
            )
        )
    if not done:
        return blocks
    newest = [value for value in done if value.audit_id == done[0].audit_id]
    series = [value for value in done if value.series == done[0].series and value.measure == "j"]
    measures = [measure for measure in _MEASURES if any(value.measure == measure for value in newest)]
    layers = list(dict.fromkeys(value.layer for value in newest))
    found = {(value.layer, value.measure): value for value in newest}
    rows = tuple(
        (
            Cell(words.name(layer)),
            *(_value(found.get((layer, measure))) for measure in measures),
            _change(found.get((layer, "j"))),
        )
        for layer in layers[:MOST_LAYERS]
    )
    at = words.moment(newest[0].at, zone)
    picture = charts.audit_picture(f"audit-{number}", title, series, newest[0].audit_id, facts.week.zone)
    if picture is not None:
        blocks.append(picture)
    blocks.append(
        Table(
            f"audit-{number}-layers",
            f"{title}: by layer, on {at}",
            (
                Column("Layer", is_number=False),
                *(Column(f"{_MEASURES[measure]} (95 % interval)") for measure in measures),
                Column("Change of J since the audit before"),
            ),
            rows,
            _QUERIES,
            "▲ and ▼: significant after correction for all layers, and large.",
        )
    )
    return blocks


def _value(one: AuditValue | None) -> Cell:
    if one is None or one.value is None:
        return Cell(NOTHING)
    bounds = "" if one.low is None or one.high is None else f" ({one.low:.3g}–{one.high:.3g})"
    return Cell(f"{one.value:.3g}{bounds}", one.value)


def _change(one: AuditValue | None) -> Cell:
    if one is None or one.change is None:
        return Cell("the first", None, "quiet")
    bounds = (
        ""
        if one.change_low is None or one.change_high is None
        else f" ({_signed(one.change_low)} to {_signed(one.change_high)})"
    )
    if not one.has_changed:
        return Cell(f"{_signed(one.change)}{bounds}", one.change, "quiet")
    tone: Tone = "worse" if one.change < 0 else "changed"
    return Cell(f"{'▲' if one.change > 0 else '▼'} {_signed(one.change)}{bounds}", one.change, tone)


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")
