"""Which judgement, and which verdict, of an event counts: by the rows alone, whatever their order, and across the migration."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor.adapters.clickhouse import JUDGEMENTS_TABLE, ClickHouse, RowTable, connect
from monitor.embedded.clickhouse import ClickHousePart
from monitor.errors import Rejected
from monitor.judging.rows import judgement_row
from monitor.settings import ClickHouseSettings
from monitor.store import sql
from schemas.judgements import JudgeAnswer, Judgement
from tests.fakes.judging import a_judgement
from tests.stores import NOW, new_store, rows, verdict


@pytest.fixture
async def store(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


def judgement(event_id: str = "e1", **given: Any) -> Judgement:
    at = {"occurred_at": NOW, "arrived_at": NOW, "judged_at": NOW + timedelta(minutes=1)}
    return msgspec.structs.replace(a_judgement(event_id), **{**at, **given})


async def test_a_judgement_is_a_row_with_every_field_and_its_weight(store: ClickHouse) -> None:
    left_open = JudgeAnswer(status="unknown", not_judged={"category": "no_language_model"})
    await RowTable(store, JUDGEMENTS_TABLE).insert(
        [judgement_row(judgement("a").to_bytes()), judgement_row(judgement("b", answer=left_open).to_bytes())]
    )

    found = {
        row["event_id"]: row
        for row in (await store._client.query("SELECT * FROM judgements")).named_results()
    }
    for event_id, one in (("a", judgement("a")), ("b", judgement("b", answer=left_open))):
        fields = {
            name: getattr(one, name) for name in Judgement.__struct_fields__ if name != "answer"
        } | msgspec.structs.asdict(one.answer)
        assert {name: found[event_id][name] for name in fields} == fields
        assert found[event_id]["weight"] == 4.0


async def test_one_judgement_of_an_event_counts_in_whatever_order_and_however_often_they_come(
    store: ClickHouse,
) -> None:
    failed = JudgeAnswer(status="error")
    counts = judgement(judged_at=NOW + timedelta(minutes=5))
    others = [
        judgement(answer=failed),  # an answer beats a failure
        judgement(arrived_at=NOW + timedelta(days=1), judged_at=NOW),  # the first arrival beats a replay's
        judgement(judged_at=NOW + timedelta(minutes=9)),  # the first judgement a second one after a crash
    ]
    seeded = random.Random(5)
    for round_ in range(12):
        delivered = [counts, *others, *seeded.choices([counts, *others], k=4)]
        seeded.shuffle(delivered)
        for one in delivered:
            renamed = msgspec.structs.replace(one, event_id=f"e{round_}")
            await RowTable(store, JUDGEMENTS_TABLE).insert([judgement_row(renamed.to_bytes())])

    assert await rows(store, "SELECT DISTINCT judged_at, status FROM judgements") == [
        (counts.judged_at, "ok")
    ]
    assert await rows(store, "SELECT count() FROM judgements") == [(12,)]


async def test_a_bad_judgement_is_refused_and_not_quoted(store: ClickHouse) -> None:
    with pytest.raises(Rejected) as caught:
        await RowTable(store, JUDGEMENTS_TABLE).insert([b'{"event_id": "a", "judged_at": "zanzibar"}'])

    assert "zanzibar" not in str(caught.value)


async def test_verdicts_that_differ_in_the_policy_alone_count_by_the_rows_and_not_by_their_order(
    store: ClickHouse,
) -> None:
    """A batch that is moderated again after a crash, under another policy, is such a pair."""
    one, other = verdict("x", judge_policy="aaaa"), verdict("x", judge_policy="bbbb")
    for event_id, pair in (("first", (one, other)), ("last", (other, one))):
        for each in pair:
            await store.insert([msgspec.structs.replace(each, event_id=event_id).to_bytes()])

    found = dict(await rows(store, "SELECT event_id, judge_policy FROM verdicts"))
    assert found["first"] == found["last"]


async def test_rows_from_before_judging_keep_their_precedence_and_are_read_as_not_judged(
    clickhouse_part: ClickHousePart,
) -> None:
    settings = ClickHouseSettings(url=clickhouse_part.address, database=f"watchkeeper_{secrets.token_hex(4)}")
    before = verdict("old", judge_decision="off", judge_probability=0.0, judge_policy="")
    whole = before.to_bytes()
    old = msgspec.json.encode(
        {k: v for k, v in msgspec.json.decode(whole).items() if not k.startswith("judge_")}
    )
    async with await connect(settings) as store:
        command = store._client.command
        await command(f"CREATE DATABASE {settings.database}", use_database=False)
        try:
            for migration in sql.migrations()[:4]:
                await command(migration.statement)
            await store.insert([old])
            precedence = await rows(store, "SELECT precedence FROM verdict_rows")
            await store.migrate()
            await store.insert([old])
            await store.insert([whole])

            assert await rows(store, "SELECT DISTINCT precedence FROM arrivals") == precedence
            assert await rows(
                store, "SELECT judge_decision, judge_probability, judge_policy FROM verdicts"
            ) == [("off", 0.0, "")]
        finally:
            await command(f"DROP DATABASE {settings.database} SYNC", use_database=False)
