"""Statements by name, and migrations in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.store import sql

ROOT = Path(__file__).resolve().parents[3]
QUERIES = sorted(path.stem for path in (ROOT / "monitor" / "store" / "queries").glob("*.sql"))
MIGRATIONS = sorted((ROOT / "schemas" / "clickhouse").glob("*.sql"))
STATEMENTS = {path.name: path.read_text(encoding="utf-8") for path in MIGRATIONS} | {
    f"{name}.sql": sql.query(name) for name in QUERIES
}


def test_migrations_are_numbered_from_one_without_gaps_and_named_by_their_verb() -> None:
    assert [m.version for m in sql.migrations()] == list(range(1, len(MIGRATIONS) + 1))
    assert [f"{m.version:04d}_{m.name}.sql" for m in sql.migrations()] == [path.name for path in MIGRATIONS]
    assert [
        m.name for m in sql.migrations() if not re.fullmatch(r"(create|alter|drop|add)_[a-z_]+", m.name)
    ] == []


def test_a_migrations_checksum_is_its_statements() -> None:
    checksums = {m.checksum for m in sql.migrations()}

    assert len(checksums) == len(MIGRATIONS)
    assert all(re.fullmatch(r"[0-9a-f]{16}", checksum) for checksum in checksums)


def test_a_name_that_is_no_query_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        sql.query("no_such_query")


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_a_file_holds_one_statement(name: str) -> None:
    """ClickHouse takes one a call over HTTP. A semicolon in a comment or a string would be fine, but nobody needs one."""
    code = re.sub(r"^--.*$", "", STATEMENTS[name], flags=re.MULTILINE).strip()

    assert re.match(r"(SELECT|WITH|INSERT|CREATE|ALTER|DROP)\b", code)
    assert ";" not in re.sub(r"'(?:[^'\\]|''|\\.)*'", "''", code)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_is_formatted_from_python(name: str) -> None:
    holes = re.findall(r"\{[^}]*\}", STATEMENTS[name])

    assert [hole for hole in holes if not re.fullmatch(r"\{\w+:[A-Za-z0-9(), ']+\}", hole)] == []


@pytest.mark.parametrize("migration", sql.migrations(), ids=lambda m: m.name)
def test_a_migration_can_be_applied_by_two_at_once(migration: sql.Migration) -> None:
    assert re.search(r"\bIF (NOT )?EXISTS\b|^CREATE OR REPLACE VIEW\b", migration.statement)
