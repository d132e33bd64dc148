"""Anchors in LITMUS format: rows of `axiom, safety_label, source_dataset, input, target` (arXiv 2506.13901), as JSON lines or CSV.

Two more columns are read where they are there: `pair` (or `cluster`), for rows that belong together, and `category`. The public file
begins with safe rows only, so its head is never taken: of a file with more than is wanted, a sample is drawn by the hash of what
belongs together, which is the same whatever the order of the rows.
"""

from __future__ import annotations

import csv
import heapq
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, BinaryIO, Final

import orjson

from monitor.audit.faults import AuditFault, rejected
from monitor.audit.sources import AnchorSet
from monitor.errors import Misconfigured

AXIOMS: Final = (
    "Information Seeking",
    "Wisdom & Knowledge",
    "Well-being & Peace",
    "Justice & Rights",
    "Duty & Accountability",
    "Civility & Tolerance",
    "Empathy & Helpfulness",
)
COLUMNS: Final = ("axiom", "safety_label", "source_dataset", "input", "target")
CLUSTER_COLUMNS: Final = ("pair", "cluster")
MOST_CLUSTERS: Final = 2_000
"""Of a class; more make the draws slow, and tell little more."""
MAX_BYTES: Final = 1 << 29
MAX_LINE_BYTES: Final = 1 << 20
MAX_ROWS: Final = 1_000_000
MAX_TEXT_CHARS: Final = 20_000
_BOM: Final = b"\xef\xbb\xbf"
_REMEDY: Final = "give JSON lines or CSV in UTF-8 with the columns " + ", ".join(COLUMNS) + " (docs/audit.md)"


@dataclass(frozen=True, slots=True)
class LitmusRow:
    """One row. `cluster`: what belongs together; "" stands alone."""

    axiom: str
    is_safe: bool
    text: str
    cluster: str
    category: str


def jsonl_rows(file: BinaryIO, name: str) -> Iterator[LitmusRow]:
    """The rows of JSON lines. `name`: the file's, for messages. Raises Misconfigured with the line's number, Rejected for a wrong label."""
    for number, line in _lines(file, name):
        if not line.strip():
            continue
        try:
            given = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise Misconfigured(f"{name}, line {number} is no JSON in UTF-8", _REMEDY) from exc
        if not isinstance(given, dict):
            raise Misconfigured(f"{name}, line {number} is no JSON object", _REMEDY)
        yield _row(given, name, number)


def csv_rows(file: BinaryIO, name: str) -> Iterator[LitmusRow]:
    """The rows of a CSV whose first line names the columns. Raises as `jsonl_rows`."""
    reader = csv.DictReader(_decoded(_lines(file, name), name), strict=True)
    while True:
        try:
            given = next(reader, None)
        except csv.Error as exc:
            raise Misconfigured(f"{name}, line {reader.line_num} can't be read as CSV", _REMEDY) from exc
        if given is None:
            return
        yield _row(given, name, reader.line_num)


def anchor_set(rows: Iterable[LitmusRow], name: str, *, most: int = MOST_CLUSTERS) -> AnchorSet:
    """The anchors of a file: every row, or those of `most` clusters a class. An id is the hash of a text, so a digest of the set is one
    of its texts.

    Raises Rejected: texts that are equal but for case, width and spaces (duplicates, or both labels), one class, too few clusters.
    Raises Misconfigured where there are no rows, or more than are read.
    """
    labels: dict[bytes, bool] = {}
    repeated = contradicting = 0
    sample = _Sample(most)
    for count, row in enumerate(rows, 1):
        if count > MAX_ROWS:
            raise Misconfigured(f"{name} has more than {MAX_ROWS:,} rows", "give a part of it")
        key = blake2b(normalised(row.text).encode(), digest_size=12).digest()
        known = labels.setdefault(key, row.is_safe)
        if known is not row.is_safe:
            contradicting += 1
        elif len(labels) + repeated + contradicting < count:
            repeated += 1
        else:
            sample.add(key, row)
    if not labels:
        raise Misconfigured(f"{name} holds no rows", _REMEDY)
    if contradicting:
        raise rejected(
            AuditFault.BOTH_LABELS,
            f"{contradicting:,} rows label a text the other way than an earlier row does: correct or remove them",
        )
    if repeated:
        raise rejected(
            AuditFault.DUPLICATE_ANCHORS,
            f"{repeated:,} rows repeat an earlier text, but for case and spaces: keep each once",
        )
    found = sample.rows()
    made = AnchorSet(
        texts=tuple(row.text for _, row in found),
        ids=tuple(key.hex() for key, _ in found),
        labels=tuple("safe" if row.is_safe else "unsafe" for _, row in found),
        clusters=tuple(_cluster(key, row) for key, row in found),
        axioms=tuple(row.axiom for _, row in found),
    )
    made.anchors()
    return made


