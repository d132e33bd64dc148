"""The embedded server speaks ClickHouse's HTTP protocol: to a bare client, and to clickhouse_connect, sync and async."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from monitor.embedded.clickhouse import ClickHousePart
from tests.waiting import until

COLUMNS = ["n", "text", "at", "maybe"]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.headers.get("X-ClickHouse-Exception-Code", "0"))

    @property
    def written(self) -> int:
        return int(json.loads(self.headers["X-ClickHouse-Summary"])["written_rows"])


class Http:
    """A bare HTTP client of the server."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def __call__(
        self,
        body: bytes | None = None,
        *,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        also: Mapping[str, str] | None = None,
        **params: str,
    ) -> Answer:
        """GET without a body, else POST. Parameters of the address by name; `also` more of them."""
        method = "GET" if body is None else "POST"
        url = self._url + path
        async with self._session.request(
            method, url, params={**params, **(also or {})}, data=body, headers=headers
        ) as r:
            return Answer(r.status, r.headers, await r.read())


@pytest.fixture(scope="module")
async def http(clickhouse_part: ClickHousePart) -> AsyncIterator[Http]:
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers={"Accept-Encoding"}) as session:
        yield Http(clickhouse_part.address, session)


@pytest.fixture
async def table(http: Http) -> AsyncIterator[str]:
    name = "protocol_test"
    await http(f"DROP TABLE IF EXISTS {name} SYNC".encode())
    created = await http(
        f"CREATE TABLE {name} (n Int64, text String, at DateTime64(6, 'UTC'), maybe Nullable(Float64))"
        " ENGINE = MergeTree ORDER BY n".encode()
    )
    assert created.status == 200, created.body
    yield name
    await http(f"DROP TABLE IF EXISTS {name} SYNC".encode())


@pytest.fixture
def make_client(clickhouse_part: ClickHousePart) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(
            clickhouse_connect.get_client(host="127.0.0.1", port=clickhouse_part.ports["http"], **options)
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


async def count(http: Http, table: str) -> int:
    return int((await http(f"SELECT count() FROM {table}".encode())).body)


async def test_a_query_comes_in_the_url_or_the_body_or_half_in_each(http: Http) -> None:
    assert (await http(query="SELECT 1")).body == b"1\n"
    assert (await http(b"SELECT 1")).body == b"1\n"
    assert (await http(b"1, 2", query="SELECT")).body == b"1\t2\n"
    assert (await http(b"SELECT 1 AS x FORMAT JSONEachRow")).body == b'{"x":1}\n'
    assert (await http(b"SELECT 1 AS x", default_format="CSVWithNames")).body == b'"x"\n1\n'


async def test_headers_are_those_of_a_server(http: Http) -> None:
    answer = await http(
        b"SELECT count() FROM numbers(10) FORMAT JSON", query_id="my-query", wait_end_of_query="1"
    )
    assert answer.headers["X-ClickHouse-Query-Id"] == "my-query"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "10"


@pytest.mark.parametrize(
    ("statement", "params", "code", "status"),
    [
        (b"SELEC 1", {}, 62, 400),
        (b" ", {}, 62, 400),
        (b"SELECT 1; SELECT 2", {}, 62, 400),
        (b"SELECT * FROM nothing_here", {}, 60, 404),
        (b"SELECT nothing_here", {}, 47, 404),
        (b"SELECT 1", {"database": "nothing_here"}, 81, 404),
        (b"SELECT 1", {"nothing_here": "1"}, 115, 404),
        (b"SELECT 1 FORMAT NothingHere", {}, 73, 404),
        (b"SELECT throwIf(1)", {}, 395, 500),
        (b"SELECT {x:UInt8}", {}, 456, 500),
        (b"SELECT 1 INTO OUTFILE 'x'", {}, 48, 501),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", {}, 48, 501),
        (b"SELECT 1", {"compress": "1"}, 48, 501),
        (b"SELECT 1", {"session_id": "unheard-of", "session_check": "1"}, 372, 500),
        (
            b"SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1",
            {"max_execution_time": "1"},
            159,
            408,
        ),
    ],
)
async def test_an_error_has_the_code_and_the_status_of_a_server(
    http: Http, statement: bytes, params: dict[str, str], code: int, status: int
) -> None:
    answer = await http(statement, also=params)
    assert (answer.code, answer.status) == (code, status), answer.body
    assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())


