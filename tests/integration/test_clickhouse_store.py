"""The store on the real engine over HTTP: migrations, errors in our own words, durability."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.embedded.clickhouse import ClickHousePart
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metrics
from monitor.settings import ClickHouseSettings
from monitor.store import sql, tables_doc
from schemas.refusal_tokens import RefusalToken
from tests.stores import new_store, rows, verdict
from tests.waiting import until
from workers.opening import opened_store

CANARY = "zanzibar-marmalade"
NEWEST = len(sql.migrations())


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


@pytest.fixture
async def unmigrated(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    """A client whose database isn't there."""
    settings = ClickHouseSettings(url=clickhouse_part.address, database=f"watchkeeper_{secrets.token_hex(4)}")
    async with await connect(settings) as made:
        yield made
        await made._client.command(f"DROP DATABASE IF EXISTS {settings.database} SYNC", use_database=False)


async def test_all_migrations_apply_to_an_empty_engine_once(unmigrated: ClickHouse) -> None:
    store = unmigrated
    assert (await store.schema_version(), await store.pending_migrations()) == (0, list(sql.migrations()))

    assert await store.migrate() == list(sql.migrations())
    assert await store.migrate() == []

    assert (await store.schema_version(), await store.pending_migrations()) == (NEWEST, [])
    facts = await store.ping()
    assert facts == {"version": facts["version"], "database": store._client.database, "schema": str(NEWEST)}


async def test_two_migrators_at_once_do_no_harm(unmigrated: ClickHouse) -> None:
    async with await connect(unmigrated._settings) as other:
        await asyncio.gather(unmigrated.migrate(), other.migrate(), unmigrated.migrate())

    assert await unmigrated.query("applied_migrations") == [
        {"version": m.version, "name": m.name, "checksum": m.checksum} for m in sql.migrations()
    ]
    await unmigrated.insert([verdict("a").to_bytes()])
    assert await rows(unmigrated, "SELECT count() FROM arrivals") == [(1,)]


async def test_whoever_oversees_opens_a_store_that_is_migrated_where_the_workers_do_that(
    unmigrated: ClickHouse,
) -> None:
    for migrates, version in ((False, 0), (True, NEWEST)):
        settings = unmigrated._settings.model_copy(update={"migrate_on_start": migrates})
        async with opened_store(settings, Metrics()) as opened:
            assert await opened.schema_version() == version


async def test_looking_at_what_is_missing_changes_nothing(unmigrated: ClickHouse) -> None:
    await unmigrated.pending_migrations()

    names = str(await unmigrated._client.command("SHOW DATABASES", use_database=False))
    assert unmigrated._settings.database not in names


@pytest.mark.parametrize(
    ("version", "checksum", "message"),
    [
        (1, "0" * 16, "was edited after it was applied"),
        (NEWEST + 1, "0" * 16, f"the store has schema version {NEWEST + 1}, this Watchkeeper knows {NEWEST}"),
    ],
)
async def test_a_store_that_is_not_what_we_made_it_is_refused(
    store: ClickHouse, version: int, checksum: str, message: str
) -> None:
    await store._do(
        sql.query("record_migration"), {"version": version, "name": "create_x", "checksum": checksum}
    )

    for call in (store.ping, store.pending_migrations, store.migrate):
        with pytest.raises(Misconfigured, match=message):
            await call()


async def test_the_engine_reads_the_ddl_as_the_document_does(store: ClickHouse) -> None:
    """Types, comments and the order of columns: docs/tables.md is written from the files, the engine has the last word."""
    statement = (
        "SELECT table, name, type, comment FROM system.columns WHERE database = currentDatabase() "
        "AND NOT endsWith(table, '_feed') ORDER BY table, position"
    )
    documented = [
        (table.name, column.name, column.type, column.meaning)
        for table in sorted(tables_doc.tables(), key=lambda table: table.name)
        for column in table.columns
    ]
    assert await rows(store, statement) == documented
    comments = "SELECT name, comment FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    assert await rows(store, comments) == sorted((table.name, table.meaning) for table in tables_doc.tables())


async def test_a_verdict_is_the_same_in_its_row(store: ClickHouse) -> None:
    given = verdict("a", 1, tool_calls=2**32 - 1, source_offset=2**62)
    await store.insert([given.to_bytes()])

    result = await store._client.query("SELECT * FROM verdicts")
    (row,) = (dict(found) for found in result.named_results())
    assert row.pop("event_hash") > 0
    assert row.pop("weight") == 1.0
    assert msgspec.json.decode(row.pop("refusal_token"), type=RefusalToken) == given.refusal_token
    expected = {field: getattr(given, field) for field in given.__struct_fields__ if field != "refusal_token"}
    assert row == expected


