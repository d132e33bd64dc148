"""`watchkeeper agreement`: the stored verdicts against labels."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from monitor.agreement import LABELS, compare
from monitor.cli.agreement_view import agreement_view
from monitor.cli.console import notes, output, print_json
from monitor.cli.labels import read_labels
from monitor.cli.parts import parts_here
from monitor.cli.shapes import AgreementDocument, LabelAgreement
from monitor.cli.stored_answers import stored_answers
from monitor.errors import Misconfigured


def agreement(
    files: Annotated[list[str], typer.Argument(help="JSONL files of labels, plain or gzip.", metavar="FILE")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare the stored verdicts with labels, by event id.

    A label file has one JSON object a line: `id`, and any of `refusal`, `prompt_harmful`, `response_harmful` as 0 or 1;
    null, or nothing, means not labelled. Ids that aren't stored, or have no answer, are counted apart and are in no
    figure.

    Printed for each label: the confusion table, the share on which both agree, Cohen's kappa (what is left of that
    beyond chance), precision, recall and F1 of "yes".

    Examples:
        watchkeeper agreement labels.jsonl
        watchkeeper agreement labels.jsonl --json | jq '.agreements[].kappa'
    """
    ids, labels = read_labels(files)
    if not ids:
        raise Misconfigured("there is no label in these files", "give files with one JSON object a line")
    with notes().status("reading the stored verdicts…"):
        stored = asyncio.run(stored_answers(parts_here().settings.clickhouse, ids))
    found = [compare(label, labels[label].items(), stored) for label in LABELS if labels[label]]
    if as_json:
        document = AgreementDocument(
            ids=len(ids),
            stored=sum(id_ in stored for id_ in ids),
            agreements=[LabelAgreement.model_validate(one) for one in found],
        )
        print_json(document)
        return
    output().print(agreement_view(found, ids=len(ids), stored=sum(id_ in stored for id_ in ids)))