def normalised(text: str) -> str:
    """What two texts share that differ in case, width and spaces alone."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(slots=True)
class _Sample:
    """The rows of the `most` clusters of each class whose names have the least hashes; memory is theirs alone."""

    most: int
    kept: dict[bool, dict[str, list[tuple[bytes, LitmusRow]]]] = field(
        default_factory=lambda: {True: {}, False: {}}
    )
    largest: dict[bool, list[tuple[int, str]]] = field(default_factory=lambda: {True: [], False: []})

    def add(self, key: bytes, row: LitmusRow) -> None:
        cluster = _cluster(key, row)
        kept, largest = self.kept[row.is_safe], self.largest[row.is_safe]
        if cluster in kept:
            kept[cluster].append((key, row))
            return
        place = -int.from_bytes(blake2b(cluster.encode(), digest_size=8).digest(), "big")
        if len(largest) < self.most:
            heapq.heappush(largest, (place, cluster))
        elif (place, cluster) > largest[0]:
            del kept[heapq.heappushpop(largest, (place, cluster))[1]]
        else:
            return
        kept[cluster] = [(key, row)]

    def rows(self) -> list[tuple[bytes, LitmusRow]]:
        found = [row for by_cluster in self.kept.values() for rows in by_cluster.values() for row in rows]
        return sorted(found, key=lambda pair: pair[0])


def _cluster(key: bytes, row: LitmusRow) -> str:
    return f"pair {row.cluster}" if row.cluster else f"alone {key.hex()}"


def _row(given: Mapping[Any, Any], name: str, number: int) -> LitmusRow:
    missing = [column for column in COLUMNS if column not in given and column != "target"]
    if missing:
        raise Misconfigured(f"{name}, line {number} has no column {', '.join(missing)}", _REMEDY)
    label = given["safety_label"]
    label = label.strip().casefold() if isinstance(label, str) else ""
    if label not in ("safe", "unsafe"):
        raise rejected(
            AuditFault.WRONG_LABEL, f"the safety_label of line {number} is neither `safe` nor `unsafe`"
        )
    text = _text(given, "input", name, number)
    if not text.strip():
        raise Misconfigured(f"{name}, line {number} has no text in `input`", "remove that line")
    cluster = next(
        (found for column in CLUSTER_COLUMNS if (found := _text(given, column, name, number).strip())), ""
    )
    return LitmusRow(
        axiom=_text(given, "axiom", name, number).strip(),
        is_safe=label == "safe",
        text=text,
        cluster=cluster,
        category=_text(given, "category", name, number).strip(),
    )


def _text(given: Mapping[Any, Any], column: str, name: str, number: int) -> str:
    value = given.get(column)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # pairs are often numbered
    if not isinstance(value, str):
        raise Misconfigured(f"{name}, line {number}: `{column}` is no text", _REMEDY)
    if len(value) > MAX_TEXT_CHARS:
        raise Misconfigured(
            f"{name}, line {number}: `{column}` has {len(value):,} characters, more than {MAX_TEXT_CHARS:,}",
            "shorten or remove it",
        )
    if any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in value):
        raise Misconfigured(
            f"{name}, line {number}: `{column}` holds a NUL or half a character", "correct that line"
        )
    return value


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, without a byte order mark. Raises Misconfigured for one, or a file, that is too long."""
    size = number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        size += len(line)
        if len(line) > MAX_LINE_BYTES:
            raise Misconfigured(f"{name}, line {number} is longer than {MAX_LINE_BYTES:,} bytes", _REMEDY)
        if size > MAX_BYTES:
            raise Misconfigured(f"{name} is larger than {MAX_BYTES:,} bytes", "give a part of it")
        yield number, line.removeprefix(_BOM) if number == 1 else line


def _decoded(lines: Iterable[tuple[int, bytes]], name: str) -> Iterator[str]:
    for number, line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError as exc:
            raise Misconfigured(f"{name}, line {number} is no UTF-8", _REMEDY) from exc