async def test_get_only_reads(http: Http, table: str) -> None:
    assert (await http(query=f"INSERT INTO {table} (n) SELECT 1")).code == 164
    assert (await http(query=f"INSERT INTO {table} (n) FORMAT CSV 1")).code == 164
    assert (await http(query=f"DROP TABLE {table}")).code == 164
    assert await count(http, table) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X-ClickHouse-User": "somebody"},
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "guess"},
        {"Authorization": "Basic ZGVmYXVsdDpndWVzcw=="},
        {"Authorization": "Basic !"},
        {"Origin": "http://evil.example"},
    ],
)
async def test_a_stranger_is_refused(http: Http, headers: dict[str, str]) -> None:
    answer = await http(b"SELECT 1", headers=headers)
    assert (answer.code, answer.status) == (516, 403)


async def test_parameters_are_bound_not_pasted(http: Http) -> None:
    hostile = "'; DROP TABLE x; -- \\' {y:String} \U0001f600"
    escaped = hostile.replace("\\", "\\\\")
    answer = await http(b"SELECT {x:String} AS x FORMAT JSONEachRow", param_x=escaped)
    assert json.loads(answer.body) == {"x": hostile}
    assert json.loads(
        (await http(b"SELECT {x:Array(String)} AS x FORMAT JSONEachRow", param_x="['a\\'b']")).body
    ) == {"x": ["a'b"]}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("INSERT INTO {t} (n) FORMAT CSV", b"1\n2\n"),
        ("INSERT INTO {t} FORMAT JSONEachRow", b'{"n":1}\n{"n":2}\n'),
        ("INSERT INTO {t} (n) VALUES", b"(1), (2)"),
        ("INSERT INTO {t} (n) FORMAT Values", b"(1), (2)"),
        ("INSERT INTO {t} (n) SETTINGS max_threads = 1, format_csv_delimiter = ';' FORMAT CSV", b"1\n2\n"),
        ("", b"INSERT INTO {t} (n) FORMAT TSV\n1\n2\n"),
        ("", b"INSERT INTO {t} (n) VALUES (1), (2)"),
        ("", b"INSERT INTO {t} (n) SELECT number FROM numbers(2)"),
    ],
)
async def test_an_insert_says_how_many_rows_it_wrote(http: Http, table: str, query: str, body: bytes) -> None:
    params = {"query": query.replace("{t}", table)} if query else {}
    answer = await http(body.replace(b"{t}", table.encode()), also=params)
    assert (answer.status, answer.written) == (200, 2), answer.body
    assert await count(http, table) == 2


async def test_a_compressed_body_may_hold_many_frames(http: Http, table: str) -> None:
    body = gzip.compress(b"1\n", mtime=0) + gzip.compress(b"2\n")
    answer = await http(
        body, query=f"INSERT INTO {table} (n) FORMAT CSV", headers={"Content-Encoding": "gzip"}
    )
    assert answer.written == 2


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [("snappy", b"1\n", 89), ("gzip", b"no gzip", 271), ("gzip", gzip.compress(b"1\n", mtime=0)[:-4], 271)],
)
async def test_a_body_that_cannot_be_decompressed_inserts_nothing(
    http: Http, table: str, encoding: str, body: bytes, code: int
) -> None:
    answer = await http(
        body, query=f"INSERT INTO {table} (n) FORMAT CSV", headers={"Content-Encoding": encoding}
    )
    assert answer.code == code
    assert await count(http, table) == 0


