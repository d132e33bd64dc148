"""`watchkeeper migrate`: the ClickHouse schema brought up to date."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer
from rich.text import Text

from monitor.adapters.clickhouse import connect
from monitor.cli.console import notes, output, print_json
from monitor.cli.parts import parts_here
from monitor.cli.shapes import MigrateDocument, MigrationLine
from monitor.settings import ClickHouseSettings
from monitor.store import sql


def migrate(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be applied, change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Bring the ClickHouse schema up to date: create the database and apply the migrations that are missing.

    Safe to run again, and by several at once. Workers do it themselves when they start, unless
    WATCHKEEPER_CLICKHOUSE__MIGRATE_ON_START is false.

    Examples:
        watchkeeper migrate --dry-run
        watchkeeper migrate
    """
    settings = parts_here().settings.clickhouse
    with notes().status("asking ClickHouse…"):
        missing = asyncio.run(_pending(settings) if dry_run else _migrate(settings))
    document = migrate_document(settings.database, missing, "pending" if dry_run else "applied now")
    if as_json:
        print_json(document)
        return
    console = output()
    for line in document.migrations:
        is_new = line.state != "applied"
        mark = {"applied": "✓", "pending": "…", "applied now": "+"}[line.state]
        console.print(Text(f"{mark} {line.name}  {line.state}", style="bold" if is_new else "dim"))
    if not missing:
        console.print(Text(f"The schema of {settings.database} is up to date.", style="green"))
    elif dry_run:
        console.print(Text(f"{len(missing)} would be applied to {settings.database}.", style="yellow"))
    else:
        console.print(Text(f"{len(missing)} applied to {settings.database}.", style="green"))


def migrate_document(
    database: str, missing: list[sql.Migration], state: Literal["pending", "applied now"]
) -> MigrateDocument:
    """All migrations, those that were missing in `state`."""
    return MigrateDocument(
        database=database,
        dry_run=state == "pending",
        migrations=[
            MigrationLine(name=f"{one.version:04d}_{one.name}", state=state if one in missing else "applied")
            for one in sql.migrations()
        ],
    )


async def _pending(settings: ClickHouseSettings) -> list[sql.Migration]:
    async with await connect(settings) as store:
        return await store.pending_migrations()


async def _migrate(settings: ClickHouseSettings) -> list[sql.Migration]:
    async with await connect(settings) as store:
        return await store.migrate()
