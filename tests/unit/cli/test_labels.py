"""Label files are read whole or refused with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli.labels import read_labels
from monitor.errors import Misconfigured

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "chatlogs" / "labels.jsonl"


def test_zero_one_and_null_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(
        '{"id": "a", "refusal": 1, "prompt_harmful": 0, "response_harmful": null, "category": "benign"}\n'
        '\n{"id": "b", "refusal": false}\n{"id": "c"}\n',
        encoding="utf-8",
    )
    assert read_labels([str(path)]) == (
        ["a", "b", "c"],
        {"refusal": {"a": True, "b": False}, "prompt_harmful": {"a": False}, "response_harmful": {}},
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"refusal": 1}', "line 1 is no label"),
        ('{"id": 3}', "line 1 is no label"),
        ("not json", "line 1 is no label"),
        ('{"id": "a", "refusal": 2}', "line 1: `refusal` is neither 0, 1"),
        ('{"id": "a", "refusal": "yes"}', "line 1: `refusal` is neither 0, 1"),
        ('{"id": "a", "refusal": [1]}', "line 1: `refusal` is neither 0, 1"),
        ('{"id": "a"}\n{"id": "a"}', "line 2 has the id of"),
    ],
)
def test_what_is_no_label_is_refused_with_its_line_and_without_its_text(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as refused:
        read_labels([str(path)])
    assert told in str(refused.value)
    assert "not json" not in str(refused.value)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data isn't here")
def test_the_shared_labels_are_all_read() -> None:
    ids, labels = read_labels([str(SHARED)])
    assert len(ids) == 6_000
    assert len(labels["refusal"]) > 1_000
