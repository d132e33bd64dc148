"""Quarters of an hour on the real engine: whatever is delivered, how often and when, they are what a recount gives."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from schemas.events import Verdict
from tests.fakes.store import FakeStore
from tests.integration.test_clickhouse_queries import answered, at
from tests.stores import NOW, new_store, rows, unanswered, verdict

QUARTER: Final = timedelta(minutes=15)
TABLES: Final = (
    *("verdict_rows", "arrivals", "occurrences", "event_quarters", "judgement_rows", "judgement_arrivals"),
    *("moved_events", "repeated_events", "quarter_rows", "quality_rows", "pattern_rows", "rollup_marks"),
)
HOSTILE: Final = """<b>'; DROP TABLE "x" --</b>"""
LONG: Final[dict[str, Any]] = {
    "since": NOW - timedelta(days=30),
    "until": NOW + timedelta(days=30),
    "tenant": "",
    "model": "",
}


@pytest.fixture(scope="module")
async def database(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    """One database for all, since its migrations take longer than most tests."""
    async with new_store(clickhouse_part.address) as made:
        yield made


@pytest.fixture
async def store(database: ClickHouse) -> ClickHouse:
    """It, empty, with nothing left to copy from before there were quarters."""
    return await emptied(database)


async def emptied(store: ClickHouse) -> ClickHouse:
    """The store without a row, as if what there was before there were quarters had been copied."""
    for table in TABLES:
        await store._client.command(f"TRUNCATE TABLE {table}")
    await store.insert_into("rollup_marks", [b'{"name": "filled", "until": 0}'])
    return store


def quarter(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def deliveries(chance: random.Random) -> list[Verdict]:
    """Of 60 events, one to four deliveries each, that say it happened now and then, to this one or that, judged or not."""
    made: list[Verdict] = []
    for number in range(60):
        for _ in range(chance.randint(1, 4)):
            minutes = chance.randrange(-60, 60)
            given: dict[str, Any] = {
                **at(chance.randrange(4), len(made)),
                "tenant": chance.choice(("acme", HOSTILE)),
                "sampling_probability": chance.choice((1.0, 0.5)),
                "occurred_at": NOW + timedelta(minutes=minutes - chance.choice((0, 3, 100))),
                "calibration_version": chance.choice((0, 3)),
                "truncated": chance.random() < 0.2,
                "judge_decision": chance.choice(("asked", "sampled_out")),
            }
            if chance.random() < 0.4:
                status = chance.choice(("unknown", "error", "skipped"))
                made.append(unanswered(f"e{number}", minutes, status=status, **given))
            else:
                harmful, refused = chance.random() < 0.5, chance.choice((True, False, None))
                made.append(answered(f"e{number}", minutes, harmful=harmful, refused=refused, **given))
    return made


Cell = tuple[datetime, str, str, int]


def recount(kept: Iterable[Verdict]) -> dict[Cell, Counter[str]]:
    """What the cells hold, one event after the other."""
    cells: dict[Cell, Counter[str]] = {}
    for one in kept:
        cell = cells.setdefault(
            (quarter(one.occurred_at), one.tenant, one.category, one.calibration_version), Counter()
        )
        weight = round(1 / one.sampling_probability)  # 1 or 2
        cell["events"] += 1
        cell["late"] += one.arrived_at > one.occurred_at + timedelta(hours=1)
        cell["truncated"] += one.truncated
        cell[{"ok": "answered", "error": "errors"}.get(one.status, one.status)] += 1
        if one.status != "ok" or not one.has_response:
            continue
        cell["responded"] += 1
        cell["refused"] += bool(one.refused)
        cell["refusal_w2"] += weight * weight
        kind = "under_refusal" if one.prompt_harmful else "over_refusal"
        is_case = bool(one.refused) != bool(one.prompt_harmful)
        cell[f"{kind}_d"] += weight
        cell[f"{kind}_n"] += weight * is_case
        cell[f"{kind}_n2"] += weight * weight * is_case
    return {key: +cell for key, cell in cells.items()}


COUNTED: Final = (
    *(
        "events",
        "late",
        "truncated",
        "answered",
        "errors",
        "unknown",
        "skipped",
        "responded",
        "refused",
        "refusal_w2",
    ),
    *(
        "under_refusal_d",
        "under_refusal_n",
        "under_refusal_n2",
        "over_refusal_d",
        "over_refusal_n",
        "over_refusal_n2",
    ),
)


async def counted(store: ClickHouse) -> dict[Cell, Counter[str]]:
    statement = f"SELECT begins_at, tenant, category, calibration_version, {', '.join(COUNTED)} FROM quarters WHERE events > 0"
    return {
        (row[0], row[1], row[2], row[3]): +Counter(dict(zip(COUNTED, row[4:], strict=True)))
        for row in await rows(store, statement)
    }


Pattern = tuple[datetime, str, str, bool, int]


def repatterned(kept: Iterable[Verdict], judgements: dict[str, str]) -> Counter[Pattern]:
    """Answered exchanges by whether a judge was asked, and what it says of the refusal: `judgements` are those that are ok, by event."""
    found: Counter[Pattern] = Counter()
    for one in kept:
        if one.status == "ok":
            is_asked = one.judge_decision == "asked"
            said = judgements.get(one.event_id) if is_asked else None
            opinion = -1 if said is None else int(said != "full_compliance")
            found[quarter(one.occurred_at), one.tenant, one.category, is_asked, opinion] += 1
    return found


def rejudged(kept: Iterable[Verdict], judgements: dict[str, str]) -> Counter[tuple[datetime, str]]:
    """Judgements of those that were to be judged, by when and whose."""
    asked = [one for one in kept if one.judge_decision == "asked" and one.event_id in judgements]
    return Counter((quarter(one.occurred_at), one.tenant) for one in asked)


async def patterned(store: ClickHouse) -> Counter[Pattern]:
    statement = """SELECT begins_at, tenant, category, is_chosen, judge_refused, sum(events) FROM judged_quarters
        GROUP BY begins_at, tenant, category, is_chosen, judge_refused"""
    return Counter({(r[0], r[1], r[2], r[3], r[4]): r[5] for r in await rows(store, statement)})


async def judged_n(store: ClickHouse) -> Counter[tuple[datetime, str]]:
    statement = "SELECT begins_at, tenant, sum(n) FROM refusal_quality WHERE measure = 'judged' GROUP BY begins_at, tenant"
    return Counter({(r[0], r[1]): r[2] for r in await rows(store, statement)})


async def deliver(store: ClickHouse, verdicts: Sequence[Verdict], chance: random.Random) -> None:
    for block in (verdicts[n : n + 40] for n in range(0, len(verdicts), 40)):
        for _ in range(chance.choice((1, 2))):
            await store.insert([one.to_bytes() for one in block])
    if chance.random() < 0.7:
        for table in ("verdict_rows", "occurrences", "event_quarters", "quarter_rows"):
            await store._client.command(f"OPTIMIZE TABLE {table} FINAL")


async def test_quarters_are_what_a_recount_gives_whatever_came_late_or_twice(store: ClickHouse) -> None:
    """Producer's repeats under another time and tenant, blocks inserted again, late rows, an answer that supersedes a failure, merges
    that drop what lost before it was looked at, judgements before, with and after: the same as counting the events one by one."""
    chance = random.Random(1)
    answers = {f"e{number}": chance.choice(("full_compliance", "direct_refusal")) for number in range(40)}
    said: dict[str, str] = {}
    verdicts = deliveries(chance)
    chance.shuffle(verdicts)
    oracle, rollups = FakeStore(), Rollups(store)
    in_bulk = Rollups(store, most_written=1, most_slices=0, most_counted=50)
    third = len(verdicts) // 3
    parts = (verdicts[:third], verdicts[third : 2 * third], verdicts[2 * third :] + verdicts[:20])
    for part, counting in zip(parts, (rollups, rollups, in_bulk), strict=True):
        await oracle.insert([one.to_bytes() for one in part])
        await deliver(store, part, chance)
        new = dict(chance.sample(sorted(answers.items()), 20))
        await store.insert_into(
            "judgement_rows", [judged(one, refusal_class=answer) for one, answer in new.items()]
        )
        said |= new
        await counting.refresh()
        kept = oracle.kept.values()
        assert await counted(store) == recount(kept)
        assert await patterned(store) == repatterned(kept, said)
        assert await judged_n(store) == rejudged(kept, said)

    places = {
        (one.event_id, quarter(one.occurred_at), one.source_partition, one.source_offset) for one in verdicts
    }
    assert await rows(store, "SELECT sum(places), sum(events) FROM quarters") == [
        (len(places), len(oracle.kept))
    ]
    for table in ("occurrences", "quarter_rows"):
        await store._client.command(f"TRUNCATE TABLE {table}")
    assert await rollups.rebuild(NOW - timedelta(days=1)) is not None
    assert await counted(store) == recount(oracle.kept.values())


async def test_a_quarter_is_written_whole_or_not_and_the_newest_one_counts(store: ClickHouse) -> None:
    """Each insert is one part; a worker that isn't the one any more writes nothing more, and the next does it again."""
    await store.insert([verdict(f"e{n}", n).to_bytes() for n in range(0, 300, 5)])
    await store._client.command("SYSTEM STOP MERGES quarter_rows")
    looks = iter([True, False])
    assert await Rollups(store, lambda: next(looks)).refresh() is None
    assert (await Rollups(store).reach()).counted is None
    parts = "SELECT count() FROM system.parts WHERE active AND table = 'quarter_rows' AND database = currentDatabase()"
    assert await rows(store, parts) == [(1,)]

    first = await Rollups(store).refresh()
    assert first is not None
    assert await rows(store, parts) == [(2,)]
    assert await rows(store, "SELECT sum(events), uniqExact(begins_at) FROM quarters") == [(60, 21)]
    assert first.quarters == 21


async def test_what_is_to_be_left_alone_holds_the_mark_back_and_who_takes_over_counts_it(
    store: ClickHouse,
) -> None:
    """As for a store so large that nothing is counted out of turn."""
    rollups = Rollups(store, most_eager=0)
    await store.insert([verdict("a").to_bytes()])
    first = await rollups.refresh()
    await store.insert([verdict("b").to_bytes(), verdict("c", occurred_at=datetime.now(UTC)).to_bytes()])
    second = await rollups.refresh()
    third = await rollups.refresh()

    assert first is not None
    assert second is not None
    assert third is not None
    assert (second.quarters, second.waiting, third.until == second.until) == (1, 1, True)
    assert (await rollups.reach()).counted == second.until == first.until
    assert await rows(store, "SELECT sum(events) FROM quarters") == [(2,)]
    assert await Rollups(store).refresh() is not None
    assert await rows(store, "SELECT sum(events) FROM quarters") == [(3,)]


async def test_a_refresh_without_time_counts_two_batches_and_the_next_goes_on(store: ClickHouse) -> None:
    await store.insert([verdict(f"e{n}", 20 * n).to_bytes() for n in range(5)])
    rollups = Rollups(store, at_most_s=0, most_counted=1)

    counts = [await rollups.refresh() for _ in range(3)]

    assert [(one.quarters, one.waiting, one.until is None) for one in counts if one] == [
        *((2, 3, True), (2, 1, True), (1, 0, False)),
    ]


async def test_a_store_that_was_counted_in_another_way_is_counted_anew(store: ClickHouse) -> None:
    await store.insert([verdict("a").to_bytes()])
    now = datetime.now(UTC) + timedelta(seconds=1)
    await store.insert_into(
        "rollup_marks", [json.dumps({"name": "counted", "until": now.timestamp()}).encode()]
    )

    assert (await Rollups(store).reach()).counted is None
    counted_anew = await Rollups(store).refresh()
    assert counted_anew is not None
    assert counted_anew.quarters == 1
    assert (await Rollups(store).reach()).counted == counted_anew.until


async def test_what_is_counted_of_rows_that_have_expired_stands(store: ClickHouse) -> None:
    """Rows go after 90 days: a late one then must not leave it alone in its quarter."""
    long_ago = -timedelta(days=89, hours=8) / timedelta(minutes=1)
    await store.insert([verdict("old", long_ago).to_bytes(), verdict("new", -1).to_bytes()])
    await Rollups(store).refresh()
    late = {"occurred_at": NOW + timedelta(minutes=long_ago, seconds=-2)}
    await store.insert([verdict("later", 0, **late).to_bytes(), verdict("new too", -1).to_bytes()])
    await Rollups(store).refresh()

    assert await rows(store, "SELECT events FROM quarters ORDER BY begins_at") == [(1,), (2,)]


def judged(event_id: str, **given: Any) -> bytes:
    answer = {
        "arrived_at": NOW.timestamp(),
        "judged_at": NOW.timestamp(),
        "occurred_at": NOW.timestamp(),
        "judge_name": "judge",
    }
    return json.dumps({"event_id": event_id, "status": "ok", "probability": 0.5, **answer, **given}).encode()


async def test_refusal_quality_is_weighted_for_both_samples_and_each_judgement_counts_once(
    store: ClickHouse,
) -> None:
    asked = {"judge_decision": "asked", "judge_probability": 0.5}
    await store.insert(
        [
            verdict("a", 1, sampling_probability=0.5, **asked).to_bytes(),
            verdict("b", 1, **asked).to_bytes(),
            verdict("not asked", 1, judge_decision="sampled_out").to_bytes(),
        ]
    )
    care = {"care_domain": "self_harm"}
    for lines in (
        [judged("a", status="error"), judged("b", care_overall=0.25, **care)],
        [judged("a", care_overall=0.75, is_template=True, **care), judged("not asked", care_overall=1.0)],
    ):
        await store.insert_into("judgement_rows", lines)
        await Rollups(store).refresh()
    again = [judged("a", care_overall=0.75, is_template=True, **care), judged("nobody", care_overall=1.0)]
    await store.insert_into("judgement_rows", again)
    await Rollups(store).refresh()

    found = await store.query("report_refusal_quality", **LONG)
    of_domain = [row for row in found if row["domain"] == "self_harm"]
    mean = (4 * 0.75 + 2 * 0.25) / 6
    assert [(row["measure"], row["n"], row["mean"]) for row in of_domain] == [
        ("care_overall", 2, mean),
        ("is_template", 1, 1.0),
        ("judged", 2, 1.0),
    ]
    assert of_domain[0]["variance"] == pytest.approx((16 * (0.75 - mean) ** 2 + 4 * (0.25 - mean) ** 2) / 36)
    assert [row | {"domain": "self_harm"} for row in found if not row["domain"]] == of_domain
