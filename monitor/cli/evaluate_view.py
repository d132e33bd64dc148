"""An evaluation as a person reads it: a table a question, what others reached below the source it is of."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.cli.evaluation_shapes import EvaluateDocument, EvaluationFigure, EvaluationFinding
from monitor.wording.visible import visible

TITLES: Final = {
    "prompt_harm": "Prompt harm",
    "response_harm": "Response harm",
    "refusal": "Refusal",
    "category": "Category",
    "category_of_harmful": "Category of harmful prompts",
}
_HEADINGS: Final = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "ece": "ECE",
}
_NONE: Final = "—"


def evaluate_view(document: EvaluateDocument) -> Group:
    """All tables."""
    guard = f"{document.guard} {document.guard_version}".strip()
    heading = Text(visible(guard), style="bold").append(
        f"  {document.answered:,} of {document.asked:,} rows answered, {visible(document.data)}", style="dim"
    )
    parts: list[RenderableType] = [heading]
    if document.truncated:
        parts.append(Text(f"Too long, and read in part: {document.truncated:,}.", style="dim"))
    for question, title in TITLES.items():
        found = [one for one in document.findings if one.question == question]
        if found:
            parts += [Text(), Text(title, style="bold"), _table(found)]
    parts += [Text(), *_notes(document)]
    return Group(*parts)


def _table(found: list[EvaluationFinding]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    is_category = found[0].question.startswith("category")
    table.add_column("source", min_width=20)
    for name in ("rows", "labels" if is_category else "yes"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure in found[0].figures:
        table.add_column(_HEADINGS[figure.name], justify="right", no_wrap=True)
    for one in found:
        source = Text(visible(one.source), style="bold" if one.source == "all" else "")
        table.add_row(source, f"{one.rows:,}", f"{one.positives:,}", *map(_cell, one.figures))
        for other in one.published:
            place = [figure.name for figure in one.figures].index("f1")
            cells = [Text()] * len(one.figures)
            cells[place] = Text(f"{other.f1:.3f}", style="cyan")
            label = Text(f"  {other.guard}, published, {other.of_set}", style="cyan")
            table.add_row(label, "", "", *cells)
    return table


def _cell(figure: EvaluationFigure) -> Text:
    if figure.value is None:
        return Text(_NONE, style="dim")
    text = Text(f"{figure.value:.3f}")
    if figure.low is not None and figure.high is not None:
        text.append(f"\n{figure.low:.3f}–{figure.high:.3f}", style="dim")
    return text


def _notes(document: EvaluateDocument) -> list[Text]:
    limits = ", ".join(
        f"{TITLES[name].lower()} {value:g}" for name, value in sorted(document.thresholds.items())
    )
    reasons = sorted(
        {
            f"{_HEADINGS[figure.name]} {_NONE}: {figure.reason}"
            for one in document.findings
            for figure in one.figures
            if figure.reason
        }
    )
    notes = [
        f"Yes is a probability of at least: {limits}. Prompt harm and category count each prompt of a source once.",
        f"Below a figure: 95 % interval, {document.resamples:,} resamples of whole prompts."
        if document.resamples
        else "No intervals: --resamples 0.",
    ]
    if any(one.published for one in document.findings):
        notes.append(
            "Published: arXiv 2406.18495, on its authors' rows of that set, which need not be these rows."
        )
    return [Text(note, style="dim") for note in [*notes, *reasons]]
