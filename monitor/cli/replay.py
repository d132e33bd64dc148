"""`watchkeeper replay`: chat logs from files to Kafka, as they are."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.cli.chat_log_hints import hints
from monitor.cli.chat_log_lines import Line, LinesAhead, Source, find_sources
from monitor.cli.console import notes, output, print_json
from monitor.cli.failures import Interrupted
from monitor.cli.parts import parts_here
from monitor.cli.shapes import ReplayDocument
from monitor.errors import Misconfigured, Retryable, WatchkeeperError
from monitor.ports import Outbox, OutRecord
from monitor.settings import Settings
from monitor.wording.visible import visible

_BURST_S: Final = 0.05
"""With --rate, what is due in this time goes at once."""
_CHUNK: Final = 2_000
_ROOM_BYTES: Final = 1_024
"""What a record's framing takes of the topic's size limit, at most."""


def replay(
    files: Annotated[
        list[str], typer.Argument(help="JSONL files, plain or gzip; - is standard input.", metavar="FILE")
    ],
    *,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Messages a second, at most; 0: as fast as the broker takes them.",
            min=0,
            metavar="N",
            show_default="0",
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Keep the logs' own spacing in time, this many times faster.",
            min=0.001,
            metavar="X",
            show_default="off",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live/--backfill",
            help="Send it as live traffic, or as backfill, which gives way to live traffic.",
        ),
    ] = False,
    topic: Annotated[
        str | None,
        typer.Option(
            help="Write to this topic instead.", metavar="TOPIC", show_default="as --backfill or --live says"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
) -> None:
    """Send chat logs from files or standard input through the stream.

    Each line is one message, sent as it is: what can't be used is dead-lettered by the stream, with the reason.
    Messages of one conversation keep their order. Sending a file twice changes no count, because exchanges are
    counted once per id.

    It goes as backfill: the workers judge it whenever live traffic isn't waiting, at most
    WATCHKEEPER_BACKFILL__MAX_PER_S messages a second each. With --live it goes with the live traffic, at once.

    Examples:
        watchkeeper replay week.jsonl
        watchkeeper replay logs/*.jsonl.gz --rate 500
        watchkeeper replay week.jsonl --speed 1000 --live
        kubectl logs -f gateway | watchkeeper replay - --live
    """
    if rate and speed is not None:
        raise Misconfigured("--rate and --speed can't both be given", "choose one of them")
    if live and topic is not None:
        raise Misconfigured("--live and --topic can't both be given", "choose one of them")
    sources = find_sources(files)
    settings = parts_here().settings
    kafka = settings.kafka
    target = topic or (kafka.chat_logs_topic if live else kafka.chat_logs_backfill_topic)
    sent = Sent()
    began_s = time.monotonic()
    interrupted = False
    try:
        asyncio.run(send_files(settings, sources, target, pace=Pace(rate or None, speed), sent=sent))
    except KeyboardInterrupt:
        interrupted = True
    except WatchkeeperError:
        if sent.produced:
            notes().print(f"{sent.messages} sent before this:", style="yellow")
        raise
    if as_json:
        print_json(
            ReplayDocument(
                topic=target,
                produced=sent.produced,
                bytes=sent.bytes,
                empty_lines=sent.empty_lines,
                seconds=round(time.monotonic() - began_s, 3),
                files=[source.name for source in sources],
                interrupted=interrupted,
            )
        )
    if interrupted:
        raise Interrupted(f"interrupted: {sent.messages} sent and acknowledged, the rest was not")
    if not as_json:
        took_s = max(time.monotonic() - began_s, 0.001)
        output().print(
            f"{sent.messages} sent to {target} in {took_s:.1f} s "
            f"({sent.produced / took_s:,.0f} a second)."
            + (f" {sent.empty_lines:,} empty lines were skipped." if sent.empty_lines else "")
        )


@dataclass(slots=True)
class Sent:
    """What the broker has acknowledged."""

    produced: int = 0
    bytes: int = 0
    empty_lines: int = 0

    @property
    def messages(self) -> str:
        """How many, in words."""
        return "1 message" if self.produced == 1 else f"{self.produced:,} messages"


@dataclass(slots=True)
class Pace:
    """When the next message is due: `rate` a second, or at `speed` times the spacing of the logs' own times."""

    rate: float | None
    speed: float | None
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    count: int = 0
    """Messages gone before."""
    _began_s: float | None = None
    _first_at: datetime | None = None

    def wait_s(self, at: datetime | None) -> float:
        """How long until a message that happened `at` is due; 0 where it may go with those before it."""
        if self.rate is None and self.speed is None:
            return 0.0
        if self._began_s is None:
            self._began_s = self.now_s()
        wait_s = self._due_s(at) - (self.now_s() - self._began_s)
        return wait_s if wait_s > _BURST_S else 0.0

    def _due_s(self, at: datetime | None) -> float:
        if self.rate is not None:
            return self.count / self.rate
        if at is None or self.speed is None:
            return 0.0
        if self._first_at is None:
            self._first_at = at
        return (at - self._first_at).total_seconds() / self.speed


@dataclass(slots=True)
class Sender:
    """Sends lines in whole batches, a key always to the same partition; without a key, batches take turns."""

    outbox: Outbox
    topic: str
    partitions: int
    sent: Sent
    _waiting: dict[int, list[OutRecord]] = field(default_factory=lambda: defaultdict(list))
    _count: int = 0
    _turn: int = 0

    async def add(self, line: bytes, key: bytes | None) -> None:
        """Take one message; sends when a chunk is full."""
        partition = self._turn if key is None else zlib.crc32(key) % self.partitions
        self._waiting[partition].append(OutRecord(key, line))
        self._count += 1
        if self._count >= _CHUNK:
            await self.flush()

    async def flush(self) -> None:
        """Send what waits; returns when it is acknowledged. Raises what the outbox raises."""
        waiting, self._waiting, self._count = self._waiting, defaultdict(list), 0
        self._turn = (self._turn + 1) % self.partitions
        sending = asyncio.gather(
            *(self._publish(partition, records) for partition, records in waiting.items())
        )
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await sending  # Ctrl-C: what is under way arrives anyway, so it must be counted
            raise

    async def _publish(self, partition: int, records: list[OutRecord]) -> None:
        await self.outbox.publish(self.topic, partition, records)
        self.sent.produced += len(records)
        self.sent.bytes += sum(len(record.value or b"") for record in records)


async def send_files(
    settings: Settings, sources: Sequence[Source], topic: str, *, pace: Pace, sent: Sent
) -> None:
    """Send all lines of these files to a topic; `sent` counts what is acknowledged, also when this is cancelled.

    Raises Misconfigured for a topic that isn't there or a line that can't be sent, Retryable where no broker answers.
    """
    async with KafkaAdmin.connect(settings.kafka) as admin:
        partitions = await admin.require_topic(topic)
        limit = await _largest_message(admin, topic, settings.kafka.max_message_bytes)
        if topic == settings.kafka.chat_logs_backfill_topic:
            await _warn_if_nobody_takes_it(admin, f"{settings.kafka.group_prefix}.backfill")
    outbox = await KafkaOutbox.connect(settings.kafka)
    sender = Sender(outbox, topic, partitions, sent)
    try:
        with _progress(sources) as progress:
            for source in sources:
                task = progress.add_task(visible(source.name), total=source.size_bytes, lines=0)
                lines = LinesAhead(source, limit)
                await send_lines(lines, sender, pace, on_line=_Advance(progress, task))
            await sender.flush()
    finally:
        # Ctrl-C gets here by cancelling: what is being sent ends first, so that the count is right.
        await outbox.aclose()


async def send_lines(
    lines: AsyncIterable[list[Line]], sender: Sender, pace: Pace, *, on_line: Callable[[Line], None]
) -> None:
    """Send every line of a source that isn't blank. What was read before an error is sent before it is raised."""
    try:
        async for batch in lines:
            for line in batch:
                if not line.text.strip():
                    sender.sent.empty_lines += 1
                    continue
                hint = hints(line.text)
                if pace.wait_s(hint.at) > 0:
                    await sender.flush()
                    on_line(line)
                    await pace.sleep(pace.wait_s(hint.at))
                await sender.add(line.text, hint.key)
                pace.count += 1
            await sender.flush()
            on_line(batch[-1])
    except Misconfigured:
        await sender.flush()
        raise


async def _largest_message(admin: KafkaAdmin, topic: str, limit: int) -> int:
    try:
        config = (await admin.topic_configs([topic])).get(topic, {})
    except (Retryable, Misconfigured):
        return limit  # not allowed to ask; the broker will say
    topic_limit = config.get("max.message.bytes", "")
    return min(limit, int(topic_limit)) - _ROOM_BYTES if topic_limit.isdigit() else limit - _ROOM_BYTES


async def _warn_if_nobody_takes_it(admin: KafkaAdmin, group: str) -> None:
    with suppress(
        Retryable, Misconfigured
    ):  # not allowed to ask, or it can't say now: it would only be a hint
        if not (await admin.group(group)).members:
            notes().print(
                f"No worker plays the role backfill now (group {group} has no member): what is sent waits until one "
                "does. With --live it goes to those that judge live traffic.",
                style="yellow",
            )


@dataclass(frozen=True, slots=True)
class _Advance:
    progress: Progress
    task: TaskID

    def __call__(self, line: Line) -> None:
        self.progress.update(self.task, completed=line.position, lines=line.number)


def _progress(sources: Sequence[Source]) -> Progress:
    sized = all(source.size_bytes is not None for source in sources)
    columns = (
        (BarColumn(bar_width=None), DownloadColumn(binary_units=True), TimeRemainingColumn())
        if sized
        else (SpinnerColumn(), TimeElapsedColumn())
    )
    return Progress(
        TextColumn("{task.description}", markup=False),
        *columns,
        TextColumn("{task.fields[lines]:,} lines"),
        console=notes(),
        disable=not notes().is_terminal,
    )
