"""SQL by name: one statement a file, parameters as {name:Type}, never formatted from Python."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple


class Migration(NamedTuple):
    """One numbered statement. `checksum` tells when a merged one was edited."""

    version: int
    name: str
    statement: str
    checksum: str


@cache
def query(name: str) -> str:
    """The statement of monitor/store/queries/<name>.sql. Raises FileNotFoundError for a name that isn't there."""
    return (files("monitor.store") / "queries" / f"{name}.sql").read_text(encoding="utf-8").strip()


@cache
def examples() -> dict[str, str]:
    """The queries that docs/tables.md shows a reader, by name: a comment that says what for, then the statement."""
    folder = files("monitor.store") / "examples"
    found = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8").strip() for file in found}


@cache
def migrations() -> tuple[Migration, ...]:
    """All of schemas/clickhouse/NNNN_verb_object.sql, in order. Raises ValueError where numbers aren't 1, 2, 3, ..."""
    found = []
    for file in sorted(files("schemas.clickhouse").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        statement = file.read_text(encoding="utf-8").strip()
        number, _, name = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(int(number), name, statement, sha256(statement.encode()).hexdigest()[:16]))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered without gaps: {[m.version for m in found]}")
    return tuple(found)
