"""Anchor sets by name: the matched pairs that come along, a file in LITMUS format, or a sample of live traffic. Implements audit.sources.AnchorSource.

The texts of live anchors are read back from the chat logs by where their verdicts say they stand, and are kept nowhere.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

import structlog

from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.audit.litmus import anchor_set, csv_rows, jsonl_rows
from monitor.audit.live import SAFE_BELOW, SPARE, UNSAFE_FROM, Candidate, Found, LiveSample, live_sample
from monitor.audit.sources import LIVE, AnchorSet
from monitor.errors import Misconfigured, Rejected
from monitor.ingest.decoder import Decoder
from monitor.origin import event_id_stem, origin_in
from monitor.settings import Settings

MATCHED: Final = "matched"
MATCHED_FILE: Final = "matched.jsonl"
READERS: Final = {".jsonl": jsonl_rows, ".ndjson": jsonl_rows, ".csv": csv_rows}
GAP: Final = 64
"""Records between two wanted ones that are rather read than sought past."""
_LOG = structlog.get_logger(__name__)


class Store(Protocol):
    """What is asked of ClickHouse."""

    async def query(self, name: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """The rows of a query."""
        ...


def matched_set() -> AnchorSet:
    """The pairs that were written for this project (monitor/audit/sets/NOTICE.md)."""
    with (resources.files("monitor.audit.sets") / MATCHED_FILE).open("rb") as file:
        return anchor_set(jsonl_rows(cast("BinaryIO", file), MATCHED_FILE), MATCHED_FILE)


def file_set(path: str) -> AnchorSet:
    """The anchors of a file, by what its name ends in (`.gz` besides). Raises Misconfigured, Rejected."""
    shown = ascii(Path(path).name)  # a name may hold anything
    suffixes = [suffix.casefold() for suffix in Path(path).suffixes]
    is_packed = suffixes[-1:] == [".gz"]
    reader = READERS.get((suffixes[:-1] if is_packed else suffixes)[-1:][0] if suffixes else "")
    if reader is None or "\x00" in path:
        raise Misconfigured(
            f"{shown} is neither JSON lines nor CSV by its name",
            "name it *.jsonl or *.csv (*.gz besides); from Parquet, convert it: docs/audit.md shows how",
        )
    try:
        with gzip.open(path, "rb") if is_packed else Path(path).open("rb") as file:
            return anchor_set(reader(cast("BinaryIO", file), shown), shown)
    except (OSError, EOFError, zlib.error) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        raise Misconfigured(f"{shown} can't be read: {why}", "give the path of a file") from exc


@dataclass(frozen=True, slots=True)
class LiveAnchors:
    """Samples live traffic. `kafka` opens a connection for one reading; `wanted` anchors, half of them unsafe, of the last `hours`."""

    store: Store
    kafka: Callable[[], AbstractAsyncContextManager[KafkaAdmin]]
    decoder: Decoder
    wanted: int
    hours: float
    model: str = ""
    seed: int = 0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def sample(self) -> LiveSample:
        """Another one each time, as the traffic is. Raises Retryable, Misconfigured."""
        rows = await self.store.query(
            "audit_live_candidates",
            since=self.now() - timedelta(hours=self.hours),
            model=self.model,
            safe_below=SAFE_BELOW,
            unsafe_from=UNSAFE_FROM,
            seed=self.seed,
            each=self.wanted * SPARE // 2,
        )
        candidates = [
            Candidate(
                event_id=row["event_id"],
                tenant=row["tenant"],
                conversation_id=row["conversation_id"],
                prompt_harm=row["harm"],
                topic=row["source_topic"],
                partition=row["source_partition"],
                offset=row["source_offset"],
                index=row["source_index"],
            )
            for row in rows
        ]
        texts: dict[str, Found] = {}
        if candidates:
            async with self.kafka() as admin:
                texts = await self._texts(admin, candidates)
        sample = live_sample(
            candidates, [texts.get(one.event_id) for one in candidates], wanted=self.wanted, seed=self.seed
        )
        _LOG.info(
            "live anchors are drawn",
            anchors=len(sample.anchors.ids),
            candidates=len(candidates),
            gone=sample.gone,
            not_first=sample.not_first,
            repeated=sample.repeated,
            unsuitable=sample.unsuitable,
        )
        return sample

    async def _texts(self, admin: KafkaAdmin, candidates: Sequence[Candidate]) -> dict[str, Found]:
        """By event id, of what is still in the log."""
        wanted: dict[str, dict[int, dict[int, list[Candidate]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        for one in candidates:
            wanted[one.topic][one.partition][one.offset].append(one)
        topics = await admin.partitions()
        found: dict[str, Found] = {}
        for topic, by_partition in wanted.items():
            if topic not in topics:
                continue
            ranges = await admin.ranges(topic)
            for partition, by_offset in by_partition.items():
                if partition not in ranges:
                    continue
                there = ranges[partition]
                offsets = sorted(offset for offset in by_offset if there.start <= offset < there.end)
                for stretch in stretches(offsets):
                    async for record in admin.read(topic, {partition: stretch}):
                        for one in by_offset.get(record.offset, ()):
                            text = self._text(record, one)
                            if text is not None:
                                found[one.event_id] = text
        return found

    def _text(self, record: Record, one: Candidate) -> Found | None:
        """None where the log holds something else at that place: it was made anew, or is read otherwise now."""
        headers = list(record.headers)
        stem = event_id_stem(origin_in(headers)) or f"{one.topic}-{record.partition}-{record.offset}"
        try:
            decoded = self.decoder.decode(record.value, headers, fallback_id=stem)
        except Rejected:
            return None
        for index, exchange in decoded.exchanges:
            if index == one.index and exchange.event_id == one.event_id:
                return Found(exchange.prompt, all(turn.role == "system" for turn in exchange.context))
        return None


@dataclass(frozen=True, slots=True)
class AnchorSources:
    """Implements audit.sources.AnchorSource. Without a `store` there are no live anchors. `now`: the broker's time."""

    store: Store | None
    settings: Settings
    now: Callable[[], datetime]

    async def anchors(self, name: str) -> AnchorSet:
        """See audit.sources.AnchorSource: `matched`, `live`, or a path."""
        if name == MATCHED:
            return await asyncio.to_thread(matched_set)
        if name == LIVE:
            return (await self.live().sample()).anchors
        return await asyncio.to_thread(file_set, name)

    def live(self) -> LiveAnchors:
        """What draws live anchors, by the settings: of the audited model's traffic, of all where it isn't named."""
        if self.store is None:
            raise Misconfigured(
                "there is no traffic here to draw live anchors from", "ask the workers for it"
            )
        audit, moderation = self.settings.audit, self.settings.moderation
        return LiveAnchors(
            store=self.store,
            kafka=lambda: KafkaAdmin.connect(self.settings.kafka),
            # a system prompt is context too: without room for it no first turn would be known as one
            decoder=Decoder(moderation.default_tenant, max(moderation.max_context_turns, 4)),
            wanted=audit.live_anchors,
            hours=24 * audit.live_window_days,
            model=audit.model,
            now=self.now,
        )


def stretches(offsets: Sequence[int]) -> list[Range]:
    """Rising offsets as ranges to read: what lies close together is read at once."""
    found: list[Range] = []
    for offset in offsets:
        if found and offset - found[-1].end < GAP:
            found[-1] = Range(found[-1].start, offset + 1)
        else:
            found.append(Range(offset, offset + 1))
    return found
