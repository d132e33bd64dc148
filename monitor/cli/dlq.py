"""`watchkeeper dlq`: dead letters listed, shown, and sent back."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from monitor.adapters.kafka import KafkaOutbox, dead_letter_topics
from monitor.adapters.kafka_admin import KafkaAdmin, Range, Record
from monitor.cli.choices import chosen, said
from monitor.cli.console import notes, output, print_json
from monitor.cli.dlq_view import counts_table, letters_table, say_plan
from monitor.cli.exits import ExitCode
from monitor.cli.parts import parts_here
from monitor.cli.shapes import LetterCount, LetterDocument, LetterLine, LetterReplayDocument, LettersDocument
from monitor.cli.times import SYNTAX, parse_time
from monitor.dead_letters import (
    REASONS,
    DeadLetter,
    LetterId,
    ReplayPlan,
    Selection,
    Tally,
    plan_replay,
    read_letter,
    returned_message,
)
from monitor.errors import Misconfigured
from monitor.kafka_settings import KafkaSettings
from monitor.ports import Outbox, OutRecord
from monitor.wording.visible import visible

_SENT_AT_ONCE_BYTES: Final = 4_194_304
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_Since = Annotated[
    str | None, typer.Option(help=f"Written at or after: {SYNTAX}.", metavar="TIME", show_default=False)
]
_Until = Annotated[str | None, typer.Option(help="Written before.", metavar="TIME", show_default=False)]
_Reason = Annotated[
    list[str] | None, typer.Option("--reason", help="Only this reason; may be given again.", metavar="REASON")
]


def list_letters(
    *,
    reason: _Reason = None,
    since: _Since = None,
    until: _Until = None,
    limit: Annotated[
        int, typer.Option(help="How many of the newest letters to list.", min=0, metavar="N")
    ] = 20,
    as_json: _Json = False,
) -> None:
    """What was refused: how many dead letters by reason and topic, and the newest of them.

    Nothing of a message is shown here. A reason and a detail say where in the message the trouble is.

    Examples:
        watchkeeper dlq list
        watchkeeper dlq list --reason no_user_turn --since 1h
    """
    settings = parts_here().settings.kafka
    selection = _selection(reason=reason, since=since, until=until)
    tally = asyncio.run(_tally(settings, selection, limit))
    if as_json:
        print_json(
            LettersDocument(
                total=tally.total,
                repeated=tally.repeated,
                counts=[LetterCount.model_validate(count) for count in tally.counts()],
                letters=[letter_line(letter) for letter in tally.newest()],
            )
        )
        return
    console = output()
    if not tally.total:
        times = [f"since {since}"] * bool(since) + [f"until {until}"] * bool(until)
        asked = ", ".join([*([said(reason=selection.reasons)] if reason else []), *map(visible, times)])
        found = f"No dead letters match ({asked})." if asked else "No dead letters."
        console.print(Text(found, style="green"))
        return
    console.print(counts_table(tally), letters_table(tally.newest()), sep="\n\n")
    if tally.repeated:
        console.print(
            Text(
                f"{tally.repeated:,} more were written twice, by workers that were frozen or killed before they could acknowledge; each "
                "counts once here, and goes back once.",
                style="dim",
            )
        )
    console.print(Text("Look at one with `watchkeeper dlq show ID`.", style="dim"))


def show(
    letter: Annotated[str, typer.Argument(help="The letter's id, from `dlq list`.", metavar="ID")],
    *,
    body: Annotated[
        bool, typer.Option("--body", help="Show the message too: it is what a user typed.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """One dead letter: where the message came from, and why it was refused.

    The message itself is shown only with --body; control, bidirectional and invisible characters are made visible.

    Examples:
        watchkeeper dlq show chat.logs.dlq/0/17
        watchkeeper dlq show chat.logs.dlq/0/17 --body
    """
    id_ = LetterId.parse(letter)
    found = asyncio.run(_letter(parts_here().settings.kafka, id_))
    line = letter_line(found)
    headers = {escaped(name.encode()): escaped(value) for name, value in found.headers}
    if as_json:
        key = escaped(found.key) if body and found.key is not None else None
        value = escaped(found.value) if body and found.value is not None else None
        print_json(LetterDocument(letter=line, headers=headers, key=key, body=value))
        return
    console = output()
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, fact in line.model_dump(mode="json").items():
        facts.add_row(name, Text(visible("—" if fact is None else str(fact))))
    for name, content in headers.items():
        facts.add_row(Text(f"header {visible(name)}"), Text(visible(content)))
    console.print(facts)
    if not body:
        console.print(Text("The message is shown with --body.", style="dim"))
    elif found.value is None:
        console.print(Text("The message has no value (a tombstone).", style="dim"))
    else:
        console.print(Text(visible(escaped(found.value))), soft_wrap=True)


def replay(
    letters: Annotated[
        list[str] | None, typer.Argument(help="Ids of letters, from `dlq list`.", metavar="ID")
    ] = None,
    *,
    reason: _Reason = None,
    since: _Since = None,
    until: _Until = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters there are.")] = False,
    max_attempts: Annotated[
        int, typer.Option(help="Leave alone what was tried this often.", min=1, metavar="N")
    ] = 3,
    live: Annotated[
        bool, typer.Option("--live", help="Send chat logs back as live traffic, not as backfill.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, send nothing.")] = False,
    as_json: _Json = False,
) -> None:
    """Send dead letters back through the stream, as new messages: chat logs as backfill, which gives way to live traffic.

    Do it once the cause is mended: a message that is refused again becomes a new dead letter that says how often it
    was tried, and after --max-attempts it stays. The letters themselves stay until retention removes them; sending one
    back again changes no count, because exchanges are counted once per id.

    Examples:
        watchkeeper dlq replay chat.logs.dlq/0/17
        watchkeeper dlq replay --reason unknown_version --since 2h --dry-run
        watchkeeper dlq replay --all
    """
    ids = frozenset(LetterId.parse(text) for text in letters or ())
    if not (ids or reason or since or until or everything):
        raise Misconfigured(
            "no dead letter is chosen", "name ids, --reason, --since or --until, or say --all"
        )
    selection = _selection(ids=ids, reason=reason, since=since, until=until)
    settings = parts_here().settings.kafka
    plan = asyncio.run(
        _replay(
            settings,
            selection,
            max_attempts=max_attempts,
            to=_destinations(settings, live=live),
            send=not dry_run,
        )
    )
    missing = ids - {letter.id for group in _groups(plan).values() for letter in group}
    if missing:
        raise Misconfigured(
            "these dead letters don't exist (any more): " + ", ".join(str(id_) for id_ in sorted(missing)),
            "the others were handled; `watchkeeper dlq list` shows what there is",
        )
    names = {name: [str(letter.id) for letter in group] for name, group in _groups(plan).items()}
    if as_json:
        print_json(LetterReplayDocument(dry_run=dry_run, **names))
    else:
        say_plan(plan, dry_run=dry_run)
    if plan.exhausted or plan.unreturnable:
        raise typer.Exit(ExitCode.PROBLEM)


def letter_line(letter: DeadLetter) -> LetterLine:
    """The letter as --json prints it."""
    return LetterLine(
        id=str(letter.id),
        reason=letter.reason,
        detail=letter.detail,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        index=letter.index,
        attempts=letter.attempts,
        version=letter.version,
        arrived_at=letter.arrived_at,
        written_at=letter.written_at,
        bytes=letter.size_bytes,
    )


def escaped(content: bytes) -> str:
    """Bytes as text; each that is no UTF-8 as a backslash, an x and two hexadecimal digits."""
    return content.decode("utf-8", "backslashreplace")


def _selection(
    *,
    reason: list[str] | None,
    since: str | None,
    until: str | None,
    ids: frozenset[LetterId] = frozenset(),
) -> Selection:
    now = datetime.now(UTC)
    return Selection(
        ids=ids,
        reasons=frozenset(name.strip().lower() for name in reason or ()),
        since=parse_time(since, now, option="--since") if since else None,
        until=parse_time(until, now, option="--until") if until else None,
    )


def check_reasons(wanted: frozenset[str], there_are: Collection[str]) -> None:
    """Raises Misconfigured for a reason that no letter has and none of ours can have."""
    known = dict.fromkeys([*sorted(there_are), *REASONS])
    chosen(sorted(wanted), known, option="--reason", what="reason of a dead letter")


async def _letters(
    admin: KafkaAdmin, settings: KafkaSettings, selection: Selection, reasons: set[str] | None = None
) -> AsyncIterator[DeadLetter]:
    """The selected letters of all dead-letter topics; of ids, only their places are read. The reasons of all that are read are
    added to `reasons`."""
    present = await admin.partitions()
    for topic in dead_letter_topics(settings):
        if topic not in present:
            continue
        ranges = await admin.ranges(topic)
        if selection.ids:
            wanted: dict[int, list[int]] = defaultdict(list)
            for id_ in selection.ids:
                if id_.topic == topic and id_.partition in ranges:
                    wanted[id_.partition].append(id_.offset)
            ranges = {
                n: Range(max(ranges[n].start, min(offsets)), min(ranges[n].end, max(offsets) + 1))
                for n, offsets in wanted.items()
            }
        async for record in admin.read(topic, ranges):
            letter = _read(topic, record)
            if reasons is not None:
                reasons.add(letter.reason)
            if selection.takes(letter):
                yield letter


def _read(topic: str, record: Record) -> DeadLetter:
    return read_letter(
        LetterId(topic, record.partition, record.offset),
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_ms=record.timestamp,
    )


async def _tally(settings: KafkaSettings, selection: Selection, keep: int) -> Tally:
    tally, reasons = Tally(keep), set[str]()
    async with KafkaAdmin.connect(settings) as admin:
        with notes().status("reading the dead letters…"):
            async for letter in _letters(admin, settings, selection, reasons):
                tally.add(letter)
    check_reasons(selection.reasons, reasons)
    return tally


async def _letter(settings: KafkaSettings, id_: LetterId) -> DeadLetter:
    async with KafkaAdmin.connect(settings) as admin:
        async for letter in _letters(admin, settings, Selection(ids=frozenset([id_]))):
            return letter
    raise Misconfigured(
        f"there is no dead letter {id_} (any more)", "`watchkeeper dlq list` shows the newest with their ids"
    )


def _destinations(settings: KafkaSettings, *, live: bool) -> dict[str, str]:
    """Where letters of each topic that we read go back to."""
    chat_logs = settings.chat_logs_topic if live else settings.chat_logs_backfill_topic
    return {
        settings.chat_logs_topic: chat_logs,
        settings.chat_logs_backfill_topic: chat_logs,
        settings.verdicts_topic: settings.verdicts_topic,
        settings.judge_requests_topic: settings.judge_requests_topic,
        settings.judge_requests_backfill_topic: settings.judge_requests_backfill_topic,
        settings.judgements_topic: settings.judgements_topic,
    }


async def _replay(
    settings: KafkaSettings, selection: Selection, *, max_attempts: int, to: Mapping[str, str], send: bool
) -> ReplayPlan:
    async with KafkaAdmin.connect(settings) as admin:
        reasons = set[str]()
        found = [letter.without_message async for letter in _letters(admin, settings, selection, reasons)]
        check_reasons(selection.reasons, reasons)
        plan = plan_replay(found, topics_read=frozenset(to), max_attempts=max_attempts)
        for topic in {to[letter.topic] for letter in plan.letters}:
            await admin.require_topic(topic)
        if send and plan.letters:
            outbox = await KafkaOutbox.connect(settings)
            try:
                await _send_back(admin, settings, plan, to=to, outbox=outbox)
            finally:
                await outbox.aclose()
    return plan


async def _send_back(
    admin: KafkaAdmin, settings: KafkaSettings, plan: ReplayPlan, *, to: Mapping[str, str], outbox: Outbox
) -> None:
    """Read the planned letters once more, now with their messages, and send those, some megabytes at a time."""
    waiting: dict[tuple[str, int], list[OutRecord]] = defaultdict(list)
    size_bytes = 0
    planned = Selection(ids=frozenset(letter.id for letter in plan.letters))
    async for letter in _letters(admin, settings, planned):
        waiting[to[letter.topic], letter.partition].append(returned_message(letter))
        size_bytes += letter.size_bytes
        if size_bytes > _SENT_AT_ONCE_BYTES:
            await _publish(waiting, outbox)
            size_bytes = 0
    await _publish(waiting, outbox)


async def _publish(waiting: dict[tuple[str, int], list[OutRecord]], outbox: Outbox) -> None:
    for (topic, partition), records in waiting.items():
        await outbox.publish(topic, partition, records)
    waiting.clear()


def _groups(plan: ReplayPlan) -> dict[str, tuple[DeadLetter, ...]]:
    return {
        "replayed": plan.letters,
        "exhausted": plan.exhausted,
        "same_message": plan.same_message,
        "unreturnable": plan.unreturnable,
    }
