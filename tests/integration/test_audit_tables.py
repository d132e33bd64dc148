"""Audits on the real engine: each value once whatever is delivered again, each step once whoever writes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from monitor.adapters.audits import AuditRows, AuditTables, history_of, newest_records, record_of
from monitor.adapters.clickhouse import ClickHouse
from monitor.audit.keeping import Step
from monitor.embedded.clickhouse import ClickHousePart
from monitor.errors import Misconfigured
from tests.fakes.audit_records import a_record, refused
from tests.stores import NOW, new_store, rows

DAY = timedelta(days=1)
FIRST = a_record(at=NOW, id="a1")
SECOND = a_record(at=NOW + DAY, id="a2", previous_id="a1", baseline_id="a1")
REFUSED = refused(at=NOW + 2 * DAY, id="a3")
OF_LIVE = a_record(at=NOW, id="b1", anchor_set="live", is_live=True)


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


async def test_each_value_stands_once_however_often_its_record_is_delivered(store: ClickHouse) -> None:
    table = AuditRows(store)
    records = [FIRST, SECOND, REFUSED, OF_LIVE]
    await table.insert([one.to_bytes() for one in records])
    for one in (SECOND, REFUSED, FIRST):
        await table.insert([one.to_bytes()])

    counted = await rows(
        store, "SELECT id, count(), countIf(measure = 'j') FROM audits GROUP BY id ORDER BY id"
    )
    assert counted == [("a1", 4, 2), ("a2", 4, 2), ("a3", 1, 0), ("b1", 4, 2)]
    assert await newest_records(store, "wk", anchor_set="matched") == [REFUSED, SECOND, FIRST]
    assert await newest_records(store, "wk", since=NOW + DAY, until=NOW + 2 * DAY) == [SECOND]
    assert await newest_records(store, "wk", model="atlas", limit=1) == [REFUSED]
    assert await newest_records(store, "another") == []
    assert await record_of(store, "wk", "a2") == SECOND
    assert await record_of(store, "wk", "'; DROP TABLE x --") is None
    history = await history_of(store, "wk", "atlas", "matched", layer="layer_00")
    assert [
        (one["id"], one["place"], one["value"], one["low"], one["high"], one["n"]) for one in history
    ] == [
        ("a1", "layer_00", 0.5, 0.4, 0.6, 128),
        ("a2", "layer_00", 0.5, 0.4, 0.6, 128),
    ]
    last = history[-1]
    assert (last["before"], last["change_low"], last["change_p"], last["has_changed"]) == (
        1.0,
        -0.6,
        0.001,
        True,
    )
    assert (last["baseline"], last["since_p"], last["has_changed_since"]) == (0.52, 0.01, False)
    endless = await history_of(store, "wk", "atlas", "matched", measure="dbi", layer="layer_01")
    assert [(one["value"], one["before"], one["has_changed"]) for one in endless] == [(None, None, None)] * 2


def step(
    number: int, *, kind: str = "audit", id_: str = "a1", series: str = "s" * 16, target: str = "t"
) -> Step:
    state, record = f'{{"number":{number}}}'.encode(), b"{}" if kind == "audit" else b""
    return Step(target, number, kind, id_, series, NOW + number * DAY, state, record)  # type: ignore[arg-type]  # kinds of steps


async def test_the_first_write_of_a_step_stands_with_its_draws(store: ClickHouse) -> None:
    """Also of two at once: all of a step is of one write."""
    tables, others = AuditTables(store, "wk"), AuditTables(store, "others")
    one, two = step(1, id_="a1"), step(1, id_="b1")
    found = await asyncio.gather(tables.keep(one, b"draws one"), tables.keep(two, b"draws two"))
    assert found[0] == found[1]
    assert found[0] in (one, two)
    first = found[0]
    assert await tables.draws("t", first.id) == (b"draws one" if first == one else b"draws two")
    assert await tables.keep(step(1, id_="c1"), b"") == first
    refused_step, action = step(2, id_="a2"), step(3, kind="action", id_="", series="")
    assert await tables.keep(refused_step, b"") == refused_step
    assert await tables.keep(action, b"") == action
    assert await tables.keep(step(1, target="u", id_="u1"), b"x") == step(1, target="u", id_="u1")

    assert sorted(await tables.last_steps(), key=lambda found: found.target) == [
        action,
        step(1, target="u", id_="u1"),
    ]
    assert await others.last_steps() == []
    assert await tables.made([first.id, "a2", "nobody", ""]) == {first.id, "a2"}
    assert await tables.made([]) == frozenset()
    assert await tables.last_of_series("t", "s" * 16) == first  # the refused one has no draws
    assert await tables.last_of_series("t", "other") is None
    assert await tables.draws("t", "a2") is None


async def test_the_first_references_of_a_series_stand(store: ClickHouse) -> None:
    tables = AuditTables(store, "wk")
    mine, theirs = {"layer_01": b"one", "layer_00": b"two"}, {"layer_01": b"three"}
    assert await tables.references("s") == {}
    assert await tables.keep_references("s", mine, NOW) == mine
    assert await tables.keep_references("s", theirs, NOW) == mine
    assert list(await tables.references("s")) == ["layer_01", "layer_00"]
    assert await tables.last_steps() == []


async def test_what_is_not_even_base64_says_what_to_do(store: ClickHouse) -> None:
    tables = AuditTables(store, "wk")
    await tables.keep(step(1), b"draws")
    await store._client.command(
        "ALTER TABLE audit_states UPDATE content = '*' WHERE 1 SETTINGS mutations_sync = 1"
    )
    with pytest.raises(Misconfigured, match="new series"):
        await tables.draws("t", "a1")
