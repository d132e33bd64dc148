"""Rows of alerts and dead letters: every field of the table, of records that can be rows."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from monitor.dead_lettering import Origin, dead_letter
from monitor.recording import alert_row, dead_letter_row
from monitor.store import tables_doc
from schemas.alerts import Alert, Source

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
COLUMNS = {table.name: {column.name for column in table.columns} for table in tables_doc.tables()}
ALERT = Alert(
    id="a1", fleet="wk", kind="worker_silent", severity="warning", state="resolved", started_at=AT, at=AT, ended_at=AT,
    title="a worker said nothing", place={"role": "storage"}, facts={"silent_s": 21.5}, remedy="look", source=Source("w", "1"),
)  # fmt: skip


def test_an_alert_is_a_row_with_every_column() -> None:
    row = msgspec.json.decode(
        alert_row(ALERT.to_bytes(), partition=2, offset=7, timestamp_ms=1_700_000_000_123)
    )

    assert set(row) == COLUMNS["alert_rows"]
    assert (row["log_partition"], row["log_offset"], row["appended_at"]) == (
        2,
        7,
        "2023-11-14T22:13:20.123000Z",
    )
    assert (row["facts"], row["evidence"], row["worker"]) == ('{"silent_s":21.5}', "", "w")


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"no json", ALERT.to_bytes()[:-20]])
def test_what_is_no_alert_is_refused(value: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        alert_row(value, partition=0, offset=0, timestamp_ms=0)


def test_a_dead_letter_is_a_row_with_every_column_and_without_its_message() -> None:
    origin = Origin("chat.logs", 3, 17, b"key", b"typed", (("own", b"typed"),), AT)
    headers = dead_letter(origin, reason="not_json", detail="at byte 3", version="0.1.0", index=2).headers
    row = msgspec.json.decode(
        dead_letter_row(headers, topic="chat.logs.dlq", partition=1, offset=5, timestamp_ms=1_700_000_000_123)
    )

    assert set(row) == COLUMNS["dead_letter_rows"]
    assert row == {
        "source_topic": "chat.logs", "source_partition": 3, "source_offset": 17, "source_index": 2, "reason": "not_json",
        "arrived_at": "2026-03-02T12:00:00Z", "attempts": 1, "origin": "", "version": "0.1.0", "letter": "chat.logs.dlq/1/5",
        "written_at": "2023-11-14T22:13:20.123000Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("watchkeeper-topic", b"chat.logs")],
        [("watchkeeper-topic", b"t"), ("watchkeeper-partition", b"x"), ("watchkeeper-offset", b"1"),
         ("watchkeeper-arrived-at", b"2026-03-02T12:00:00Z")],
        [("watchkeeper-topic", b"t"), ("watchkeeper-partition", b"0"), ("watchkeeper-offset", b"1"),
         ("watchkeeper-arrived-at", b"\xff")],
    ],
)  # fmt: skip
def test_what_does_not_say_which_message_it_was_is_refused(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(msgspec.ValidationError):
        dead_letter_row(headers, topic="chat.logs.dlq", partition=1, offset=5, timestamp_ms=0)
