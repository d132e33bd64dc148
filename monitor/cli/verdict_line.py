"""A verdict as one line for a terminal, fitted to its width; and as a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from monitor.cli.shapes import TailLine
from monitor.redaction import redact
from monitor.wording.verdict_labels import Tone, labels_of
from monitor.wording.visible import visible
from schemas.events import Verdict
from schemas.taxonomy import BENIGN, CATEGORIES

_TIME: Final = 8
_TENANT: Final = 10
_MODEL: Final = 16
_CATEGORY: Final = 22
_LONGEST_CATEGORY: Final = max(map(len, CATEGORIES))
_SHOW_WHOLE_CATEGORY_FROM: Final = 150
_LABELS: Final = 26
_SHOW_MODEL_FROM: Final = 116
_SHOW_TENANT_FROM: Final = 140
_STYLES: Final[Mapping[Tone, str]] = {
    "plain": "dim",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "refused": "cyan",
    "over": "bold cyan",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which verdicts are shown. Empty: all. `is_harmful`: prompt or response is."""

    tenants: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    is_harmful: bool = False
    is_refused: bool = False

    def takes(self, verdict: Verdict) -> bool:
        """Whether the verdict is shown. One without an answer is neither harmful nor refused."""
        return (
            (not self.tenants or verdict.tenant in self.tenants)
            and (not self.models or verdict.model in self.models)
            and (not self.categories or verdict.category in self.categories)
            and (not self.is_harmful or bool(verdict.prompt_harmful or verdict.response_harmful))
            and (not self.is_refused or bool(verdict.refused))
        )


def verdict_line(verdict: Verdict, width: int | None) -> Text:
    """One line of at most `width` cells; None: as long as it is, with every column."""
    is_wide = width is None or width >= _SHOW_WHOLE_CATEGORY_FROM
    category_cells = _LONGEST_CATEGORY if is_wide else _CATEGORY
    line = Text(no_wrap=True, end="")
    line.append(f"{verdict.arrived_at:%H:%M:%S} ", style="dim")
    if width is None or width >= _SHOW_TENANT_FROM:
        line.append(_fitted(verdict.tenant, _TENANT) + " ", style="blue")
    if width is None or width >= _SHOW_MODEL_FROM:
        line.append(_fitted(verdict.model, _MODEL) + " ")
    line.append(
        _fitted(verdict.category or "—", category_cells) + " ",
        style="dim" if verdict.category == BENIGN else "magenta",
    )
    labels = _labels(verdict)
    labels.append(" " * max(1, _LABELS + 1 - labels.cell_len))
    line.append_text(labels)
    excerpts = (_harmless(verdict, verdict.prompt_excerpt), _harmless(verdict, verdict.response_excerpt))
    if width is None:
        line.append(excerpts[0]).append(" → " + excerpts[1] if excerpts[1] else "", style="dim")
        return line
    left = max(width - line.cell_len, 0)
    prompt, response = _shared(excerpts, left)
    line.append(prompt).append(" → " + response if response else "", style="dim")
    line.truncate(width)
    return line


def tail_line(verdict: Verdict) -> TailLine:
    """What `tail --json` prints of a verdict."""
    return TailLine(
        event_id=verdict.event_id,
        tenant=verdict.tenant,
        model=verdict.model,
        occurred_at=verdict.occurred_at,
        arrived_at=verdict.arrived_at,
        status=verdict.status,
        category=verdict.category,
        category_probability=verdict.category_probability,
        prompt_harm=verdict.prompt_harm,
        prompt_harmful=verdict.prompt_harmful,
        refusal=verdict.refusal,
        refused=verdict.refused,
        response_harm=verdict.response_harm,
        response_harmful=verdict.response_harmful,
        guard=f"{verdict.guard_name} {verdict.guard_version}",
        judge_decision=verdict.judge_decision,
        judge_probability=verdict.judge_probability,
        prompt_excerpt=_masked(verdict, verdict.prompt_excerpt),
        response_excerpt=_masked(verdict, verdict.response_excerpt),
        source=f"{verdict.source_topic}/{verdict.source_partition}/{verdict.source_offset}"
        + (f"#{verdict.source_index}" if verdict.source_index else ""),
    )


def _labels(verdict: Verdict) -> Text:
    """What was found, worst first."""
    found = labels_of(
        verdict.status,
        prompt_harmful=verdict.prompt_harmful,
        response_harmful=verdict.response_harmful,
        refused=verdict.refused,
    )
    labels = Text()
    for label, tone in found:
        is_bold = label == "harmful answer"
        labels.append(" · " if labels else "").append(label, style="bold red" if is_bold else _STYLES[tone])
    return labels


def _harmless(verdict: Verdict, excerpt: str) -> str:
    return visible(_masked(verdict, excerpt))


def _masked(verdict: Verdict, excerpt: str) -> str:
    """The excerpt masked, also where the privacy policy keeps it as it was."""
    return redact(excerpt) if verdict.excerpt_policy == "full" else excerpt


def _fitted(text: str, cells: int) -> str:
    shown = visible(text)
    return set_cell_size(shown, cells) if cell_len(shown) <= cells else set_cell_size(shown, cells - 1) + "…"


def _shared(excerpts: tuple[str, str], cells: int) -> tuple[str, str]:
    """Both excerpts in `cells`: half each, and what one doesn't need goes to the other."""
    prompt, response = excerpts
    if not response:
        return _cut(prompt, cells), ""
    room = cells - 3
    if room < 16:
        return _cut(prompt, cells), ""
    half = room // 2
    if cell_len(prompt) <= half:
        return prompt, _cut(response, room - cell_len(prompt))
    if cell_len(response) <= half:
        return _cut(prompt, room - cell_len(response)), response
    return _cut(prompt, room - half), _cut(response, half)


def _cut(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else set_cell_size(text, max(cells - 1, 0)) + "…"
