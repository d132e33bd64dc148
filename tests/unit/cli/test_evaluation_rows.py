"""Files of labelled exchanges: what is read, and what is said of those that can't be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.evaluation_rows import Contents, drawn_rows, look_through, usable_rows
from monitor.errors import Misconfigured


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def write(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def a_row(number: int = 0, **given: Any) -> dict[str, Any]:
    return {
        "source": "set",
        "id": f"r{number}",
        "prompt": f"p{number}",
        "response": None,
        "prompt_harmful": 1,
        **given,
    }


def test_rows_are_counted_by_what_they_lack_and_unknown_fields_are_told(path: Path) -> None:
    name = write(
        path,
        a_row(),
        a_row(prompt=None),
        a_row(prompt=""),
        a_row(prompt_harmful=None),
        a_row(prompt_harmful=None, refusal=1),  # there is no response that could be one
        a_row(prompt_harm=1, attack="known"),
    )

    assert look_through(name) == Contents(6, 2, 2, 2, ("prompt_harm",))
    assert [row.prompt for row in usable_rows(name)] == ["p0", "p0"]


def test_gzip_is_read_whatever_its_name_and_truth_values_are_labels(path: Path) -> None:
    path.write_bytes(gzip.compress(json.dumps(a_row(prompt_harmful=True, category="benign")).encode()))
    (row,) = usable_rows(str(path))

    assert (row.prompt_harmful, row.category, row.refusal) == (True, "benign", None)


def test_rows_are_drawn_at_random_the_same_ones_each_time_in_order(path: Path) -> None:
    name = write(path, *map(a_row, range(100)))
    drawn = [int(row.prompt[1:]) for row in drawn_rows(name, 10, seed=1)]

    assert drawn == [int(row.prompt[1:]) for row in drawn_rows(name, 10, seed=1)]
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn != list(range(10))
    assert len(drawn_rows(name, 1000, seed=1)) == 100


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows"),
        ("\n\n", "has no rows"),
        ("{", "line 1 is no JSON"),
        ("[]", "line 1 is no JSON object"),
        ('{"prompt": 3}', "`prompt` is neither a text nor null"),
        (
            '{"prompt": "p", "prompt_harmful": "yes"}',
            "`prompt_harmful` is neither 0, 1, true, false nor null",
        ),
        ('{"prompt": "p", "prompt_harmful": 0.5}', "`prompt_harmful` is neither"),
        ('{"prompt": "p", "category": "weapons"}', "its `category` is none of the taxonomy"),
        ('{"prompt": "p"}', "none of the 1 rows of"),
        ('{"text": "p", "label": 1}', "it has fields that aren't of the format: text, label"),
        ('{"prompt": "secret"}\nnope', "line 2 is no JSON"),
    ],
)
def test_what_is_no_labelled_data_is_refused_with_its_place_and_never_quoted(
    path: Path, text: str, says: str
) -> None:
    path.write_text(text)

    with pytest.raises(Misconfigured) as refused:
        look_through(str(path))

    assert says in str(refused.value)
    assert "→" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.jsonl"):
        look_through(str(tmp_path / "nowhere.jsonl"))


def test_a_gzip_file_that_is_cut_short_is_refused(path: Path) -> None:
    path.write_bytes(gzip.compress(json.dumps(a_row()).encode())[:-9])

    with pytest.raises(Misconfigured, match="damaged or cut short"):
        look_through(str(path))
