"""What is there at the end: read from the topics and the store, past all proxies."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, TypeVar
from urllib.request import Request, urlopen

import msgspec

from monitor.adapters.clickhouse import connect
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.rates import RateName, rates
from monitor.settings import Settings
from schemas import topics
from schemas.events import Verdict

ALWAYS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC))
Place = tuple[int, int, int]
"""Partition and offset of a chat log, and which exchange of it; -1 for the whole message."""
Cell = tuple[str, str, str]
"""Tenant, model, category."""
T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, gc=False):
    """A chat log as the broker has it."""

    partition: int
    offset: int
    arrived_ms: int
    digest: bytes


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A row of the view `verdicts`. Times are microseconds since 1970."""

    event_id: str
    tenant: str
    model: str
    format: str
    occurred_us: int
    arrived_us: int
    partition: int
    offset: int
    index: int
    status: str
    prompt_harm: float | None
    refusal: float | None
    response_harm: float | None
    category: str
    truncated: bool
    content_hash: str


class Arrival(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A row of `arrivals`."""

    partition: int
    offset: int
    index: int
    event_id: str


class Balance(msgspec.Struct, frozen=True):
    """Of what `watchkeeper account --json` prints, its verdict."""

    state: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it. `letters`: each dead letter with its reason, as often as it was written; `verdicts`: how often each
    exchange's verdict was written on its topic; `bad_verdicts`: dead letters of that topic."""

    records: list[Record]
    rows: list[Row]
    arrivals: list[Arrival]
    letters: Counter[tuple[Place, str]]
    verdicts: Counter[Place]
    bad_verdicts: int
    rates: Mapping[Cell, Mapping[str, float]]
    account: Balance


def digest(value: bytes | None) -> bytes:
    """What a chat log is known by."""
    return b"tombstone" if value is None else blake2b(value, digest_size=12).digest()


async def look(settings: Settings) -> Seen:
    """Read everything."""
    kafka = settings.kafka
    async with KafkaAdmin.connect(kafka) as admin:
        records = [
            Record(r.partition, r.offset, r.timestamp, digest(r.value))
            async for r in admin.read(kafka.chat_logs_topic, await admin.ranges(kafka.chat_logs_topic))
        ]
        dead = kafka.chat_logs_dlq_topic
        letters = Counter([_letter(r.headers) async for r in admin.read(dead, await admin.ranges(dead))])
        written = kafka.verdicts_topic
        verdicts = Counter([_place(r.value) async for r in admin.read(written, await admin.ranges(written))])
        bad_verdicts = sum(r.end - r.start for r in (await admin.ranges(kafka.verdicts_dlq_topic)).values())
    return Seen(
        records=records,
        rows=await _rows(settings, Row, _VERDICTS),
        arrivals=await _rows(settings, Arrival, _ARRIVALS),
        letters=letters,
        verdicts=verdicts,
        bad_verdicts=bad_verdicts,
        rates=await _rates(settings),
        account=await _account(settings),
    )


def _letter(headers: Any) -> tuple[Place, str]:
    ours = dict(headers)
    place = tuple(
        int(ours[name]) for name in (topics.HEADER_PARTITION, topics.HEADER_OFFSET, topics.HEADER_INDEX)
    )
    return (place[0], place[1], place[2]), ours[topics.HEADER_REASON].decode()


def _place(value: bytes | None) -> Place:
    if value is None:
        raise ValueError("a tombstone on the verdicts' topic")
    verdict = Verdict.from_bytes(value)
    return verdict.source_partition, verdict.source_offset, verdict.source_index


_VERDICTS: Final = """
SELECT event_id, tenant, model, format, toUnixTimestamp64Micro(occurred_at), toUnixTimestamp64Micro(arrived_at),
    source_partition, source_offset, source_index, status, prompt_harm, refusal, response_harm, category, truncated,
    content_hash
FROM verdicts"""
_ARRIVALS: Final = "SELECT source_partition, source_offset, source_index, event_id FROM arrivals FINAL"


async def _rows(settings: Settings, kind: type[T], query: str) -> list[T]:
    url = (
        f"{settings.clickhouse.url}/?database={settings.clickhouse.database}"
        "&default_format=JSONCompactEachRow&output_format_json_quote_64bit_integers=0"
    )
    body = await asyncio.to_thread(lambda: urlopen(Request(url, query.encode())).read())  # our own engine
    return msgspec.json.Decoder(kind).decode_lines(body)


async def _account(settings: Settings) -> Balance:
    """What `watchkeeper account --verify` says."""
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor.cli", "account", "--verify", "--json"),
        env={
            **os.environ,
            "WATCHKEEPER_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "WATCHKEEPER_TRITON__URL": settings.triton.url,
            "WATCHKEEPER_CLICKHOUSE__URL": settings.clickhouse.url,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await asked.communicate()
    return msgspec.json.decode(printed, type=Balance)


async def _rates(settings: Settings) -> dict[Cell, dict[str, float]]:
    """The counts of `watchkeeper rates --by tenant,model,category`."""
    async with await connect(settings.clickhouse) as store:
        found = await rates(store, by=("tenant", "model", "category"), since=ALWAYS[0], until=ALWAYS[1])
    return {
        (str(row.tenant), str(row.model), str(row.category)): {
            "events": float(row.events),
            "answered": float(row.answered),
            **_counts({rate.name: (rate.numerator, rate.denominator) for rate in row.rates}),
        }
        for row in found
    }


def _counts(of: Mapping[RateName, tuple[float, float]]) -> dict[str, float]:
    return {
        f"{name} {part}": count
        for name, counts in of.items()
        for part, count in zip("nd", counts, strict=True)
    }
