"""Records and requests of audits: bounded, without what a user typed, and their rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.audit.faults import AuditFault
from monitor.audit.measuring import measured
from monitor.audit.plane import picture_of
from monitor.audit.probe_faults import ProbeFault
from monitor.audit.recording import record_row, value_rows
from monitor.audit.records import Job, Signed, Subject, done_record, meaning_of, refused_record
from monitor.audit.sources import LIVE
from monitor.store import tables_doc
from schemas.audits import (
    MAX_LAYERS,
    PICTURE_MAX_POINTS,
    RECORD_MAX_BYTES,
    AuditRecord,
    AuditRequest,
    audit_id_of_request,
    audit_id_of_schedule,
)
from tests.fakes.audit_records import AT, a_record, refused
from tests.fakes.probe import FACTS
from tests.unit.audit.drawn import matched, rows_of

COLUMNS = {table.name: {column.name for column in table.columns} for table in tables_doc.tables()}
REQUEST = AuditRequest(id="r-1", fleet="wk", model="atlas", anchor_set=LIVE, at=AT, by="ada")
SIGNED = Signed("wk", "0.1.0", AT, 1.5, 999, 0)
JOB = Job("a1", "atlas", "matched", AT, "schedule")


def test_records_and_requests_survive_the_topic() -> None:
    for one in (a_record(), refused()):
        assert AuditRecord.from_bytes(one.to_bytes()) == one
    assert AuditRequest.from_bytes(REQUEST.to_bytes()) == REQUEST


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""}, {"id": "../../etc"}, {"id": "x" * 65}, {"id": "a b"}, {"fleet": ""}, {"model": "x" * 201},
        {"anchor_set": ""}, {"by": "x" * 201}, {"at": -5}, {"at": "yesterday"}, {"schema_version": 2}, {"model": None},
    ],
)  # fmt: skip
def test_a_hostile_request_is_none(change: dict[str, Any]) -> None:
    value = msgspec.json.encode(msgspec.to_builtins(REQUEST) | change)
    with pytest.raises(msgspec.ValidationError):
        AuditRequest.from_bytes(value)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b"\xff", b"{}", b" " * 8_193, b"[" * 8_000])
def test_what_is_no_request_is_refused(value: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError, RecursionError)):
        AuditRequest.from_bytes(value)


def test_a_record_that_is_too_large_is_none() -> None:
    with pytest.raises(msgspec.ValidationError, match="bytes"):
        AuditRecord.from_bytes(a_record().to_bytes() + b" " * RECORD_MAX_BYTES)


def test_the_largest_record_has_room_on_the_topic() -> None:
    one = a_record()
    layers = [f"layer_{number:03d}" for number in range(MAX_LAYERS)]
    ten_digits = 0.1234567890123456
    values = [
        msgspec.structs.replace(one.values[0], layer=layer, measure=name, value=ten_digits, low=ten_digits, high=ten_digits, p=ten_digits)
        for layer in layers
        for name in ("j", "j_clustered", "chi", "xbi", "dbi", "aqi_section_3", "aqi_appendix_b", "dunn", "silhouette")
    ]  # fmt: skip
    changes = [
        msgspec.structs.replace(one.changes[0], layer=layer, before=ten_digits, after=ten_digits, low=ten_digits, high=ten_digits, p_adjusted=ten_digits)
        for layer in layers
    ]  # fmt: skip
    points = np.random.default_rng(0).normal(size=(3_000, 4))
    largest = msgspec.structs.replace(
        one,
        values=tuple(values),
        changes=tuple(changes),
        changes_since_baseline=tuple(changes),
        picture=picture_of("layer_000", points, 1_500),
        detail="x" * 1_000,
    )
    assert AuditRecord.from_bytes(largest.to_bytes()) == largest


def test_a_row_a_value_with_every_column() -> None:
    rows = [msgspec.json.decode(row) for row in value_rows(a_record())]
    every = COLUMNS["audit_rows"]
    of_change = {
        name for name in every if name.startswith(("before", "change_", "baseline", "since_", "has_"))
    }

    assert [(row["layer"], row["measure"]) for row in rows] == [
        ("layer_00", "j"), ("layer_00", "dbi"), ("layer_01", "j"), ("layer_01", "dbi"),
    ]  # fmt: skip
    assert set(rows[0]) == every
    assert all(set(row) == every - of_change for row in rows[1:])
    assert (rows[0]["has_changed"], rows[0]["has_changed_since"], rows[3]["value"]) == (True, False, None)
    assert set(msgspec.json.decode(record_row(a_record()))) == COLUMNS["audit_records"]


def test_a_refused_audit_is_one_row_without_a_value() -> None:
    (row,) = [msgspec.json.decode(one) for one in value_rows(refused())]
    assert (row["layer"], row["measure"], row["value"], row["state"], row["reason"]) == (
        "", "", None, "refused", "one_class",
    )  # fmt: skip


def test_a_measured_audit_becomes_its_record() -> None:
    anchors = matched(64)
    rows = {"layer_00": rows_of(anchors, 6, shift=0.5), "layer_01": rows_of(anchors, 6, shift=0.4, seed=1)}
    found = measured(rows, anchors, None, poolings=(), draws=99, seed=0)
    subject = Subject(FACTS, 3, anchors.digest, is_live=False, safe=64, unsafe=64, clusters=64)
    record = done_record(
        JOB,
        subject,
        SIGNED,
        found.audit,
        found.picture,
        series="f" * 16,
        changes={},
        previous_id="a0",
        baseline_id="",
    )

    assert AuditRecord.from_bytes(record.to_bytes()) == record
    assert {(value.layer, value.n) for value in record.values} == {("layer_00", 128), ("layer_01", 128)}
    assert (record.previous_id, record.baseline_id) == ("", "")  # nothing was compared
    assert (record.truncated, record.picture and record.picture.layer) == (3, "layer_00")
    assert all(
        value.low is not None and value.high is not None and value.low <= value.high
        for value in record.values
    )


def test_a_reason_is_one_of_a_bounded_set_and_its_meaning_ends_a_sentence() -> None:
    odd = refused_record(JOB, Subject(), SIGNED, series="", reason="what somebody typed", detail="x" * 5_000)
    assert (odd.reason, len(odd.detail)) == ("other", 1_000)
    assert AuditRecord.from_bytes(odd.to_bytes()) == odd
    for fault in (*AuditFault, *ProbeFault):
        assert not meaning_of(fault.value).endswith(".")
        assert refused_record(JOB, Subject(), SIGNED, series="", reason=fault, detail="").reason == fault


def test_ids_follow_from_what_is_asked_and_from_nothing_else() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    ids = {
        audit_id_of_request("wk", "r1"),
        audit_id_of_request("wk2", "r1"),
        audit_id_of_request("wk", "r2"),
        audit_id_of_schedule("wk", "r1", "", at),
        audit_id_of_schedule("wk", "r1", "matched", at),
        audit_id_of_schedule("wk", "r1", "matched", at.replace(day=3)),
    }
    assert len(ids) == 6
    assert audit_id_of_request("wk", "r1") in ids


def test_a_picture_is_of_the_labels_nothing_and_bounded() -> None:
    rows = np.random.default_rng(0).normal(size=(5_000, 5)) * [9, 3, 1, 1, 1]
    picture = picture_of("layer_00", rows, 2_500)

    assert len(picture.x) == len(picture.y) == len(picture.is_safe) == PICTURE_MAX_POINTS
    assert sum(picture.is_safe) == PICTURE_MAX_POINTS / 2
    assert picture.shares[0] == pytest.approx(81 / 93, abs=0.02)
    assert picture.shares[1] == pytest.approx(9 / 93, abs=0.02)
    few = rows[:200]
    turned = few @ np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    one, two = picture_of("a", few, 100), picture_of("a", turned, 100)
    assert np.allclose(one.x, two.x, atol=2e-4)
    assert np.allclose(one.y, two.y, atol=2e-4)
