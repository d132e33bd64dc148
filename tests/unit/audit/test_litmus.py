"""Anchors from files: what is read, and what is refused in words that name the line."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.anchor_sources import file_set
from monitor.audit.faults import AuditFault
from monitor.audit.litmus import MAX_LINE_BYTES, MAX_TEXT_CHARS, anchor_set, csv_rows, jsonl_rows, normalised
from monitor.audit.sources import AnchorSet
from monitor.errors import Misconfigured, Rejected


def row(text: str, label: str = "safe", **more: Any) -> dict[str, Any]:
    return {"axiom": "Justice & Rights", "safety_label": label, "source_dataset": "ours", "input": text, "target": "", **more}  # fmt: skip


def many(each: int = 70) -> list[dict[str, Any]]:
    """Safe rows first, as in the public file."""
    return [row(f"{label} question {n}", label) for label in ("safe", "unsafe") for n in range(each)]


def lines(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


def read(content: bytes, most: int = 2_000) -> AnchorSet:
    return anchor_set(jsonl_rows(io.BytesIO(content), "x.jsonl"), "x.jsonl", most=most)


def read_csv(content: bytes) -> AnchorSet:
    return anchor_set(csv_rows(io.BytesIO(content), "x.csv"), "x.csv")


def as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    head = ",".join(rows[0])
    return "\n".join([head, *(",".join(f'"{value}"' for value in one.values()) for one in rows), ""]).encode()


def test_every_row_of_a_small_file_is_an_anchor_with_its_axiom() -> None:
    found = read(lines(many()))
    assert (found.labels.count("safe"), found.labels.count("unsafe")) == (70, 70)
    assert set(found.axioms) == {"Justice & Rights"}
    assert len(set(found.clusters)) == 140
    assert not found.is_live


def test_csv_says_the_same_as_json_lines_with_or_without_a_byte_order_mark() -> None:
    assert read_csv(as_csv(many())) == read(lines(many())) == read(b"\xef\xbb\xbf" + lines(many()))
    assert read_csv(b"\xef\xbb\xbf" + as_csv(many())) == read(lines(many()))


def test_a_sample_of_a_large_file_has_both_classes_and_does_not_hang_on_the_order() -> None:
    rows = many(500)
    found = read(lines(rows), most=80)
    random.Random(1).shuffle(rows)
    again = read(lines(rows), most=80)
    assert found == again
    assert (found.labels.count("safe"), found.labels.count("unsafe")) == (80, 80)
    assert found.anchors().digest == again.anchors().digest


def test_a_sample_takes_both_halves_of_a_pair() -> None:
    rows = [
        row(f"{label} {n}", label, pair=n) for label in ("safe", "unsafe") for n in range(300)
    ]  # numbered pairs
    found = read(lines(rows), most=100)
    halves = {label: {c for c, one in zip(found.clusters, found.labels, strict=True) if one == label} for label in ("safe", "unsafe")}  # fmt: skip
    assert halves["safe"] == halves["unsafe"]
    assert len(halves["safe"]) == 100


def test_an_anchor_is_named_by_its_text_and_no_text_is_in_the_name() -> None:
    first = read(lines(many()))
    other = read(lines([{**one, "input": one["input"].upper()} for one in many()]))
    assert first.ids == other.ids
    assert not any("question" in one for one in (*first.ids, *first.clusters))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ([row("safe question 1")], AuditFault.DUPLICATE_ANCHORS),
        ([row("  SAFE   Question 1 ")], AuditFault.DUPLICATE_ANCHORS),
        ([row("ｓａｆｅ question 1")], AuditFault.DUPLICATE_ANCHORS),
        ([row("safe question 1", "unsafe")], AuditFault.BOTH_LABELS),
        ([row("new", "harmful")], AuditFault.WRONG_LABEL),
        ([row("new", "")], AuditFault.WRONG_LABEL),
        ([{**row("new"), "safety_label": None}], AuditFault.WRONG_LABEL),
        ([{**row("new"), "safety_label": 1}], AuditFault.WRONG_LABEL),
    ],
)  # fmt: skip
def test_rows_that_contradict_are_refused(change: list[dict[str, Any]], fault: AuditFault) -> None:
    with pytest.raises(Rejected) as caught:
        read(lines([*many(), *change]))
    assert caught.value.reason == fault.value
    assert "question" not in str(caught.value)


def test_one_class_and_too_few_are_refused() -> None:
    with pytest.raises(Rejected, match=AuditFault.ONE_CLASS.value):
        read(lines(many()[:70]))
    with pytest.raises(Rejected, match=AuditFault.NOT_ENOUGH.value):
        read(lines(many(63)))
    pairs = [row(f"{label} {n}", label, pair=str(n % 40)) for label in ("safe", "unsafe") for n in range(200)]
    with pytest.raises(Rejected, match="40 safe and 40 unsafe"):
        read(lines(pairs))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no rows"),
        (b"\n \n", "holds no rows"),
        (b"[1, 2]\n", "line 1 is no JSON object"),
        (b"{broken\n", "line 1 is no JSON"),
        (lines([{"prompt": "x", "label": "safe"}]), "no column axiom, safety_label"),
        (lines([row("")]), "no text in `input`"),
        (lines([row("   ")]), "no text in `input`"),
        (lines([{**row("x"), "input": None}]), "no text in `input`"),
        (lines([{**row("x"), "input": ["x"]}]), "`input` is no text"),
        (lines([row("a\x00b")]), "holds a NUL"),
        (lines([row("x" * (MAX_TEXT_CHARS + 1))]), "characters, more than"),
        (lines([row("a")]).replace(b'"a"', b'"\\ud800"'), "line 1"),
        (lines([row("a")]).replace(b'"a"', b'"\xff"'), "line 1 is no JSON in UTF-8"),
        ("{}".encode("utf-16"), "line 1 is no JSON in UTF-8"),
        (b"{" + b"x" * MAX_LINE_BYTES, "longer than"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_such_file_is_said_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        read(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no rows"),
        (b"axiom,safety_label,source_dataset,input,target\n", "holds no rows"),
        (b"axiom;safety_label;input\nx;safe;y\n", "no column axiom"),
        (b"axiom,safety_label,source_dataset,input,target\nx,safe,y,\xff,\n", "line 2 is no UTF-8"),
        (b'axiom,safety_label,source_dataset,input,target\nx,safe,y,"open', "CSV"),
        (b"axiom,safety_label,source_dataset,input,target\nx,safe,y,a\x00b,\n", "NUL"),
        (b"axiom,safety_label,source_dataset,input,target\nx,safe,y\n", "no text in `input`"),
        (
            b'axiom,safety_label,source_dataset,input,target\nx,safe,y,"' + b"z\n" * 200_000 + b'",\n',
            "CSV",
        ),
    ],
)
def test_what_is_no_such_csv_is_said_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        read_csv(content)


def test_a_file_is_read_by_its_ending_packed_or_not(tmp_path: Path) -> None:
    plain, packed, table = tmp_path / "a.jsonl", tmp_path / "a.JSONL.gz", tmp_path / "a.csv"
    plain.write_bytes(lines(many()))
    packed.write_bytes(gzip.compress(lines(many())))
    table.write_bytes(as_csv(many()))
    assert file_set(str(plain)) == file_set(str(packed)) == file_set(str(table))

    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines(many()))[:-20])
    (tmp_path / "no.jsonl.gz").write_bytes(b"no gzip")
    for name, said in {
        "a.parquet": "neither JSON lines nor CSV",
        "a": "neither JSON lines nor CSV",
        "gone.jsonl": "No such file",
        "cut.jsonl.gz": "can't be read",
        "no.jsonl.gz": "can't be read",
    }.items():
        with pytest.raises(Misconfigured, match=said):
            file_set(str(tmp_path / name))
    with pytest.raises(Misconfigured, match="by its name"):
        file_set(f"{tmp_path}/\x00.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(Misconfigured, match="can't be read"):
        file_set(str(tmp_path / "folder.jsonl"))


def test_normalising_keeps_what_is_different_apart() -> None:
    assert normalised(" A\tB ") == normalised("a b")
    assert normalised("a b") != normalised("ab")
