"""The faults of the store on the real engine: what each does, and that nothing is lost or counted twice by it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Final

import aiohttp
import pytest

from benchmarks.chaos.faults.clickhouse_proxy import ClickHouseProxy, StoreFault
from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.embedded.clickhouse import ClickHousePart
from monitor.errors import Retryable
from monitor.settings import ClickHouseSettings
from tests.stores import new_store, rows, verdict
from tests.waiting import until

APPLIED: Final = {StoreFault.APPLIED_THEN_SILENT, StoreFault.APPLIED_THEN_RESET, StoreFault.HALF_ANSWER}
REPEATED: Final = {*APPLIED, StoreFault.RESET, StoreFault.HALF_APPLIED_BODY}
"""The client itself tries once more where the connection ended without an answer."""
COUNTS: Final = (
    "SELECT (SELECT count() FROM verdicts), (SELECT uniqExact(event_id) FROM verdicts),"
    " (SELECT count() FROM arrivals FINAL)"
)


@pytest.fixture
async def proxy(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouseProxy]:
    async with ClickHouseProxy(clickhouse_part.address) as made:
        made.silence_s = 0.1
        yield made


@pytest.fixture
async def store(proxy: ClickHouseProxy) -> AsyncIterator[ClickHouse]:
    async with new_store(proxy.url) as made:
        yield made
        proxy.is_away = False
        proxy.clear()


def a_batch(name: str, size: int = 200) -> list[bytes]:
    return [verdict(f"{name}-{n}", n % 60).to_bytes() for n in range(size)]


@pytest.mark.parametrize("fault", StoreFault)
async def test_an_insert_that_suffers_a_fault_is_retryable_and_once_when_it_is_tried_again(
    proxy: ClickHouseProxy, store: ClickHouse, fault: StoreFault
) -> None:
    proxy.will(fault, 2)
    with pytest.raises(Retryable):
        await store.insert(a_batch("a"))

    happened = 2 if fault in REPEATED else 1
    assert proxy.done == {fault: happened}
    assert sum(proxy.pending.values()) == 2 - happened
    there = 200 if fault in APPLIED else 0
    assert await rows(store, COUNTS) == [(there, there, there)]

    proxy.clear()
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


@pytest.mark.parametrize("fault", sorted(REPEATED))
async def test_a_connection_that_ends_once_is_the_clients_own_affair(
    proxy: ClickHouseProxy, store: ClickHouse, fault: StoreFault
) -> None:
    proxy.will(fault)
    await store.insert(a_batch("a"))
    assert (proxy.done, await rows(store, COUNTS)) == ({fault: 1}, [(200, 200, 200)])


async def test_a_client_that_gives_up_on_an_applied_insert_finds_it_applied(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    proxy.silence_s = 3600.0
    settings = ClickHouseSettings(url=proxy.url, database=store._settings.database, timeout_s=1.0)
    async with await connect(settings) as hasty:
        proxy.will(StoreFault.APPLIED_THEN_SILENT)
        with pytest.raises(Retryable):
            await hasty.insert(a_batch("a"))

    async def is_applied() -> bool:
        return await rows(store, COUNTS) == [(200, 200, 200)]

    await until(is_applied, "the rows")
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


async def test_an_engine_that_is_away_behind_the_proxy_is_retryable_and_found_again(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    proxy.is_away = True
    with pytest.raises(Retryable):
        await store.insert(a_batch("a"))
    with pytest.raises(Retryable):
        await connect(ClickHouseSettings(url=proxy.url))
    proxy.is_away = False
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]


async def test_going_away_resets_who_is_being_answered(proxy: ClickHouseProxy) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/?query=SELECT+repeat('x',1000)+FROM+numbers(100000000)"
        async with session.get(url) as answer:
            await answer.content.readexactly(1_000_000)
            proxy.is_away = True
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


async def test_writers_side_by_side_under_random_faults_lose_and_repeat_nothing(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    dice = random.Random(4)

    async def write(batch: Sequence[bytes]) -> int:
        tries = 1
        while True:
            try:
                await store.insert(batch)
            except Retryable:
                tries += 1
            else:
                return tries

    for number in range(12):
        for fault in dice.choices(list(StoreFault), k=6):
            proxy.will(fault)
        tries = await asyncio.gather(*(write(a_batch(f"{number}-{writer}", 50)) for writer in range(4)))
        assert sum(tries) > 4
    assert sum(proxy.done.values()) > 40
    proxy.clear()
    assert await rows(store, COUNTS) == [(12 * 4 * 50,) * 3]


@pytest.mark.parametrize("accept", ["", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize(
    "query",
    ["SELECT number FROM numbers(100000)", "SELECT 1 AS x FORMAT CSVWithNames", "SELECT throwIf(1)", "SELEC"],
)
async def test_what_is_no_insert_of_verdicts_passes_through_untouched(
    clickhouse_part: ClickHousePart, proxy: ClickHouseProxy, query: str, accept: str
) -> None:
    proxy.will(StoreFault.REFUSE)

    async def asked(url: str) -> tuple[int, dict[str, str], bytes]:
        params = {"query": query, "query_id": "q", "wait_end_of_query": "1", "enable_http_compression": "1"}
        headers = {"Accept-Encoding": accept}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(url, params=params, headers=headers) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name != "Date"}
            return answer.status, kept, await answer.read()

    assert await asked(proxy.url) == await asked(clickhouse_part.address)
    assert proxy.done == {}


async def test_a_result_passes_while_it_is_made(proxy: ClickHouseProxy) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/?query=SELECT+number+FROM+numbers(1000000000000)"
        async with session.get(url) as answer:
            assert (await answer.content.readexactly(4)) == b"0\n1\n"

        async def has_ended() -> bool:
            running = b"SELECT count() FROM system.processes WHERE query LIKE '%numbers(1000000000000)'"
            async with session.post(proxy.url, data=running) as answer:
                return await answer.text() == "0\n"

        await until(has_ended, "the end of a query that nobody waits for")


async def test_a_result_that_breaks_off_breaks_off_behind_the_proxy_too(proxy: ClickHouseProxy) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/?query=SELECT+number,throwIf(number=3000000)+FROM+numbers(5000000)"
        async with session.get(url) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_a_large_insert_of_something_else_passes_whole(
    proxy: ClickHouseProxy, store: ClickHouse
) -> None:
    await store._client.command("CREATE TABLE other (n UInt64) ENGINE = MergeTree ORDER BY n")
    given = [[n] for n in range(500_000)]
    await store._client.insert("other", given, column_names=["n"])
    assert await rows(store, "SELECT count(), uniqExact(n) FROM other") == [(500_000, 500_000)]


@pytest.mark.parametrize("table", ["verdict_rows", "arrivals"])
async def test_a_disk_that_the_engine_finds_full_is_retryable_and_nothing_is_lost_or_doubled(
    store: ClickHouse, table: str
) -> None:
    """The engine's own refusal; of `arrivals` it comes when the rows are in `verdict_rows` already."""
    setting = "min_free_disk_bytes_to_perform_insert"
    await store._do(f"ALTER TABLE {table} MODIFY SETTING {setting} = 1000000000000000")
    for _ in range(2):
        with pytest.raises(Retryable, match="243"):
            await store.insert(a_batch("a"))
    await store._do(f"ALTER TABLE {table} RESET SETTING {setting}")
    await store.insert(a_batch("a"))
    assert await rows(store, COUNTS) == [(200, 200, 200)]
