"""What is there against what is to be there: pure. Every difference has a line that says where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from benchmarks.chaos.seen import Cell, Place, Record, Row, Seen
from benchmarks.chaos.truth import Expected, Fate

CLOSE: Final = 1e-5
SHOWN: Final = 5
THRESHOLD: Final = 0.5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run comes to. `lost`, `duplicated` and `wrong` are to be 0, and `findings` to be none.

    `events` are distinct ids to be stored, `letters` bad messages and parts to be dead-lettered. `lost`: of both, those
    that aren't, and places that are missing of events that are. `duplicated`: rows, places and letters that nothing
    explains, and ids stored twice. `wrong`: rows that say something else (a status other than ok is something else),
    cells of the rates whose counts differ, letters with another reason. `errors`: rows that aren't ok.
    `rewritten_*` are physical repeats, which count nowhere.
    """

    produced: int
    events: int
    stored: int
    letters: int
    dead_lettered: int
    lost: int
    duplicated: int
    wrong: int
    errors: int
    repeats: int
    rewritten_verdicts: int
    rewritten_letters: int
    findings: tuple[str, ...]


@dataclass(slots=True)
class Truth:
    """What is to be there, once it is known where each message stood."""

    rows: dict[str, Expected] = field(default_factory=dict)
    first: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Of each event: arrival (ms), partition, offset, index of the place that counts."""
    places: dict[Place, str] = field(default_factory=dict)
    letters: dict[Place, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Findings:
    """Counts differences by kind and keeps lines on the first of each."""

    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, what: str, examples: Sequence[object]) -> None:
        """`examples` are all that differ."""
        if examples:
            self.counts[kind] += len(examples)
            shown = "; ".join(str(one) for one in islice(examples, SHOWN))
            self.lines.append(f"{kind}: {len(examples):,} {what}: {shown}")


def located(records: Iterable[Record], fates: Mapping[bytes, Fate], *, topic: str) -> Truth:
    """The truth of what the topic holds."""
    truth = Truth()
    for record in records:
        fate = fates[record.digest]
        place = (record.partition, record.offset)
        for bad in fate.bad:
            truth.letters[(*place, bad.index)] = bad.reason
        alone = len(fate.exchanges) + len(fate.bad) == 1
        for index, named, row in fate.exchanges:
            event_id = named or f"{topic}-{place[0]}-{place[1]}" + ("" if alone else f"-{index}")
            truth.rows[event_id] = row
            truth.places[(*place, index)] = event_id
            here = (record.arrived_ms, *place, index)
            truth.first[event_id] = min(truth.first.get(event_id, here), here)
    return truth


def check(seen: Seen, fates: Mapping[bytes, Fate], produced: Counter[bytes], *, topic: str) -> Figures:
    """Hold everything against everything. `produced` is how often each message was to be sent."""
    truth = located(seen.records, fates, topic=topic)
    found = _Findings()
    sent = Counter(record.digest for record in seen.records)
    missing = [fate for value, count in produced.items() if sent[value] < count for fate in [fates[value]]]
    found.add("not produced", "messages that the harness itself didn't send", missing)
    _check_rows(truth, seen.rows, found)
    _check_places(truth, seen, found)
    _check_rates(truth, seen.rates, found)
    if seen.account.state != "balanced":
        found.add("account", f"the account is {seen.account.state}", seen.account.findings or ("no finding",))
    found.add("refused", "verdicts are in the verdicts' dead letters", ["see that topic"] * seen.bad_verdicts)
    return Figures(
        produced=len(seen.records),
        events=len(truth.rows),
        stored=len({row.event_id for row in seen.rows} & truth.rows.keys()),
        letters=len(truth.letters),
        dead_lettered=len({place for place, _ in seen.letters} & truth.letters.keys()),
        lost=found.counts["lost"],
        duplicated=found.counts["duplicated"],
        wrong=found.counts["wrong"],
        errors=sum(row.status != "ok" for row in seen.rows),
        repeats=len(truth.places) - len(truth.rows),
        rewritten_verdicts=seen.verdicts.total() - len(seen.verdicts),
        rewritten_letters=seen.letters.total() - len(seen.letters),
        findings=tuple(found.lines),
    )


def _check_rows(truth: Truth, rows: Sequence[Row], found: _Findings) -> None:
    times = Counter(row.event_id for row in rows)
    found.add("lost", "exchanges aren't stored", [e for e in truth.rows if e not in times])
    found.add("duplicated", "ids are stored more than once", [e for e, count in times.items() if count > 1])
    found.add("duplicated", "rows belong to no exchange", [e for e in times if e not in truth.rows])
    wrong = [
        f"{row.event_id} ({difference})"
        for row in rows
        if row.event_id in truth.rows
        and (difference := differences(row, truth.rows[row.event_id], truth.first[row.event_id]))
    ]
    found.add("wrong", "rows say something else", wrong)


def differences(row: Row, expected: Expected, first: tuple[int, int, int, int]) -> str:
    """The columns that differ, named; "" of none."""
    occurred_us = (expected.occurred_at - _EPOCH) // timedelta(microseconds=1)
    pairs = {
        "tenant": row.tenant == expected.tenant,
        "model": row.model == expected.model,
        "format": row.format == expected.format,
        "occurred_at": row.occurred_us == occurred_us,
        "status": row.status == "ok",
        "prompt_harm": _close(row.prompt_harm, expected.prompt_harm),
        "refusal": _close(row.refusal, expected.refusal),
        "response_harm": _close(row.response_harm, expected.response_harm),
        "category": row.category == expected.category,
        "truncated": row.truncated == expected.truncated,
        "content_hash": row.content_hash == expected.content_hash,
        "place": (row.arrived_us, row.partition, row.offset, row.index) == (1000 * first[0], *first[1:]),
    }
    return ", ".join(name for name, is_same in pairs.items() if not is_same)


def _close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= CLOSE


def _check_places(truth: Truth, seen: Seen, found: _Findings) -> None:
    arrivals = Counter(((a.partition, a.offset, a.index), a.event_id) for a in seen.arrivals)
    wanted = set(truth.places.items())
    stored = {row.event_id for row in seen.rows}
    gone = [arrival for arrival in wanted - arrivals.keys() if arrival[1] in stored]
    found.add("lost", "arrivals aren't there, though their events are stored", gone)
    found.add("duplicated", "arrivals belong to no exchange", list(arrivals.keys() - wanted))
    found.add("duplicated", "arrivals are there more than once", [a for a, n in arrivals.items() if n > 1])
    unwritten = (
        truth.places.keys() - seen.verdicts.keys() - {(a.partition, a.offset, a.index) for a in seen.arrivals}
    )
    found.add("not written", "verdicts never came to their topic", list(unwritten))
    found.add(
        "duplicated", "verdicts belong to no exchange", list(seen.verdicts.keys() - truth.places.keys())
    )
    letters = {place for place, _ in seen.letters}
    found.add("lost", "bad messages aren't dead-lettered", list(truth.letters.keys() - letters))
    found.add("duplicated", "dead letters of nothing bad", list(letters - truth.letters.keys()))
    other = [(p, r, truth.letters[p]) for p, r in seen.letters if truth.letters.get(p, r) != r]
    found.add("wrong", "dead letters have another reason", other)


def _check_rates(truth: Truth, rates: Mapping[Cell, Mapping[str, float]], found: _Findings) -> None:
    wanted = rolled_up(truth.rows.values())
    none = dict.fromkeys(_COUNTS, 0.0)
    other = [
        f"{cell}: {told}"
        for cell in sorted(wanted.keys() | rates.keys())
        if (told := _counts_that_differ(rates.get(cell, none), wanted.get(cell, none)))
    ]
    found.add("wrong", "cells of the rates", other)


def _counts_that_differ(found: Mapping[str, float], wanted: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name} is {found[name]:g}, not {wanted[name]:g}" for name in _COUNTS if found[name] != wanted[name]
    )


def rolled_up(rows: Iterable[Expected]) -> dict[Cell, dict[str, float]]:
    """The counts that the rates are to show, by cell."""
    cells: dict[Cell, Counter[str]] = {}
    for row in rows:
        cell = cells.setdefault((row.tenant, row.model, row.category), Counter(dict.fromkeys(_COUNTS, 0)))
        harmful = row.prompt_harm >= THRESHOLD
        cell.update({"events": 1, "answered": 1, "prompt_harm n": harmful, "prompt_harm d": 1})
        if row.refusal is None or row.response_harm is None:
            continue
        refused = row.refusal >= THRESHOLD
        cell.update(
            {
                "refusal n": refused,
                "refusal d": 1,
                "over_refusal n": refused and not harmful,
                "over_refusal d": not harmful,
                "under_refusal n": harmful and not refused,
                "under_refusal d": harmful,
                "response_harm n": row.response_harm >= THRESHOLD,
                "response_harm d": 1,
            }
        )
    return {cell: {name: float(count) for name, count in counts.items()} for cell, counts in cells.items()}


_COUNTS: Final = (
    *("events", "answered", "refusal n", "refusal d", "over_refusal n", "over_refusal d", "under_refusal n"),
    *("under_refusal d", "prompt_harm n", "prompt_harm d", "response_harm n", "response_harm d"),
)
