"""The check at the end of a chaos run finds every way in which a promise can be broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.chaos.checking import Figures, check, rolled_up
from benchmarks.chaos.messages import messages
from benchmarks.chaos.seen import Arrival, Balance, Record, Row, Seen, digest
from benchmarks.chaos.truth import Fate, Judge, fates
from monitor.settings import load

TOPIC = "chat.logs"
BALANCED = Balance("balanced", ())
Run = tuple[dict[bytes, Fate], Counter[bytes], Seen]


@pytest.fixture(scope="module")
def perfect() -> Run:
    """A small input, and a run in which all went as it should, written down by hand from the input."""
    sent = list(messages(11, 1_500))
    known: dict[bytes, Fate] = {}
    produced: Counter[bytes] = Counter()
    records: list[Record] = []
    rows: dict[str, Row] = {}
    arrivals: list[Arrival] = []
    letters: Counter[Any] = Counter()
    verdicts: Counter[Any] = Counter()
    ends: Counter[int] = Counter()
    for number, (message, fate) in enumerate(zip(sent, fates(sent, Judge(load({}))), strict=True)):
        value = digest(message.value)
        known.setdefault(value, fate)
        produced[value] += 1
        place = (message.partition, ends[message.partition])
        ends[message.partition] += 1
        records.append(Record(*place, 1_000 + number, value))
        letters.update([((*place, bad.index), bad.reason) for bad in fate.bad])
        for index, named, expected in fate.exchanges:
            event_id = named or f"{TOPIC}-{place[0]}-{place[1]}"
            arrivals.append(Arrival(*place, index, event_id))
            verdicts[(*place, index)] += 1
            row = Row(
                event_id,
                expected.tenant,
                expected.model,
                expected.format,
                int(expected.occurred_at.timestamp()) * 1_000_000,
                (1_000 + number) * 1_000,
                *place,
                index,
                "ok",
                expected.prompt_harm,
                expected.refusal,
                expected.response_harm,
                expected.category,
                expected.truncated,
                expected.content_hash,
            )
            rows.setdefault(event_id, row)
    events = {e: x for fate in known.values() for _, e, x in fate.exchanges if e}
    nameless = [x for fate in known.values() for _, e, x in fate.exchanges if not e]
    rates = rolled_up([*events.values(), *nameless])
    return (
        known,
        produced,
        Seen(records, list(rows.values()), arrivals, letters, verdicts, 0, rates, BALANCED),
    )


def figures(run: Run, changed: Callable[[Seen], Seen] = lambda seen: seen) -> Figures:
    known, produced, seen = run
    return check(changed(seen), known, produced, topic=TOPIC)


def test_a_run_in_which_all_went_well_has_no_findings(perfect: Run) -> None:
    found = figures(perfect)
    assert found == Figures(
        produced=len(perfect[2].records),
        events=len(perfect[2].rows),
        stored=len(perfect[2].rows),
        letters=len(perfect[2].letters),
        dead_lettered=len(perfect[2].letters),
        lost=0,
        duplicated=0,
        wrong=0,
        errors=0,
        repeats=found.repeats,
        rewritten_verdicts=0,
        rewritten_letters=0,
        findings=(),
    )
    assert found.repeats > 10


def struck(found: Figures) -> tuple[int, int, int]:
    assert found.findings
    return found.lost, found.duplicated, found.wrong


def test_what_was_written_again_counts_nowhere(perfect: Run) -> None:
    found = figures(
        perfect,
        lambda seen: replace(
            seen, letters=seen.letters + seen.letters, verdicts=seen.verdicts + seen.verdicts
        ),
    )
    assert (found.rewritten_letters, found.rewritten_verdicts) == (
        len(perfect[2].letters),
        len(perfect[2].arrivals),
    )
    assert found.findings == ()


def test_a_row_that_is_missing_is_lost(perfect: Run) -> None:
    assert struck(figures(perfect, lambda seen: replace(seen, rows=seen.rows[1:]))) == (1, 0, 0)


def test_an_arrival_that_is_missing_is_lost(perfect: Run) -> None:
    assert struck(figures(perfect, lambda seen: replace(seen, arrivals=seen.arrivals[1:]))) == (1, 0, 0)


def test_a_dead_letter_that_is_missing_is_lost(perfect: Run) -> None:
    def without_one(seen: Seen) -> Seen:
        return replace(seen, letters=seen.letters - Counter(list(seen.letters)[:1]))

    assert struck(figures(perfect, without_one)) == (1, 0, 0)


def test_a_row_that_is_there_twice_is_duplicated(perfect: Run) -> None:
    assert struck(figures(perfect, lambda seen: replace(seen, rows=[*seen.rows, seen.rows[5]]))) == (0, 1, 0)


def test_a_dead_letter_of_a_good_message_is_duplicated(perfect: Run) -> None:
    good = ((perfect[2].rows[0].partition, perfect[2].rows[0].offset, -1), "not_json")
    found = figures(perfect, lambda seen: replace(seen, letters=seen.letters + Counter([good])))
    assert struck(found) == (0, 1, 0)


@pytest.mark.parametrize(
    "columns",
    [
        ("prompt_harm",),
        ("refusal",),
        ("response_harm",),
        ("content_hash",),
        ("prompt_harm", "refusal", "response_harm", "category", "content_hash"),
    ],
)
def test_verdicts_that_were_swapped_between_two_events_are_wrong(
    perfect: Run, columns: tuple[str, ...]
) -> None:
    def swapped(seen: Seen) -> Seen:
        one, other = [row for row in seen.rows if row.refusal is not None][:2]
        pairs = {one: other, other: one}
        return replace(
            seen,
            rows=[
                row
                if row not in pairs
                else Row(**_columns(row) | {c: getattr(pairs[row], c) for c in columns})
                for row in seen.rows
            ],
        )

    assert struck(figures(perfect, swapped)) == (0, 0, 2)


def test_a_row_of_a_later_arrival_than_the_first_is_wrong(perfect: Run) -> None:
    def later(seen: Seen) -> Seen:
        first = seen.rows[0]
        return replace(
            seen, rows=[Row(**_columns(first) | {"arrived_us": first.arrived_us + 1000}), *seen.rows[1:]]
        )

    assert struck(figures(perfect, later)) == (0, 0, 1)


def test_a_row_that_the_guard_gave_no_answer_for_is_wrong(perfect: Run) -> None:
    def failed(seen: Seen) -> Seen:
        none = {
            "status": "error",
            "prompt_harm": None,
            "refusal": None,
            "response_harm": None,
            "category": "",
        }
        return replace(seen, rows=[Row(**_columns(seen.rows[0]) | none), *seen.rows[1:]])

    found = figures(perfect, failed)
    assert struck(found) == (0, 0, 1)
    assert found.errors == 1


def test_rates_that_count_an_event_twice_are_wrong(perfect: Run) -> None:
    def twice(seen: Seen) -> Seen:
        cell = next(iter(seen.rates))
        return replace(
            seen, rates={**seen.rates, cell: {**seen.rates[cell], "events": seen.rates[cell]["events"] + 1}}
        )

    assert struck(figures(perfect, twice)) == (0, 0, 1)


def test_a_verdict_among_the_dead_letters_is_a_finding(perfect: Run) -> None:
    assert figures(perfect, lambda seen: replace(seen, bad_verdicts=1)).findings


def test_an_account_that_is_not_balanced_is_a_finding(perfect: Run) -> None:
    unbalanced = Balance("unbalanced", ("3 exchanges",))
    assert figures(perfect, lambda seen: replace(seen, account=unbalanced)).findings


def test_what_the_harness_failed_to_send_is_a_finding(perfect: Run) -> None:
    known, produced, seen = perfect
    more = produced + Counter([next(iter(produced))])
    assert check(seen, known, more, topic=TOPIC).findings


def _columns(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