@pytest.mark.parametrize(
    "head", [b"Content-Length: 50\r\n\r\n1\n2\n", b"Transfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n"]
)
async def test_an_insert_that_is_cut_off_inserts_nothing(
    clickhouse_part: ClickHousePart, http: Http, table: str, head: bytes
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", clickhouse_part.ports["http"])
    writer.write(
        b"POST /?query=INSERT+INTO+" + table.encode() + b"+(n)+FORMAT+CSV HTTP/1.1\r\nHost: x\r\n" + head
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async def nobody_inserts() -> bool:
        running = await http(b"SELECT count() FROM system.processes WHERE query_kind = 'Insert'")
        return running.body == b"0\n"

    await until(nobody_inserts, "the end of the insert")
    assert await count(http, table) == 0


async def test_a_bad_row_inserts_nothing_of_its_body(http: Http, table: str) -> None:
    answer = await http(b"1\nx\n3\n", query=f"INSERT INTO {table} (n) FORMAT CSV")
    assert (answer.code, answer.status) == (117, 400)
    assert await count(http, table) == 0


@pytest.mark.parametrize(
    ("definition", "body", "code"),
    [
        ("(n Int64, CONSTRAINT small CHECK n < 9) ENGINE = MergeTree ORDER BY n", b"1\n9\n", 469),
        ("(n Int64, m UInt8 MATERIALIZED throwIf(n = 9)) ENGINE = MergeTree ORDER BY n", b"1\n9\n", 395),
        (
            "(n Int64) ENGINE = MergeTree ORDER BY n SETTINGS min_free_disk_bytes_to_perform_insert = 1000000000000000",
            b"1\n",
            243,
        ),
        (
            "(n Int64) ENGINE = MergeTree ORDER BY n PARTITION BY n",
            b"".join(b"%d\n" % n for n in range(101)),
            252,
        ),
    ],
    ids=["constraint", "materialized", "full disk", "too many parts"],
)
async def test_rows_that_could_not_be_stored_are_no_success(
    http: Http, definition: str, body: bytes, code: int
) -> None:
    """chDB's own streamed insert says that they are written, whatever befalls them after they were read."""
    await http(b"DROP TABLE IF EXISTS refusing SYNC")
    assert (await http(f"CREATE TABLE refusing {definition}".encode())).status == 200
    answer = await http(body, query="INSERT INTO refusing (n) FORMAT CSV")
    assert (answer.code, await count(http, "refusing")) == (code, 0)
    await http(b"DROP TABLE refusing SYNC")


@pytest.mark.parametrize(("accept", "expected"), [("gzip", "gzip"), ("lz4, zstd", "zstd"), ("br", None)])
async def test_an_answer_is_compressed_as_asked(http: Http, accept: str, expected: str | None) -> None:
    answer = await http(b"SELECT 1", headers={"Accept-Encoding": accept}, enable_http_compression="1")
    assert answer.headers.get("Content-Encoding") == expected
    assert (gzip.decompress(answer.body) if expected == "gzip" else b"1\n") == b"1\n"


async def test_a_session_keeps_its_tables_and_settings_but_not_a_requests_own(http: Http) -> None:
    session = {"session_id": "mine"}
    await http(b"CREATE TEMPORARY TABLE own (x UInt8)", also=session)
    await http(b"INSERT INTO own FORMAT CSV 7\n", also=session)
    await http(b"SET max_block_size = 777", also=session)
    assert (
        await http(b"SELECT x, getSetting('max_threads') FROM own", max_threads="3", also=session)
    ).body == b"7\t3\n"
    assert (
        await http(b"SELECT getSetting('max_block_size'), getSetting('max_threads') = 3", also=session)
    ).body == b"777\t0\n"
    assert (await http(b"SELECT * FROM own")).code == 60
    assert (await http(b"SELECT * FROM own", session_id="yours")).code == 60


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
async def test_clickhouse_connect_reads_what_it_wrote(
    make_client: Callable[..., Client], table: str, *, compress: str | bool
) -> None:
    rows = [
        (n, f"t\t'\\\n{n}\U0001f600", datetime(2026, 1, 1, 0, 0, 0, n, tzinfo=UTC), None if n % 2 else n / 2)
        for n in range(70_000)  # more than one block, so more than one compressed frame
    ]

    def both_ways() -> list[Any]:
        client = make_client(compress=compress, tz_mode="aware")
        assert client.insert(table, rows, column_names=COLUMNS).written_rows == len(rows)
        return list(client.query(f"SELECT * FROM {table} ORDER BY n").result_rows)

    assert await asyncio.to_thread(both_ways) == rows


async def test_an_error_in_the_middle_of_a_result_is_no_short_result(
    make_client: Callable[..., Client],
) -> None:
    def read() -> None:
        statement = "SELECT number, throwIf(number = 3000000) FROM numbers(5000000)"
        with make_client().query_row_block_stream(statement) as stream:
            for _ in stream:
                pass

    with pytest.raises((StreamFailureError, DatabaseError), match="395"):
        await asyncio.to_thread(read)


async def test_a_result_four_times_as_large_needs_no_more_memory(clickhouse_part: ClickHousePart) -> None:
    def resident_mb() -> float:
        status = Path(f"/proc/{clickhouse_part.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    async def most_mb(rows: int) -> float:
        most, got = 0.0, 0
        url = f"{clickhouse_part.address}/?query=SELECT+repeat('x',1000)+FROM+numbers({rows})"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            async for chunk in response.content.iter_chunked(1 << 20):
                got += len(chunk)
                most = max(most, resident_mb())
        assert got == rows * 1001
        return most

    small = await most_mb(500_000)
    assert await most_mb(2_000_000) < small + 200


async def test_reads_beside_inserts_are_right(http: Http, table: str) -> None:
    """chDB gives wrong answers where statements share a connection: here every request has one of its own."""
    total, size = 40, 500

    async def insert(number: int) -> None:
        rows = "".join(f"{number * size + n}\n" for n in range(size)).encode()
        assert (await http(rows, query=f"INSERT INTO {table} (n) FORMAT CSV")).written == size

    async def read(number: int) -> None:
        answer = await http(f"SELECT count(), uniqExact(n), {number} FROM {table}".encode())
        rows, distinct, echo = map(int, answer.body.split())
        assert (rows, rows % size, echo) == (distinct, 0, number)

    await asyncio.gather(*(work(n) for n in range(total) for work in (insert, read, read)))
    assert await count(http, table) == total * size


LONG = b"SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1"


async def test_a_query_whose_client_has_gone_is_cancelled(http: Http) -> None:
    async def running() -> bool:
        found = await http(
            b"SELECT count() FROM system.processes WHERE query LIKE '%= 1' AND query_kind = 'Select'"
        )
        return found.body != b"0\n"

    async def ended() -> bool:
        return not await running()

    asking = asyncio.create_task(http(LONG))
    await until(running, "the query to run")
    asking.cancel()
    await until(ended, "the query to be cancelled")


async def test_a_stop_does_not_wait_for_a_query_that_never_ends(
    new_clickhouse: Callable[[], ClickHousePart],
) -> None:
    part = new_clickhouse()
    await part.start()
    async with aiohttp.ClientSession() as session:
        ask = Http(part.address, session)
        asking = asyncio.create_task(ask(LONG))

        async def running() -> bool:
            return (await ask(b"SELECT count() > 1 FROM system.processes")).body == b"1\n"

        await until(running, "the query to run")
        await part.stop()
        assert part.exit_code == 0
        assert (await asking).code == 394  # QUERY_WAS_CANCELLED


async def test_a_folder_in_use_is_refused_with_its_owner_and_code_2(clickhouse_part: ClickHousePart) -> None:
    command = [
        sys.executable,
        "-m",
        "monitor.embedded.clickhouse_server",
        "--data",
        str(clickhouse_part.data),
    ]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{clickhouse_part.data} is in use by process {clickhouse_part.pid}" in ended.stderr


async def test_a_password_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    command = [
        "-m",
        "monitor.embedded.clickhouse_server",
        "--data",
        str(tmp_path / "data"),
        "--password-file",
        str(tmp_path / "password"),
    ]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        ready = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().split()
        assert ready[0] == "ready"
        async with aiohttp.ClientSession() as session:
            ask = Http(f"http://127.0.0.1:{ready[1]}", session)
            assert (await ask(path="/ping")).body == b"Ok.\n"
            assert (await ask(b"SELECT 1")).code == 516
            assert (
                await ask(b"SELECT 1", headers={"X-ClickHouse-User": "default", "X-ClickHouse-Key": "s3cret"})
            ).body == b"1\n"
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
