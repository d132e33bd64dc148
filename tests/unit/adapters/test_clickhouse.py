"""ClickHouse's errors become ours by their code alone, and none of their words come along."""

from __future__ import annotations

from typing import cast

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from monitor.adapters.clickhouse import ClickHouse
from monitor.errors import Misconfigured, Rejected, Retryable, WatchkeeperError
from monitor.metrics import Metric, Metrics
from monitor.settings import ClickHouseSettings

CANARY = "zanzibar-marmalade"


class _NoClient:
    """Translating asks nobody."""


class _Client:
    """Takes inserts, or fails with what it is told."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    async def raw_insert(self, table: str, **arguments: object) -> None:
        if self.trouble is not None:
            raise self.trouble


def translated(exc: Exception) -> WatchkeeperError:
    store = ClickHouse(cast("AsyncClient", _NoClient()), ClickHouseSettings(url="http://store:8123"))
    return store._translated(exc, "inserting verdicts")


def server_says(code: int) -> DatabaseError:
    return DatabaseError(
        f"HTTP driver received HTTP status 500, server response: Code: {code}. DB::Exception: {CANARY}"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (27, Rejected),  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        (117, Rejected),  # INCORRECT_DATA
        (60, Misconfigured),  # UNKNOWN_TABLE
        (81, Misconfigured),  # UNKNOWN_DATABASE
        (497, Misconfigured),  # ACCESS_DENIED
        (516, Misconfigured),  # AUTHENTICATION_FAILED
        (115, Misconfigured),  # UNKNOWN_SETTING: a server older than ours
        (164, Misconfigured),  # READONLY
        (159, Retryable),  # TIMEOUT_EXCEEDED
        (202, Retryable),  # TOO_MANY_SIMULTANEOUS_QUERIES
        (241, Retryable),  # MEMORY_LIMIT_EXCEEDED
        (243, Retryable),  # NOT_ENOUGH_SPACE
        (252, Retryable),  # TOO_MANY_PARTS
        (999, Retryable),  # one that we don't know must lose nothing
    ],
)
def test_the_code_decides_the_class(code: int, expected: type[WatchkeeperError]) -> None:
    error = translated(server_says(code))

    assert type(error) is expected
    assert str(code) in str(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize(
    "exc", [OperationalError(CANARY), OSError(CANARY), TimeoutError(CANARY), ValueError(CANARY)]
)
def test_where_no_server_spoke_the_same_call_may_succeed_later(exc: Exception) -> None:
    error = translated(exc)

    assert type(error) is Retryable
    assert str(error) == f"ClickHouse: inserting verdicts at http://store:8123 failed: {type(exc).__name__}"


def test_a_number_in_a_users_words_is_no_code() -> None:
    assert type(translated(ValueError("Code: 27"))) is Retryable


def test_what_is_misconfigured_says_the_next_step() -> None:
    error = translated(server_says(60))

    assert str(error) == (
        "inserting verdicts at http://store:8123 failed with ClickHouse's code 60\n  → run `watchkeeper migrate`"
    )


async def test_every_insert_is_counted_by_its_outcome_and_rows_once_acknowledged() -> None:
    client, metrics = _Client(), Metrics()
    store = ClickHouse(cast("AsyncClient", client), ClickHouseSettings(), metrics=metrics)
    await store.insert([b"{}", b"{}"])
    for trouble in (server_says(117), server_says(60), server_says(159), OSError(CANARY)):
        client.trouble = trouble
        with pytest.raises(WatchkeeperError):
            await store.insert([b"{}"])

    outcomes = ("ok", "rejected", "misconfigured", "retryable", "other")
    assert {outcome: metrics.value(Metric.STORE_INSERTS, outcome=outcome) for outcome in outcomes} == {
        "ok": 1,
        "rejected": 1,
        "misconfigured": 1,
        "retryable": 2,
        "other": 0,
    }
    assert (metrics.value(Metric.STORE_SECONDS), metrics.value(Metric.STORE_ROWS)) == (5, 2)
    assert CANARY not in metrics.exposition().decode()
