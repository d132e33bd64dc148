"""docs/tables.md, written from the DDL's comments: `python -m monitor.store.tables_doc` (`--check` only compares)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from monitor.generated import write_or_compare
from monitor.store import sql

DOCUMENT: Final = Path("docs/tables.md")

INTRODUCTION: Final = """\
# Tables

Written from `schemas/clickhouse/*.sql` by `python -m monitor.store.tables_doc`; `make check` fails where the two differ.

Database `watchkeeper`. Read **`verdicts`** and **`judgements`**: each event once, no `FINAL` and no grouping asked of you; **`alerts`**: each alert once,
as it stands; **`dead_letters`**: each bad place once; **`quarters`**, **`refusal_quality`** and **`judged_quarters`**: counts of quarters of an hour. Their columns only ever gain company; a column that goes is announced a release before. The other tables serve it, and may change.
How an event comes to count once is told in [adr/0003](adr/0003-verdicts-once.md).

Times are UTC. Probabilities are 0 to 1. `NULL` is "not known", never "no".
"""

_STRING: Final = r"'(?:[^']|'')*'"
_OBJECT: Final = re.compile(
    r"CREATE (?:OR REPLACE )?(TABLE|VIEW|MATERIALIZED VIEW) (?:IF NOT EXISTS )?(\w+)\s"
)
_ALTERED: Final = re.compile(r"ALTER TABLE (\w+)\n")
_ADDED: Final = re.compile(r"^    ADD COLUMN IF NOT EXISTS (.+) AFTER (\w+),?$", re.MULTILINE)
_DESCRIBED: Final = re.compile(rf"^    COMMENT COLUMN IF EXISTS (\w+) ({_STRING}),?$", re.MULTILINE)
_COLUMN: Final = re.compile(rf"^    (\w+)\s+(.+?) COMMENT ({_STRING})", re.DOTALL)
_TYPE: Final = re.compile(r"\w+(?:\((?:[^()]|\([^()]*\))*\))?")
_COMMENT: Final = re.compile(rf"^COMMENT ({_STRING})\s*$", re.MULTILINE)
_KEPT: Final = re.compile(r"^TTL .*INTERVAL (\d+) DAY", re.MULTILINE)
_ORDER: Final = re.compile(r"^ORDER BY (.+)$", re.MULTILINE)
_ENGINE: Final = re.compile(r"^ENGINE = (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a reader sees it. `is_computed`: an INSERT doesn't give it."""

    name: str
    type: str
    meaning: str
    is_computed: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view, from its DDL."""

    kind: str
    name: str
    meaning: str
    columns: tuple[Column, ...]
    engine: str | None
    order: str | None
    kept_days: int | None


def tables() -> list[Table]:
    """All tables and views, what readers use first. Raises ValueError where a statement can't be read."""
    found: dict[str, Table] = {}
    for migration in sql.migrations():
        altered = _ALTERED.match(migration.statement)
        one = with_added(found[altered[1]], migration.statement) if altered else table(migration.statement)
        found[one.name] = one
    history = table(sql.query("create_schema_migrations"))
    order = {"VIEW": 0, "TABLE": 1, "MATERIALIZED VIEW": 2}
    return sorted([*found.values(), history], key=lambda one: order[one.kind])


def with_added(before: Table, statement: str) -> Table:
    """The table after an ALTER that adds columns, or says better what they mean. What else it changes of those that are there is no reader's
    concern."""
    columns = list(before.columns)
    for declaration, after in _ADDED.findall(statement):
        place = [column.name for column in columns].index(after) + 1
        columns.insert(place, _column(f"    {declaration}"))
    meanings = {name: _text(literal) for name, literal in _DESCRIBED.findall(statement)}
    columns = [replace(column, meaning=meanings.get(column.name, column.meaning)) for column in columns]
    return replace(before, columns=tuple(columns))


def table(statement: str) -> Table:
    """One CREATE statement. Raises ValueError where it can't be read, or leaves something without a comment."""
    created, comment = _OBJECT.search(statement), _COMMENT.search(statement)
    if created is None or comment is None:
        raise ValueError(f"no CREATE with a COMMENT: {statement[:60]!r}")
    kept, engine, order = _KEPT.search(statement), _ENGINE.search(statement), _ORDER.search(statement)
    return Table(
        kind=created[1],
        name=created[2],
        meaning=_text(comment[1]),
        columns=tuple(_column(part) for part in _declarations(statement)),
        engine=engine[1] if engine else None,
        order=order[1] if order else None,
        kept_days=int(kept[1]) if kept else None,
    )


def render() -> str:
    """The whole document."""
    parts = [INTRODUCTION, "## Examples\n", *(_example(text) for text in sql.examples().values())]
    parts += [_section(one) for one in tables()]
    return "\n".join(parts).rstrip() + "\n"


def _section(one: Table) -> str:
    facts = {
        "TABLE": f"Engine `{one.engine}`, ordered by `{one.order}`"
        + (f", rows kept for {one.kept_days} days." if one.kept_days else "."),
        "VIEW": "A view.",
        "MATERIALIZED VIEW": "A materialised view.",
    }[one.kind]
    lines = [f"## {one.name}", "", one.meaning, "", facts, ""]
    if one.columns:
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{column.name}` | `{column.type}` | {column.meaning.replace('|', chr(92) + '|')}"
            f"{' *Computed.*' if column.is_computed else ''} |"
            for column in one.columns
        ]
        lines.append("")
    return "\n".join(lines)


def _example(text: str) -> str:
    title, _, statement = text.partition("\n")
    return f"{title.removeprefix('--').strip()}\n\n```sql\n{statement.strip()}\n```\n"


def _declarations(statement: str) -> list[str]:
    """The column declarations, one string each; none for a statement that declares no columns."""
    body = re.search(r"^\($(.*?)^\)$", statement, re.DOTALL | re.MULTILINE)
    if body is None:
        return []
    parts = re.split(r",\n(?=    \w)", body[1].strip("\n"))
    return [part for part in parts if not part.strip().startswith("INDEX ")]


def _column(declaration: str) -> Column:
    found = _COLUMN.match(declaration)
    kind = _TYPE.match(found[2]) if found else None
    if found is None or kind is None:
        raise ValueError(f"no `name type … COMMENT`: {declaration[:60]!r}")
    return Column(found[1], kind[0], _text(found[3]), is_computed=" MATERIALIZED" in found[2])


def _text(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def main(arguments: Sequence[str]) -> int:
    """See monitor/generated.py."""
    return write_or_compare(DOCUMENT, render(), "monitor.store.tables_doc", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
