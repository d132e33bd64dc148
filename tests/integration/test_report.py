"""The weekly report on the real engine: its numbers against a count of the rows by other means."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import pytest

from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.rollups import Rollups
from monitor.embedded.clickhouse import ClickHousePart
from monitor.recording import alert_row
from monitor.reporting import as_json
from monitor.reporting.building import build
from monitor.reporting.formats import FORMATS, rendered
from monitor.reporting.gathering import STEPS, gather
from monitor.reporting.weeks import Week, read_week
from schemas.events import Verdict
from tests.fakes.reporting import HOSTILE
from tests.integration.test_clickhouse_queries import answered
from tests.integration.test_rollups import judged
from tests.stores import new_store, unanswered
from tests.unit.notifying.made import alert

NOW: Final = datetime.now(UTC)
BERLIN: Final = ZoneInfo("Europe/Berlin")
WEEK: Final = read_week("last", BERLIN, NOW)
TABLES: Final = (
    *(
        "verdict_rows",
        "arrivals",
        "occurrences",
        "event_quarters",
        "judgement_rows",
        "judgement_arrivals",
        "quarter_rows",
    ),
    *(
        "quality_rows",
        "pattern_rows",
        "rollup_marks",
        "alert_rows",
        "dead_letter_rows",
        "report_deliveries",
        "audit_rows",
        "calibration_rows",
    ),
)


@pytest.fixture(scope="module")
async def database(clickhouse_part: ClickHousePart) -> AsyncIterator[ClickHouse]:
    async with new_store(clickhouse_part.address) as made:
        yield made


@pytest.fixture
async def store(database: ClickHouse) -> ClickHouse:
    return await emptied(database)


async def emptied(store: ClickHouse) -> ClickHouse:
    """The store without a row."""
    for one in TABLES:
        await store._client.command(f"TRUNCATE TABLE {one}")
    await store.insert_into("rollup_marks", [b'{"name": "filled", "until": 0}'])
    return store


async def report_of(store: ClickHouse, week: Week = WEEK, **given: Any) -> dict[str, Any]:
    """The report as a reader of its JSON has it; every other format of it can be made too."""
    report = build(await gather(store, week, fleet="wk", now=NOW, **given))
    for form in FORMATS:
        assert rendered(report, form)
    said: dict[str, Any] = json.loads(as_json.render(report))
    assert all(section["blocks"] for section in said["sections"])
    return said


def table(report: dict[str, Any], wanted: str) -> dict[str, list[Any]]:
    """A table's figures by the text of the row's first cell."""
    return {row[0]["text"]: [cell["value"] for cell in row[1:]] for row in rows_of(report, wanted)}


def rows_of(report: dict[str, Any], wanted: str) -> list[list[dict[str, Any]]]:
    (found,) = [
        block for section in report["sections"] for block in section["blocks"] if block.get("id") == wanted
    ]
    rows: list[list[dict[str, Any]]] = found["rows"]
    return rows


def traffic(chance: random.Random) -> list[Verdict]:
    """Three weeks of exchanges, some sampled, late, without an answer or a response, some of a tenant with a hostile name."""
    made = []
    for number in range(900):
        at = WEEK.before(2).since + timedelta(seconds=chance.uniform(0, 21 * 86_400 - 7200))
        given: dict[str, Any] = {
            "occurred_at": at,
            "arrived_at": at + timedelta(hours=chance.choice((0, 0, 0, 2))),
            "tenant": chance.choice(("acme", HOSTILE)),
            "model": chance.choice(("atlas", "heron")),
            "source_offset": number,
            "truncated": chance.random() < 0.1,
        }
        kind = chance.random()
        if kind < 0.05:
            made.append(unanswered(f"e{number}", status=chance.choice(("unknown", "error")), **given))
        elif kind < 0.1:
            made.append(
                unanswered(
                    f"e{number}",
                    status="skipped",
                    sampling_decision="sampled_out",
                    sampling_probability=0.5,
                    **given,
                )
            )
        else:
            harmful = chance.random() < 0.3
            refused = None if kind < 0.15 else chance.random() < (0.8 if harmful else 0.1)
            made.append(
                answered(
                    f"e{number}",
                    0,
                    harmful=harmful,
                    refused=refused,
                    sampling_probability=chance.choice((1.0, 0.5)),
                    **given,
                )
            )
    return made


def by_hand(
    lines: list[bytes], begin: datetime, end: datetime, category: str | None = None
) -> dict[str, Any]:
    """A count of the records as they are on the topic, in plain Python. Shares no code with what it checks."""
    counts: dict[str, float] = defaultdict(float)
    seen: set[str] = set()
    for line in lines:
        row = json.loads(line)
        at = (
            datetime.fromtimestamp(row["occurred_at"], UTC)
            if isinstance(row["occurred_at"], int | float)
            else datetime.fromisoformat(row["occurred_at"])
        )
        if row["event_id"] in seen or not begin <= at < end or category not in (None, row["category"]):
            continue
        seen.add(row["event_id"])
        weight = 1 / row["sampling_probability"]
        counts["events"] += 1
        counts["to_be_scored"] += row["status"] != "skipped"
        counts[row["status"]] += 1
        counts["truncated"] += row["truncated"]
        if row["status"] != "ok":
            continue
        counts["prompts"] += weight
        counts["prompt_harm"] += weight * row["prompt_harmful"]
        if not row["has_response"]:
            continue
        counts["responses"] += weight
        counts["refusal"] += weight * row["refused"]
        counts["response_harm"] += weight * row["response_harmful"]
        counts["harmful" if row["prompt_harmful"] else "harmless"] += weight
        counts["over_refusal"] += weight * (row["refused"] and not row["prompt_harmful"])
        counts["under_refusal"] += weight * (not row["refused"] and row["prompt_harmful"])
    return counts


OF: Final = {
    "refusal": "responses",
    "over_refusal": "harmless",
    "under_refusal": "harmful",
    "response_harm": "responses",
    "prompt_harm": "prompts",
}


def same(value: float | None, expected: float | None) -> bool:
    return (
        value is None
        if expected is None
        else value is not None and math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12)
    )


async def test_its_numbers_are_those_of_a_count_by_hand_and_hostile_names_stay_text(
    store: ClickHouse,
) -> None:
    verdicts = traffic(random.Random(3))
    lines = [one.to_bytes() for one in verdicts]
    await store.insert(lines)
    await store.insert(lines[::7])  # delivered again
    at = WEEK.since + timedelta(days=1)
    told = msgspec.structs.replace(
        alert(1), started_at=at, at=at, place={"tenant": HOSTILE, "model": "atlas"}, title=f"of {HOSTILE}"
    )
    before = msgspec.structs.replace(
        alert(2, "resolved"), started_at=WEEK.before().since, at=at, ended_at=WEEK.since - timedelta(hours=1)
    )
    await store.insert_into(
        "alert_rows",
        [
            alert_row(one.to_bytes(), partition=0, offset=n, timestamp_ms=int(at.timestamp() * 1000) + n)
            for n, one in enumerate((told, before))
        ],
    )
    letter = {
        "source_topic": "chat.logs",
        "source_partition": 0,
        "reason": "not_json",
        "letter": "chat.logs.dlq/0/1",
    }
    await store.insert_into(
        "dead_letter_rows",
        [
            msgspec.json.encode({**letter, "source_offset": n, "arrived_at": moment, "written_at": moment})
            for n, moment in enumerate((at, at, WEEK.before().since, WEEK.before(2).since))
        ],
    )
    await store.insert_into(
        "judgement_rows",
        [
            judged(
                f"e{n}",
                occurred_at=at.timestamp(),
                reason="sample",
                policy="p1",
                status="ok" if n else "unknown",
            )
            for n in range(5)
        ],
    )
    audit = {
        "fleet": "wk",
        "model": "atlas",
        "anchor_set": "matched",
        "series": "s",
        "state": "done",
        "layer": "layer_01",
        "measure": "j",
    }
    await store.insert_into(
        "audit_rows",
        [
            json.dumps(
                {
                    **audit,
                    "id": "a1",
                    "at": (at - timedelta(days=7)).timestamp(),
                    "value": 0.5,
                    "low": 0.4,
                    "high": 0.6,
                }
            ).encode(),
            json.dumps(
                {
                    **audit,
                    "id": "a2",
                    "at": at.timestamp(),
                    "value": 0.3,
                    "low": 0.2,
                    "high": 0.4,
                    "before": 0.5,
                    "change_low": -0.3,
                    "change_high": -0.1,
                    "has_changed": True,
                }
            ).encode(),
            json.dumps(
                {
                    **audit,
                    "id": "a3",
                    "at": (at + timedelta(hours=1)).timestamp(),
                    "state": "refused",
                    "reason": "too_few",
                    "layer": "",
                    "measure": "",
                }
            ).encode(),
        ],
    )
    calibration = {
        "fleet": "wk",
        "model": "atlas",
        "rule": "single",
        "at": at.timestamp(),
        "by": "watchkeeper",
        "signed": "{}",
    }
    evidence = json.dumps([{"group": "", "guarantee": "at most 5 % over-refusal", "n": 4100}])
    await store.insert_into(
        "calibration_rows",
        [
            json.dumps(
                {
                    **calibration,
                    "version": 1,
                    "state": "kept",
                    "state_rank": 5,
                    "thresholds": {"": 0.6},
                    "evidence": evidence,
                }
            ).encode(),
            json.dumps(
                {
                    **calibration,
                    "version": 2,
                    "state": "rolled_back",
                    "state_rank": 6,
                    "thresholds": {"": 0.5},
                    "before_version": 1,
                    "evidence": "[]",
                }
            ).encode(),
        ],
    )
    await Rollups(store).refresh()
    steps: list[int] = []

    report = await report_of(store, tell=lambda step, _: steps.append(step))

    now = by_hand(lines, WEEK.since, WEEK.until)
    last = by_hand(lines, WEEK.before().since, WEEK.since)
    four = by_hand(lines, WEEK.before(4).since, WEEK.since)
    assert steps == list(range(STEPS))
    all_traffic = table(report, "volume-by-model")["all traffic"]
    assert all_traffic[:2] == [now["events"], last["events"]]
    assert all_traffic[3:5] == [now["to_be_scored"], now["ok"]]
    assert same(all_traffic[5], now["ok"] / now["to_be_scored"])
    for name, of in OF.items():
        shown = table(report, f"rates-{name.replace('_', '-')}")
        for row, category in (("All", None), ("benign", "benign"), ("cyberattacks", "cyberattacks")):
            weeks = [
                by_hand(lines, *span, category)
                for span in (
                    (WEEK.since, WEEK.until),
                    (WEEK.before().since, WEEK.since),
                    (WEEK.before(4).since, WEEK.since),
                )
            ]
            if not any(one[of] for one in weeks):
                assert row not in shown
                continue
            rates = [one[name] / one[of] if one[of] else None for one in weeks]
            value, _, denominator, value_last, _, value_four, _ = shown[row]
            assert same(value, rates[0]), (name, row)
            assert same(denominator, weeks[0][of]), (name, row)
            assert same(value_last, rates[1]), (name, row)
            assert same(value_four, rates[2]), (name, row)
    days = list(table(report, "volume-by-day").values())
    for number, day in enumerate(WEEK.days):
        counted = by_hand(lines, WEEK.midnight(day), WEEK.midnight(day + timedelta(days=1)))
        assert days[number][0] == counted["events"]
    quality = table(report, "data-quality")
    assert [quality[row][0] for row in list(quality)[:3]] == [now["unknown"], now["error"], now["truncated"]]
    assert table(report, "dead-letters") == {"not json": [2, 1]}
    assert len(table(report, "alerts-told")) == 1
    assert four["events"] > last["events"]
    assert [cell["value"] for cell in rows_of(report, "judged")[0][3:6]] == [5, 4, 1]

    assert table(report, "audit-0-layers")["layer_01"] == [0.3, pytest.approx(-0.2)]
    assert "1 audit was refused" in json.dumps(report["sections"])
    assert [row[0]["text"] + row[1]["text"] + row[2]["text"] for row in rows_of(report, "calibrations")] == [
        "atlas1kept",
        "atlas2rolled back",
    ]
    assert "all: at most 5 % over-refusal (4,100 prompts)" in rows_of(report, "calibrations")[0][6]["text"]
    assert {finding["kind"] for finding in report["findings"]} >= {"audit", "calibration"}

    only = await report_of(store, tenant=HOSTILE)
    of_tenant = [line for line in lines if json.loads(line)["tenant"] == HOSTILE]
    assert (
        table(only, "volume-by-model")["all traffic"][0]
        == by_hand(of_tenant, WEEK.since, WEEK.until)["events"]
    )
    nobody = await report_of(store, tenant="nobody", model="'; DROP TABLE verdict_rows --")
    assert nobody["summary"].startswith("No exchange of this tenant or model is counted")
