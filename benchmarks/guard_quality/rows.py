"""The labelled exchanges that the guard is measured on: dev.jsonl.gz, and the chat logs as ingest reads them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor.ingest.decoder import Decoder


class Row(msgspec.Struct, frozen=True):
    """One exchange with its labels; None means not labelled, never no."""

    source: str
    prompt: str
    response: str | None
    prompt_harmful: int | None
    response_harmful: int | None
    refusal: int | None
    category: str | None


def dev(folder: Path) -> list[Row]:
    """guard/dev.jsonl.gz under `folder`. Raises OSError where it is missing."""
    with gzip.open(folder / "guard" / "dev.jsonl.gz", "rb") as lines:
        rows = [msgspec.json.decode(line, type=Row) for line in lines]
    return [row for row in rows if row.prompt]


def chat_logs(folder: Path) -> list[Row]:
    """chatlogs/mixed-week.jsonl under `folder`, through the decoder that serves, joined with its labels by id."""
    return list(_chat_logs(folder / "chatlogs"))


def _chat_logs(folder: Path) -> Iterator[Row]:
    decoder = Decoder(default_tenant="default", max_context_turns=20)
    with (folder / "labels.jsonl").open("rb") as lines:
        labels = {label["id"]: label for label in map(json.loads, lines)}
    with (folder / "mixed-week.jsonl").open("rb") as lines:
        for number, line in enumerate(lines):
            source = json.loads(line)["metadata"]["source"]
            for _, exchange in decoder.decode(line, (), fallback_id=f"line-{number}").exchanges:
                label = labels[exchange.event_id]
                yield Row(
                    source,
                    exchange.prompt,
                    exchange.response,
                    label["prompt_harmful"],
                    label["response_harmful"],
                    label["refusal"],
                    label["category"],
                )
