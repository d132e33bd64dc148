"""ClickHouse at the edge: over HTTP, whatever engine answers. Implements ports.VerdictStore and ports.Probe."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from monitor.errors import Misconfigured, Rejected, Retryable, WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.settings import ClickHouseSettings
from monitor.store import sql
from monitor.store.migrate import pending
from monitor.store.sql import Migration

TABLE: Final = "verdict_rows"
JUDGEMENTS_TABLE: Final = "judgement_rows"
ALERTS_TABLE: Final = "alert_rows"
LETTERS_TABLE: Final = "dead_letter_rows"
CALIBRATIONS_TABLE: Final = "calibration_rows"

_INSERT_SETTINGS: Final = {
    "date_time_input_format": "best_effort",
    # A field of a newer verdict is not a reason to refuse its row.
    "input_format_skip_unknown_fields": 1,
    # refusal_token is an object on Kafka and text in its column.
    "input_format_json_read_objects_as_strings": 1,
    # Both tables take the insert, or neither is acknowledged; rows are once per event id, so no block is compared.
    "materialized_views_ignore_errors": 0,
    "insert_deduplicate": 0,
    # Acknowledged is stored, whatever the server's profile says.
    "async_insert": 0,
    "wait_end_of_query": 1,
    # No row is left out, and no null taken for a text, without our hearing of it. (A null for a number reads as 0,
    # whatever is set: the worker has validated the types.)
    "input_format_allow_errors_num": 0,
    "input_format_allow_errors_ratio": 0,
    "input_format_null_as_default": 0,
}
_ONE_BLOCK: Final = {
    # Parsed side by side, a large insert would be several blocks, each on its own.
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": 10_000_000,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 1 << 30,
    "max_insert_threads": 1,
}

# Codes of ClickHouse's ErrorCodes.cpp.
_REJECTED: Final = frozenset({6, 26, 27, 33, 41, 53, 69, 70, 72, 117, 130, 131, 321, 349, 441, 467, 691})
_MISCONFIGURED: Final = {
    60: "run `watchkeeper migrate`",
    81: "run `watchkeeper migrate`, or correct WATCHKEEPER_CLICKHOUSE__DATABASE",
    16: "run `watchkeeper migrate`: a column is missing",
    47: "run `watchkeeper migrate`: a column is missing",
    46: "run ClickHouse 24.8 or newer",
    115: "run ClickHouse 24.8 or newer",
    164: "let the user write: its profile is read-only",
    62: "this is a fault of Watchkeeper's SQL: report it, with the server's version",
    192: "correct WATCHKEEPER_CLICKHOUSE__USER",
    193: "correct WATCHKEEPER_CLICKHOUSE__PASSWORD",
    194: "set WATCHKEEPER_CLICKHOUSE__PASSWORD",
    497: "grant the user SELECT and INSERT on the database, and CREATE for migrations",
    516: "correct WATCHKEEPER_CLICKHOUSE__USER and __PASSWORD",
}
_CODE: Final = re.compile(r"[Cc]ode:? (\d+)")


class ClickHouse:
    """One long-lived client. Every method raises Retryable where the server is away or overloaded."""

    def __init__(
        self, client: AsyncClient, settings: ClickHouseSettings, *, metrics: Metrics | None = None
    ) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics or Metrics()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def insert(self, rows: Sequence[bytes], /) -> None:
        """See ports.VerdictStore. The records' bytes are the rows: the engine parses them, nothing is rebuilt here."""
        await self.insert_into(TABLE, rows)

    async def insert_into(self, table: str, rows: Sequence[bytes]) -> None:
        """Insert into one of our tables; see ports.RowStore."""
        await self._insert_rows(table, rows, _INSERT_SETTINGS)

    async def insert_once(self, table: str, rows: Sequence[bytes], *, token: str) -> None:
        """Insert as one block into a table that remembers tokens: nothing if a block with this one is there. Raises as `insert_into`."""
        once = {"insert_deduplicate": 1, "insert_deduplication_token": token}
        await self._insert_rows(table, rows, {**_INSERT_SETTINGS, **_ONE_BLOCK, **once})

    async def _insert_rows(self, table: str, rows: Sequence[bytes], settings: Mapping[str, Any]) -> None:
        if not rows:
            return
        began_s = time.perf_counter()
        try:
            await self._client.raw_insert(
                table, insert_block=b"\n".join(rows), fmt="JSONEachRow", settings=dict(settings)
            )
        except Exception as exc:
            trouble = self._translated(exc, f"inserting into {table}")
            self._inserted(type(trouble).__name__.lower(), began_s)
            raise trouble from exc
        self._inserted("ok", began_s)
        self._metrics.count(Metric.STORE_ROWS, len(rows))

    def _inserted(self, outcome: str, began_s: float) -> None:
        self._metrics.count(Metric.STORE_INSERTS, outcome=outcome)
        self._metrics.observe(Metric.STORE_SECONDS, time.perf_counter() - began_s)

    async def query(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of monitor/store/queries/<name>.sql."""
        try:
            result = await self._client.query(
                sql.query(name), parameters=parameters, settings={"max_execution_time": self._longest_s}
            )
        except Exception as exc:
            raise self._translated(exc, f"the query {name}") from exc
        return [dict(row) for row in result.named_results()]

    async def run(self, name: str, **parameters: Any) -> None:
        """Run the statement of monitor/store/queries/<name>.sql, which writes: acknowledged is stored. Raises as `query`."""
        try:
            await self._client.command(
                sql.query(name),
                parameters=parameters,
                settings={"async_insert": 0, "wait_end_of_query": 1, "max_execution_time": self._longest_s},
            )
        except Exception as exc:
            raise self._translated(exc, f"the statement {name}") from exc

    async def stream(self, name: str, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        """The rows of monitor/store/queries/<name>.sql, block by block: only one is held. Raises as `query`."""
        try:
            result = await self._client.query_row_block_stream(
                sql.query(name), parameters=parameters, settings={"max_execution_time": self._longest_s}
            )
            async with result as blocks:
                names = blocks.source.column_names
                async for block in blocks:
                    for row in block:
                        yield dict(zip(names, row, strict=True))
        except Exception as exc:
            raise self._translated(exc, f"the query {name}") from exc

    async def ping(self) -> Mapping[str, str]:
        """Version, database and schema version. Raises Misconfigured where the schema isn't what this program needs."""
        try:
            version = await self._client.command("SELECT version()")
        except Exception as exc:
            raise self._translated(exc, "asking for the version") from exc
        missing = pending(sql.migrations(), await self._applied())
        if missing:
            raise Misconfigured(
                f"the database {self._settings.database} lacks {len(missing)} of {len(sql.migrations())} migrations",
                "run `watchkeeper migrate`",
            )
        return {
            "version": str(version),
            "database": self._settings.database,
            "schema": str(len(sql.migrations())),
        }

    async def schema_version(self) -> int:
        """The newest migration applied; 0 where there is none."""
        return max(await self._applied(), default=0)

    async def pending_migrations(self) -> list[Migration]:
        """What `migrate` would apply. Changes nothing."""
        return pending(sql.migrations(), await self._applied())

    async def migrate(self) -> list[Migration]:
        """Create the database and apply what is missing; returns what was applied. Idempotent, safe to race."""
        await self._do(f"CREATE DATABASE IF NOT EXISTS {self._settings.database}", use_database=False)
        await self._do(sql.query("create_schema_migrations"))
        missing = await self.pending_migrations()
        for migration in missing:
            await self._do(migration.statement)
            await self._do(
                sql.query("record_migration"),
                {"version": migration.version, "name": migration.name, "checksum": migration.checksum},
            )
        return missing

    @property
    def _longest_s(self) -> int:
        return max(1, int(self._settings.timeout_s))

    async def _applied(self) -> dict[int, str]:
        try:
            rows = await self.query("applied_migrations")
        except Misconfigured as exc:
            if isinstance(exc.__cause__, ClickHouseError) and _code(exc.__cause__) in (60, 81):
                return {}
            raise
        return {row["version"]: row["checksum"] for row in rows}

    async def _do(
        self, statement: str, parameters: Mapping[str, Any] | None = None, *, use_database: bool = True
    ) -> None:
        try:
            await self._client.command(
                statement, parameters=dict(parameters or {}), use_database=use_database
            )
        except Exception as exc:
            raise self._translated(
                exc, f"the statement {statement.partition('(')[0].strip()[:60]!r}"
            ) from exc

    def _translated(self, exc: Exception, doing: str) -> WatchkeeperError:
        """Ours for the client's. The server's message may quote a value, so it goes into none of ours."""
        code = _code(exc)
        where = f"{doing} at {self._settings.url}"
        if code in _MISCONFIGURED:
            return Misconfigured(f"{where} failed with ClickHouse's code {code}", _MISCONFIGURED[code])
        if code in _REJECTED:
            return Rejected("refused_by_clickhouse", f"ClickHouse's code {code}")
        return Retryable(
            f"ClickHouse: {where} failed: {type(exc).__name__}{f', code {code}' if code else ''}"
        )


@dataclass(frozen=True, slots=True)
class RowTable:
    """Implements ports.RowStore: keeps what goes into one table."""

    store: ClickHouse
    table: str

    async def insert(self, rows: Sequence[bytes], /) -> None:
        """See ports.RowStore."""
        await self.store.insert_into(self.table, rows)


def _code(exc: BaseException) -> int:
    """ClickHouse's error code; 0 where no server spoke."""
    code = getattr(exc, "code", None)
    if isinstance(code, int) and code:
        return code
    found = _CODE.search(str(exc)) if isinstance(exc, ClickHouseError) else None
    return int(found.group(1)) if found else 0


async def connect(settings: ClickHouseSettings, *, metrics: Metrics | None = None) -> ClickHouse:
    """A client of the server at `settings.url`; the database need not exist yet.

    Raises Retryable where nobody answers, Misconfigured for an address or password that can't be right.
    """
    url = urlsplit(settings.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Misconfigured(
            f"WATCHKEEPER_CLICKHOUSE__URL is {settings.url}, which is no http or https address",
            "give ClickHouse's HTTP address, like http://clickhouse:8123",
        )
    generic: dict[str, Any] = {"ca_cert": str(settings.ca_file)} if settings.ca_file else {}
    try:
        client = await clickhouse_connect.get_async_client(
            host=url.hostname,
            port=url.port or (8443 if url.scheme == "https" else 8123),
            secure=url.scheme == "https",
            username=settings.user,
            password=settings.password.get_secret_value(),
            database="__default__",
            connect_timeout=settings.connect_timeout_s,
            send_receive_timeout=settings.timeout_s,
            autogenerate_session_id=False,
            tz_mode="aware",
            **generic,
        )
    except Exception as exc:
        code = _code(exc)
        if code in _MISCONFIGURED:
            raise Misconfigured(
                f"ClickHouse at {settings.url} refuses us with code {code}", _MISCONFIGURED[code]
            ) from exc
        raise Retryable(f"ClickHouse doesn't answer at {settings.url}: {type(exc).__name__}") from exc
    client.database = settings.database
    return ClickHouse(client, settings, metrics=metrics)
