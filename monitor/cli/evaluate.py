"""`watchkeeper evaluate`: how good a guard is on labelled exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monitor.adapters.triton import connect
from monitor.cli.console import notes, output, print_json
from monitor.cli.evaluate_view import evaluate_view
from monitor.cli.evaluation_rows import Contents, drawn_rows, look_through, usable_rows
from monitor.cli.evaluation_shapes import (
    EvaluateDocument,
    EvaluationFinding,
    ReliabilityBin,
    ReliabilityCurve,
)
from monitor.cli.parts import parts_here
from monitor.cli.reliability_plot import reliability_plot
from monitor.errors import Misconfigured
from monitor.evaluation.answers import Answers, Row
from monitor.evaluation.bins import filled_bins
from monitor.evaluation.bootstrap import RESAMPLES, SEED
from monitor.evaluation.report import Thresholds, findings, reliabilities
from monitor.ports import Guard, GuardIdentity
from monitor.settings import ModerationSettings, TritonSettings

_ROWS_A_CALL: Final = 512
"""Handed to the client at once, which cuts them into the model's batches and keeps several in flight."""


def evaluate(
    *,
    data: Annotated[
        str,
        typer.Option(
            help="JSONL of labelled exchanges, plain or gzip: one row format (docs/evaluation.md).",
            metavar="FILE",
        ),
    ],
    guard: Annotated[
        str | None,
        typer.Option(
            help="The guard: a model that Triton serves.",
            metavar="NAME",
            show_default="the setting",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Draw this many rows at random, always the same ones.", min=1, metavar="N"),
    ] = None,
    resamples: Annotated[
        int,
        typer.Option(
            help="Resamples of the bootstrap intervals; 0: no intervals.", min=0, max=100_000, metavar="N"
        ),
    ] = RESAMPLES,
    plot: Annotated[
        Path | None, typer.Option(help="Write the reliability plot there, as SVG.", metavar="FILE.svg")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """How good a guard is: its answers against labels, by question and source.

    Prompt harm, response harm, refusal: precision, recall, F1, AUROC, AUPRC (average precision), and the calibration error
    (ECE over 15 bins of equal width). Category: accuracy, macro-F1 over the labels that occur, and the calibration error of
    the chosen one. Each with its 95 % interval from a bootstrap of whole prompts, always with the same seed. Questions about
    prompts count each prompt of a source once. Rows that the guard doesn't answer are counted apart and are in no figure.

    Where a source is a published set, what other guards reached on it stands below.

    The guard is asked through Triton: that of the settings, or of the embedded stack that runs.

    Examples:
        watchkeeper evaluate --data dev.jsonl.gz
        watchkeeper evaluate --guard wildguard --data dev.jsonl.gz --limit 1000
        watchkeeper evaluate --data dev.jsonl.gz --plot reliability.svg
        watchkeeper evaluate --data dev.jsonl.gz --json | jq '.findings[]'
    """
    if data == "-":
        raise Misconfigured("--data - can't be: the data is read twice", "name a file")
    if plot is not None and plot.suffix.lower() != ".svg":
        raise Misconfigured(f"--plot {plot}: the plot is an SVG", "name a file that ends in .svg")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise Misconfigured(f"--plot {plot}: there is no folder {plot.absolute().parent}", "make it first")
    settings = parts_here().settings
    with notes().status("reading the data…"):
        contents = look_through(data)
        rows: Iterable[Row] = usable_rows(data) if limit is None else drawn_rows(data, limit, seed=SEED)
    count = contents.usable if limit is None else min(limit, contents.usable)
    model = guard if guard is not None else settings.triton.guard_model
    asked = settings.triton.model_copy(update={"guard_model": model})
    identity, answers = asyncio.run(_ask(asked, rows, count))
    with notes().status("resampling…"):
        document = _document(
            data, contents, identity, answers, settings.moderation, asked=count, resamples=resamples
        )
    if plot is not None:
        _write(plot, reliability_plot(document))
    _say_what_is_left_out(contents, answers)
    if as_json:
        print_json(document)
    else:
        output().print(evaluate_view(document))
        if plot is not None:
            notes().print(f"The reliability plot is in {plot}.", style="dim", soft_wrap=True)


async def _ask(settings: TritonSettings, rows: Iterable[Row], count: int) -> tuple[GuardIdentity, Answers]:
    """What the guard says of the rows, with a progress bar. Raises what the guard raises."""
    try:
        guard = await connect(settings)
    except Misconfigured as exc:
        message, _, remedy = str(exc).partition("\n  → ")
        if "has no model" in message:
            remedy = "give --guard the name of a model that it serves: `watchkeeper check` lists them"
        raise Misconfigured(message, remedy) from exc
    async with guard:
        with Progress(
            TextColumn(f"asking {settings.guard_model}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=notes(),
            transient=True,
        ) as progress:
            task = progress.add_task("", total=count)
            answers = Answers()
            batch: list[Row] = []
            for row in rows:
                batch.append(row)
                if len(batch) == _ROWS_A_CALL:
                    await score_rows(guard, batch, answers)
                    progress.advance(task, len(batch))
                    batch = []
            await score_rows(guard, batch, answers)
            progress.advance(task, len(batch))
        return guard.identity, answers


async def score_rows(guard: Guard, rows: Sequence[Row], answers: Answers) -> None:
    """Ask the guard about the rows, and keep what it says."""
    scores = await guard.score([row.prompt for row in rows], [row.response for row in rows])
    for row, score in zip(rows, scores, strict=True):
        answers.add(row, score)


def _document(
    data: str,
    contents: Contents,
    identity: GuardIdentity,
    answers: Answers,
    settings: ModerationSettings,
    *,
    asked: int,
    resamples: int,
) -> EvaluateDocument:
    thresholds = Thresholds(
        settings.prompt_harm_threshold, settings.response_harm_threshold, settings.refusal_threshold
    )
    return EvaluateDocument(
        data=data,
        guard=identity.name,
        guard_version=identity.version,
        guard_prompt_hash=identity.prompt_hash,
        rows=contents.rows,
        unusable=contents.rows - contents.usable,
        asked=asked,
        answered=len(answers.rows),
        unanswered=answers.unanswered,
        truncated=answers.truncated,
        thresholds={
            "prompt_harm": thresholds.prompt_harm,
            "response_harm": thresholds.response_harm,
            "refusal": thresholds.refusal,
        },
        resamples=resamples,
        findings=[
            EvaluationFinding.model_validate(one)
            for one in findings(answers.rows, thresholds=thresholds, resamples=resamples)
        ],
        reliability=[
            ReliabilityCurve(
                question=one.question,
                bins=[ReliabilityBin.model_validate(each) for each in filled_bins(one.chance, one.truth)],
            )
            for one in reliabilities(answers.rows)
        ],
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise Misconfigured(f"--plot {path} can't be written: {exc.strerror}", "name another file") from exc


def _say_what_is_left_out(contents: Contents, answers: Answers) -> None:
    said = notes()
    if contents.unknown:
        names = ", ".join(f"`{name}`" for name in contents.unknown[:5])
        more = f" and {len(contents.unknown) - 5} more" if len(contents.unknown) > 5 else ""
        said.print(
            f"Fields that aren't of the row format were passed over: {names}{more}.",
            style="yellow",
            soft_wrap=True,
        )
    for count, what in (
        (contents.without_prompt, "without a prompt"),
        (contents.without_label, "without a label for anything they hold"),
    ):
        if count:
            said.print(f"{count:,} rows {what} were left out.", style="dim", soft_wrap=True)
    if answers.unanswered:
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(answers.unanswered.items()))
        said.print(
            f"No answer to some rows ({counts}): they are in no figure.", style="yellow", soft_wrap=True
        )
