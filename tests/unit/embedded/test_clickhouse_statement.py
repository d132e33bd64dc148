from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.embedded.clickhouse_statement import InsertHead, Statement, describe, insert_head, is_insert


@pytest.mark.parametrize(
    ("text", "query", "data_format", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", b"INSERT INTO t ", "CSV", b"1,2\n"),
        (b"insert into t (a, b) format JSONEachRow {}", b"insert into t (a, b) ", "JSONEachRow", b"{}"),
        (b"INSERT INTO t FORMAT TSV  \r\n\n1", b"INSERT INTO t ", "TSV", b"\n1"),
        (b"-- FORMAT no\nINSERT /* FORMAT no */ INTO t FORMAT CSV 1", None, "CSV", b"1"),
        (b"INSERT INTO `FORMAT x` (`VALUES`) FORMAT CSV\n1", None, "CSV", b"1"),
        (b'INSERT INTO "a\\"b" FORMAT CSV\n1', None, "CSV", b"1"),
        (b"INSERT INTO FUNCTION null('x FORMAT y') FORMAT Native\n\x00'\"(", None, "Native", b"\x00'\"("),
        (b"INSERT INTO t FORMAT CSV\nFORMAT JSON", None, "CSV", b"FORMAT JSON"),
        (b"INSERT INTO t FORMAT CSV ", b"INSERT INTO t ", "CSV", b""),
    ],
)
def test_data_is_cut_from_its_insert(text: bytes, query: bytes | None, data_format: str, data: bytes) -> None:
    head = insert_head(text)
    assert head is not None
    assert head == InsertHead(query if query is not None else head.query, data_format, head.data_at)
    assert text[head.data_at :] == data


@pytest.mark.parametrize(
    ("query", "settings"),
    [
        (b"INSERT INTO t ", b"SETTINGS async_insert = 0 "),
        (b"INSERT INTO t (settings) ", b"settings a = 'x', b = 1 "),
        (b"INSERT INTO settings ", b""),
        (b"INSERT INTO settings ", b"SETTINGS a = 1 "),
        (b"INSERT INTO db.settings (n) ", b""),
    ],
)
def test_settings_are_cut_from_the_insert_they_end(query: bytes, settings: bytes) -> None:
    text = query + settings + b"FORMAT CSV\n1"
    assert insert_head(text) == InsertHead(query, "CSV", len(text) - 1, settings)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH 1 AS x SELECT x FORMAT CSV",
        b"INSERT INTO t VALUES (1)",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t FORMAT",
        b"INSERT INTO t FORMAT CS",  # the name may go on in the next chunk
        b"INSERT INTO t (FORMAT CSV",
    ],
)
def test_what_carries_no_data_behind_a_format_is_left_to_the_engine(text: bytes) -> None:
    assert insert_head(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"SELECT 1", Statement(is_insert=False, format=None, files=None)),
        (b"SELECT 'FORMAT x' FORMAT JSON;", Statement(is_insert=False, format="JSON", files=None)),
        (
            b"SELECT (SELECT 1 FORMAT x) format JSONEachRow SETTINGS a=1",
            Statement(is_insert=False, format="JSONEachRow", files=None),
        ),
        (
            b"SELECT 1 INTO OUTFILE '/tmp/x' FORMAT CSV",
            Statement(is_insert=False, format="CSV", files="INTO OUTFILE"),
        ),
        (b"INSERT INTO t FROM INFILE 'x'", Statement(is_insert=True, format=None, files="FROM INFILE")),
        (
            b"SELECT a, format, f(b), format AS c FROM verdicts WHERE format = 'otel' ORDER BY format DESC",
            Statement(is_insert=False, format=None, files=None),
        ),
        (
            b"SELECT format FROM verdicts FORMAT CSV -- every one\n;",
            Statement(is_insert=False, format="CSV", files=None),
        ),
        (b"SELECT $a$ INTO OUTFILE $a$", Statement(is_insert=False, format=None, files=None)),
    ],
)
def test_a_statement_says_its_format_and_whether_it_touches_files(text: bytes, expected: Statement) -> None:
    assert describe(text) == expected


@given(st.binary(max_size=200))
def test_no_bytes_make_the_tokeniser_fail(text: bytes) -> None:
    describe(text)
    head = insert_head(text)
    assert head is None or (is_insert(text) and head.data_at <= len(text))


@given(st.binary(max_size=200))
def test_data_never_changes_how_its_insert_is_read(data: bytes) -> None:
    head = insert_head(b"INSERT INTO t FORMAT Native\n" + data)
    assert head == InsertHead(b"INSERT INTO t ", "Native", 28)