async def test_a_field_of_a_newer_verdict_is_no_reason_to_refuse_its_row(store: ClickHouse) -> None:
    await store.insert([verdict("a").to_bytes()[:-1] + b',"mood":{"of":["the",1,null]}}'])

    assert await rows(store, "SELECT event_id FROM verdicts") == [("a",)]


Call = Callable[[ClickHouse], Coroutine[Any, Any, object]]
CALLS: dict[str, Call] = {
    "insert": lambda store: store.insert([verdict(CANARY, prompt_excerpt=CANARY).to_bytes()]),
    "query": lambda store: store.query("labels", ids=[CANARY]),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_missing_database_is_misconfigured_with_the_remedy(unmigrated: ClickHouse, call: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        await CALLS[call](unmigrated)

    assert "watchkeeper migrate" in caught.value.remedy
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("call", [*CALLS, "migrate"])
async def test_a_server_that_is_away_is_retryable(
    new_clickhouse: Callable[[], ClickHousePart], call: str
) -> None:
    part = new_clickhouse()
    async with part:
        store = await connect(ClickHouseSettings(url=part.address))
        await store.migrate()
    async with store:
        with pytest.raises(Retryable) as caught:
            await (store.migrate() if call == "migrate" else CALLS[call](store))

    assert part.address in str(caught.value)
    assert CANARY not in str(caught.value)


async def test_nobody_at_the_address_is_retryable(unused_tcp_port: int) -> None:
    with pytest.raises(Retryable, match=f"http://127.0.0.1:{unused_tcp_port}"):
        await connect(ClickHouseSettings(url=f"http://127.0.0.1:{unused_tcp_port}"))


async def test_a_server_that_never_answers_is_retryable() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Retryable):
            await connect(ClickHouseSettings(url=f"http://127.0.0.1:{port}", timeout_s=0.2))


@pytest.mark.parametrize("url", ["clickhouse:8123", "tcp://clickhouse:9000", "http://"])
async def test_an_address_that_is_none_is_misconfigured(url: str) -> None:
    with pytest.raises(Misconfigured, match="no http or https address"):
        await connect(ClickHouseSettings(url=url))


async def test_an_unknown_user_is_misconfigured(clickhouse_part: ClickHousePart) -> None:
    with pytest.raises(Misconfigured) as caught:
        await connect(ClickHouseSettings(url=clickhouse_part.address, user="somebody"))

    assert "WATCHKEEPER_CLICKHOUSE__USER" in caught.value.remedy


async def test_what_was_acknowledged_survives_a_kill_of_the_server(
    new_clickhouse: Callable[[], ClickHousePart],
) -> None:
    part = new_clickhouse()
    await part.start()
    settings = ClickHouseSettings(url=part.address)
    acknowledged: list[str] = []

    async def write(store: ClickHouse, writer: int) -> None:
        for number in range(100_000):
            ids = [f"{writer}-{number}-{n}" for n in range(50)]
            await store.insert([verdict(event_id, n).to_bytes() for n, event_id in enumerate(ids)])
            acknowledged.extend(ids)

    async with await connect(settings) as store:
        await store.migrate()
        writers = [asyncio.ensure_future(write(store, writer)) for writer in range(3)]
        await until(lambda: len(acknowledged) > 1000, "some inserts")
        await part.kill()
        for writer in writers:
            with suppress(Retryable):
                await writer

    await part.restart()
    async with await connect(settings) as store:
        found = {row[0] for row in await rows(store, "SELECT event_id FROM verdicts")}
        assert set(acknowledged) - found == set()
        assert len(found) - len(acknowledged) in range(0, 151, 50), "an insert is there whole, or not at all"
        # Whoever wasn't answered tries again.
        unanswered = sorted(found - set(acknowledged))
        await store.insert(
            [verdict(event_id, int(event_id.split("-")[2])).to_bytes() for event_id in unanswered]
        )
        counts = "SELECT count(), uniqExact(event_id) FROM verdicts"
        assert await rows(store, counts) == [(len(found), len(found))]
        places = "SELECT uniqExact(event_id) FROM arrivals"
        assert await rows(store, places) == [(len(found),)]
