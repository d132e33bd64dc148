"""docs/tables.md says what the DDL says, and the DDL what travels on Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.store import tables_doc
from monitor.store.tables_doc import Column, Table
from schemas.events import Verdict
from schemas.judgements import JudgeAnswer, Judgement

ROOT = Path(__file__).resolve().parents[3]
TABLES = {table.name: table for table in tables_doc.tables()}

STATEMENT = """\
CREATE TABLE IF NOT EXISTS things
(
    id    String COMMENT 'The thing''s id, or a|b; "none", (never NULL).' CODEC(ZSTD(1)),
    at    DateTime64(6, 'UTC') COMMENT 'When.',
    hash  UInt64 MATERIALIZED sipHash64(id, at) COMMENT 'Of both.' CODEC(NONE),
    maybe LowCardinality(Nullable(String)) DEFAULT 'x' COMMENT 'Maybe.',
    INDEX by_at at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(hash)
ORDER BY (id, at)
TTL toDateTime(at) + INTERVAL 9 DAY
SETTINGS index_granularity = 128
COMMENT 'Things.'"""


def test_the_document_is_what_the_ddl_says() -> None:
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == tables_doc.render(), (
        "run `python -m monitor.store.tables_doc`"
    )


def test_a_verdicts_fields_are_the_columns_of_its_row() -> None:
    columns = [column.name for column in TABLES["verdict_rows"].columns if not column.is_computed]

    assert columns == list(Verdict.__struct_fields__)


def test_a_judgements_fields_are_the_columns_of_its_row_with_the_answers_in_their_place() -> None:
    columns = [column.name for column in TABLES["judgement_rows"].columns if not column.is_computed]
    fields = list(Judgement.__struct_fields__)
    place = fields.index("answer")

    assert columns == [*fields[:place], *JudgeAnswer.__struct_fields__, *fields[place + 1 :]]


def test_readers_of_judgements_see_the_row_with_its_weight_and_without_its_precedence() -> None:
    base = {column.name: column for column in TABLES["judgement_rows"].columns}
    view = {column.name: column for column in TABLES["judgements"].columns}

    assert (set(base) - set(view), set(view) - set(base)) == ({"precedence"}, {"weight"})
    assert {name: (view[name].type, view[name].meaning) for name in set(base) & set(view)} == {
        name: (base[name].type, base[name].meaning) for name in set(base) & set(view)
    }


def test_readers_see_the_row_with_its_weight_and_without_its_precedence() -> None:
    base = {column.name: column for column in TABLES["verdict_rows"].columns}
    view = {column.name: column for column in TABLES["verdicts"].columns}

    assert set(base) - set(view) == {"precedence"}
    assert set(view) - set(base) == {"weight"}
    shared = set(base) & set(view)
    assert {name: (view[name].type, view[name].meaning) for name in shared} == {
        name: (base[name].type, base[name].meaning) for name in shared
    }


def test_arrivals_describe_their_places_as_rows_do() -> None:
    base = {column.name: column.type for column in TABLES["verdict_rows"].columns}
    arrivals = {column.name: column.type for column in TABLES["arrivals"].columns}

    assert {name: base[name] for name in arrivals} == arrivals


def test_every_table_that_grows_with_the_traffic_forgets() -> None:
    kept = {name: table.kept_days for name, table in TABLES.items() if table.kind == "TABLE"}

    assert kept == {
        "verdict_rows": 90,
        "judgement_rows": 90,
        "arrivals": 400,
        "schema_migrations": None,
        "watch_windows": 90,
        "watch_states": 400,
        "alert_rows": 400,
        "dead_letter_rows": 400,
        "report_deliveries": 400,
        "occurrences": 90,
        "event_quarters": 92,
        "moved_events": 92,
        "repeated_events": 1,
        "judgement_arrivals": 90,
        "quarter_rows": 400,
        "quality_rows": 400,
        "pattern_rows": 400,
        "rollup_marks": None,
        "calibration_rows": None,
        "audit_rows": 800,
        "audit_records": 800,
        "audit_states": 800,
    }


def test_a_statement_is_read_whole() -> None:
    assert tables_doc.table(STATEMENT) == Table(
        kind="TABLE",
        name="things",
        meaning="Things.",
        columns=(
            Column("id", "String", """The thing's id, or a|b; "none", (never NULL).""", is_computed=False),
            Column("at", "DateTime64(6, 'UTC')", "When.", is_computed=False),
            Column("hash", "UInt64", "Of both.", is_computed=True),
            Column("maybe", "LowCardinality(Nullable(String))", "Maybe.", is_computed=False),
        ),
        engine="ReplacingMergeTree(hash)",
        order="(id, at)",
        kept_days=9,
    )


@pytest.mark.parametrize(
    "broken",
    [
        STATEMENT.replace("COMMENT 'When.'", ""),
        STATEMENT.replace("\nCOMMENT 'Things.'", ""),
        "ALTER TABLE things ADD COLUMN x String",
    ],
)
def test_what_cannot_be_read_or_says_nothing_is_an_error(broken: str) -> None:
    with pytest.raises(ValueError, match="no "):
        tables_doc.table(broken)


def test_the_check_compares_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()

    assert tables_doc.main(["--check"]) == 1
    assert "run `python -m monitor.store.tables_doc`" in capsys.readouterr().err
    assert list((tmp_path / "docs").iterdir()) == []
    assert tables_doc.main([]) == 0
    assert tables_doc.main(["--check"]) == 0
