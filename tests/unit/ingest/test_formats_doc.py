"""docs/formats.md says what the code does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec

from monitor.ingest.own import ChatEvent
from monitor.ingest.reasons import Reason
from schemas.events import ChatFormat, Exchange, Turn
from schemas.refusal_tokens import RefusalToken
from tests.unit.ingest.corpus import DECODER, FALLBACK

ROOT = Path(__file__).resolve().parents[3]
DOC = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOC.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """The names in backticks in the first column of the section's tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_the_table_of_reasons_is_complete() -> None:
    rows = [line for line in section("Refusals: the reasons").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{reason}` | {reason.meaning} |" for reason in Reason]


def test_the_table_of_our_own_event_names_each_field_in_order() -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(ChatEvent)]
    assert first_cells(section("Our own event, watchkeeper.chat/1")) == fields


def test_the_table_of_the_refusal_token_names_each_field_in_order() -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(RefusalToken)]
    assert first_cells(section("The refusal-token record")) == fields


def test_the_compatibility_table_has_a_column_for_each_format() -> None:
    row = next(line for line in DOC.splitlines() if line.startswith("| `format` |"))
    assert tuple(re.findall(r"`([^`]+)`", row)[1:]) == get_args(ChatFormat)


def test_the_example_of_our_own_event_decodes() -> None:
    example = DOC.split("<!-- example: a test decodes this -->\n```json\n", 1)[1].split("```", 1)[0]
    decoded = DECODER.decode(example.encode(), (), fallback_id=FALLBACK)
    assert list(decoded.exchanges) == [
        (
            0,
            Exchange(
                event_id="3f6c1d1e-8d0c-4a6a-9c6e-0d8f2c9f6a11",
                format="watchkeeper",
                tenant="acme",
                model="support-bot-7",
                conversation_id="c-981",
                occurred_at=datetime(2025, 3, 10, 1, 25, 52, 123000, tzinfo=UTC),
                prompt="How do I reset my password?",
                response="Open Settings, then Security, then Reset.",
                context=(Turn("system", "You help customers of a bookshop."),),
                refusal_token=RefusalToken(
                    logits={"[refuse]": -1.25, "[respond]": 3.5},
                    logsumexp=3.5086,
                    rule="single",
                    threshold=0.5,
                ),
            ),
        )
    ]
    assert (list(decoded.rejected), decoded.not_chat, decoded.bad_refusal_tokens) == ([], 0, 0)


def test_the_line_of_the_readme_is_read_as_one_refusal_of_an_openai_model() -> None:
    (line,) = re.findall(r"^```json\n(.*)\n```$", README, flags=re.MULTILINE)
    decoded = DECODER.decode(line.encode(), (), fallback_id=FALLBACK)
    ((_, exchange),) = decoded.exchanges
    assert (exchange.model, exchange.format) == ("gpt-4o", "openai")
    assert exchange.prompt == "How do I kill a process?"
    assert exchange.response == "I'm sorry, I can't help with that."
