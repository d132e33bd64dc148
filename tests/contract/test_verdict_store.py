"""What every verdict store keeps to: ClickHouse's engine over HTTP, and the fake of the tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from typing import Any, cast

import msgspec
import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.embedded.clickhouse import ClickHousePart
from monitor.errors import Rejected
from monitor.ports import VerdictStore
from schemas.events import Verdict
from tests.fakes.store import FakeStore
from tests.integration.conftest import clickhouse_part, parts_folder
from tests.stores import new_store, rows, unanswered, verdict

__all__ = ["clickhouse_part", "parts_folder"]  # fixtures

Kept = dict[str, tuple[Any, ...]]

HOSTILE_IDS = (
    "",
    "'; DROP TABLE verdict_rows; --",
    "a\nb\tc\\N\x00d",
    "\u202eevil\u200b",
    "{{7*7}} {id:String} %s \\",
    "💥" * 50,
    "x" * 5000,
    "NULL",
    "é",
    "e\u0301",
)


@pytest.fixture(params=["clickhouse", "fake"])
async def store(
    request: pytest.FixtureRequest, clickhouse_part: ClickHousePart
) -> AsyncIterator[VerdictStore]:
    if request.param == "fake":
        yield FakeStore()
        return
    async with new_store(clickhouse_part.address) as made:
        yield made


async def kept(store: VerdictStore) -> Kept:
    """Event by id: tenant, status, arrival and place of the verdict that counts."""
    if isinstance(store, FakeStore):
        found = [
            (v.event_id, v.tenant, v.status, v.arrived_at, v.source_partition, v.source_offset)
            for v in store.kept.values()
        ]
    else:
        statement = (
            "SELECT event_id, tenant, status, arrived_at, source_partition, source_offset FROM verdicts"
        )
        found = cast("Any", await rows(cast("ClickHouse", store), statement))
    result = {row[0]: tuple(row[1:]) for row in found}
    assert len(result) == len(found), "an event is shown twice"
    return result


def shown(verdicts: Sequence[Verdict]) -> Kept:
    """What `kept` says where these count."""
    return {
        v.event_id: (v.tenant, v.status, v.arrived_at, v.source_partition, v.source_offset) for v in verdicts
    }


async def put(store: VerdictStore, *verdicts: Verdict) -> None:
    await store.insert([v.to_bytes() for v in verdicts])


async def test_what_was_inserted_is_kept(store: VerdictStore) -> None:
    verdicts = [verdict("a"), unanswered("b", 1), unanswered("c", 2, status="skipped"), verdict("d", 3)]
    await put(store, *verdicts)

    assert await kept(store) == shown(verdicts)


async def test_nothing_is_a_fine_insert(store: VerdictStore) -> None:
    await put(store)

    assert await kept(store) == {}


async def test_a_retried_insert_that_had_been_applied_changes_nothing(store: VerdictStore) -> None:
    verdicts = [verdict(f"e{n}", n, source_offset=n) for n in range(50)]
    for _ in range(3):
        await put(store, *verdicts)

    assert await kept(store) == shown(verdicts)


async def test_an_event_twice_in_one_insert_is_one(store: VerdictStore) -> None:
    await put(store, verdict("a", 5), verdict("a", 1), verdict("a", 9))

    assert await kept(store) == shown([verdict("a", 1)])


CONTENDERS: dict[str, tuple[Verdict, ...]] = {
    "an answer beats none, however late": (verdict("a", 30), unanswered("a", 0), unanswered("a", 10)),
    "the first arrival": (verdict("a", 0, tenant="x"), verdict("a", 1, tenant="y"), verdict("a", 2)),
    "the first of two failures": (unanswered("a", 0), unanswered("a", 1), unanswered("a", 2)),
    "the lowest partition": (
        verdict("a", source_partition=0, source_offset=9),
        verdict("a", source_partition=1, source_offset=1),
        verdict("a", source_partition=2, source_offset=0),
    ),
    "the lowest offset": (
        verdict("a", source_offset=2**40),
        verdict("a", source_offset=2**40 + 1),
        verdict("a", source_offset=2**62),
    ),
    "the lowest index": (
        verdict("a", source_index=0),
        verdict("a", source_index=1),
        verdict("a", source_index=2),
    ),
}


@pytest.mark.parametrize("name", CONTENDERS)
async def test_which_delivery_counts_does_not_depend_on_the_order_of_inserts(
    store: VerdictStore, name: str
) -> None:
    for number, order in enumerate(permutations(CONTENDERS[name])):
        for each in order:
            await put(store, _renamed(each, f"a{number}"))

    winner = CONTENDERS[name][0]
    assert await kept(store) == shown([_renamed(winner, f"a{number}") for number in range(6)])


async def test_random_redelivery_keeps_each_event_once(store: VerdictStore) -> None:
    chance = random.Random(42)
    deliveries = [
        make(
            f"e{n}",
            chance.randrange(300),
            tenant=chance.choice("xyz"),
            source_partition=chance.randrange(4),
            source_offset=chance.randrange(10**6),
        )
        for n in range(80)
        for make in chance.choices((verdict, unanswered), k=chance.randint(1, 4))
    ]
    chance.shuffle(deliveries)
    blocks = [deliveries[at : at + 17] for at in range(0, len(deliveries), 17)]
    blocks += chance.choices(blocks, k=5)
    for block in blocks:
        await put(store, *block)

    oracle = FakeStore()
    await oracle.insert([v.to_bytes() for v in deliveries])
    assert await kept(store) == await kept(oracle)


async def test_inserts_side_by_side_are_all_kept(store: VerdictStore) -> None:
    verdicts = [verdict(f"e{n}", n, source_offset=n) for n in range(200)]
    await asyncio.gather(
        *(put(store, *verdicts[at : at + 50]) for at in (0, 50, 100, 150, 25, 75, 125)),
    )

    assert await kept(store) == shown(verdicts)


async def test_hostile_ids_are_ids_like_any_other(store: VerdictStore) -> None:
    verdicts = [verdict(event_id, n) for n, event_id in enumerate(HOSTILE_IDS)]
    await put(store, *verdicts)
    await put(store, *verdicts)

    assert await kept(store) == shown(verdicts)


@pytest.mark.parametrize(
    "bad",
    [
        b"zanzibar",
        b'{"event_id": "zanzibar"',
        b'{"event_id": "zanzibar", "arrived_at": "zanzibar"}',
        b'{"event_id": "zanzibar", "status": null}',
        b'{"event_id": "zanzibar", "source_offset": "zanzibar"}',
        b"\xff\xfe\x00zanzibar",
    ],
)
async def test_a_bad_row_refuses_its_insert_and_is_not_quoted(store: VerdictStore, bad: bytes) -> None:
    await put(store, verdict("before"))
    with pytest.raises(Rejected) as caught:
        await store.insert([verdict("a").to_bytes(), bad, verdict("b").to_bytes()])

    assert "zanzibar" not in f"{caught.value} {caught.value.reason} {caught.value.detail}"
    assert await kept(store) == shown([verdict("before")])


def _renamed(given: Verdict, event_id: str) -> Verdict:
    return msgspec.structs.replace(given, event_id=event_id)
