"""What people see, whole, at two widths. Change the expected text on purpose only."""

from __future__ import annotations

import pytest

from monitor.accounting import PartitionFacts, Reading, StoredPositions, account
from monitor.agreement import Agreement
from monitor.checking.outcomes import failed, passed, warned
from monitor.cli.account_view import account_view
from monitor.cli.agreement_view import agreement_view
from monitor.cli.check_view import check_view
from monitor.cli.rates_shapes import RateCell, RateFigure, RatesDocument
from monitor.cli.rates_view import bar, count, percent, rates_view
from monitor.ledger import Ledger
from tests.unit.cli.rates_fixture import document
from tests.unit.cli.rendering import rendered


def test_a_balanced_account_at_80_columns() -> None:
    facts = [
        PartitionFacts("chat.logs", n, 0, 10, 10, Ledger(0, messages=10, exchanges=9, dead_messages=1), 0, 0)
        for n in (0, 1)
    ]
    verdicts = [PartitionFacts("safety.verdicts", n, 0, 9, 9, Ledger(0, messages=9), 0, 0) for n in (0, 1)]
    stored = {0: StoredPositions(9, 1, 2), 1: StoredPositions(9)}
    taken = account(
        Reading("chat.logs", "m", facts, stored),
        Reading("chat.logs.backfill", "b", [PartitionFacts("chat.logs.backfill", 0, 0, 0, None, None, 0, 0)]),
        Reading("safety.verdicts", "s", verdicts),
        chat_letters=2,
        verdict_letters=0,
    )
    assert (
        rendered(account_view(taken), 80)
        == """\
Messages
                  produced handled pending of which dead lost
chat.logs/0             10      10       0             1    0 balanced
chat.logs/1             10      10       0             1    0 balanced
chat.logs               20      20       0             2    0
safety.verdicts/0        9       9       0             0    0 balanced
safety.verdicts/1        9       9       0             0    0 balanced
safety.verdicts         18      18       0             0    0

Exchanges in the chat logs
             found stored repeats sampled out dead pending lost
chat.logs/0      9      6       1           2    0       0    0 balanced
chat.logs/1      9      9       0           0    0       0    0 balanced
chat.logs       18     15       1           2    0       0    0

✓ Balanced. 20 messages produced: 20 handled (2 of them dead-lettered), 0
pending. 18 exchanges = 15 stored + 1 repeats + 2 sampled out + 0 dead-lettered
+ 0 pending."""
    )


def test_an_account_with_backfill_shows_both_and_sums_them_up() -> None:
    ledger = Ledger(0, messages=10, exchanges=10)
    taken = account(
        Reading(
            "chat.logs",
            "m",
            [PartitionFacts("chat.logs", 0, 0, 10, 10, ledger, 0, 0)],
            {0: StoredPositions(10)},
        ),
        Reading(
            "chat.logs.backfill",
            "b",
            [PartitionFacts("chat.logs.backfill", 0, 0, 30, 10, ledger, 0, 0)],
            {0: StoredPositions(9, 4)},
        ),
        Reading(
            "safety.verdicts",
            "s",
            [PartitionFacts("safety.verdicts", 0, 0, 20, 19, Ledger(0, messages=19), 0, 0)],
        ),
        chat_letters=0,
        verdict_letters=0,
    )
    assert (
        rendered(account_view(taken), 90)
        == """\
Messages
                     produced handled pending of which dead lost
chat.logs/0                10      10       0             0    0 balanced
chat.logs                  10      10       0             0    0
chat.logs.backfill/0       30      10      20             0    0 on the way
chat.logs.backfill         30      10      20             0    0
safety.verdicts/0          20      19       1             0    0 on the way
safety.verdicts            20      19       1             0    0

Exchanges in the chat logs
                     found stored repeats sampled out dead pending lost
chat.logs/0             10     10       0           0    0       0    0 balanced
chat.logs               10     10       0           0    0       0    0
chat.logs.backfill/0    10      5       4           0    0       1    0 on the way
chat.logs.backfill      10      5       4           0    0       1    0

✓ Balanced so far, more is on the way. 40 messages produced: 20 handled (0 of them
dead-lettered), 20 pending. 20 exchanges = 15 stored + 4 repeats + 0 sampled out + 0
dead-lettered + 1 pending."""
    )


def test_a_loss_is_loud_and_says_what_to_do() -> None:
    facts = [PartitionFacts("chat.logs", 0, 5, 10, 3, Ledger(0, messages=2, exchanges=2), None, 0)]
    verdicts = [PartitionFacts("safety.verdicts", 0, 0, 2, 2, Ledger(0, messages=2), 0, 0)]
    taken = account(
        Reading("chat.logs", "m", facts, {0: StoredPositions(1)}),
        Reading("chat.logs.backfill", "b", ()),
        Reading("safety.verdicts", "s", verdicts),
        chat_letters=2,
        verdict_letters=0,
    )
    shown = rendered(account_view(taken), 120)
    assert "✗ Unbalanced." in shown
    assert "✗ chat.logs/0: retention removed 2 messages before m read them. They are lost" in shown
    assert "✗ chat.logs/0: 1 offsets hold no message that m counted" in shown
    assert "✗ chat.logs/0: 1 exchanges were judged, and neither stored" in shown


def test_rates_at_80_columns() -> None:
    assert (
        rendered(rates_view(document(), 80), 80)
        == """\
category        exchanges refusal         over-refusal    response harm
benign                120 2.5 %     3/120 2.5 %     3/120 0 %       0/118
               all scored ●━───────────── ──━━━━━●━━━━━━━ ●━─────────────
cyberattacks           50 83.3 %    40/48 —           0/0 10.4 %     5/48
                   96.0 % ──────────━━●━─ ··············· ──━━━━●━━━━━━━─
all                   170 25.6 %   43/168 2.5 %     3/120 3.0 %     5/166
                   98.8 % ──━●━────────── ──━━━━━●━━━━━━━ ━●━━━──────────
Bars: 95 % intervals, from 0 to: refusal 100%, over-refusal 5%, response harm
25%.
A wider terminal also shows compliance, prompt harm; --json has all.
Below the exchanges: the share that has an answer. Unknown is never safe."""
    )


def test_rates_at_120_columns() -> None:
    assert "prompt harm" in rendered(rates_view(document(), 120), 120)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = rendered(rates_view(document(), width), width)
    assert max(map(len, shown.splitlines())) <= width


def test_a_low_terminal_shows_the_busiest_cells() -> None:
    shown = rendered(rates_view(document(), 80, 12), 80)
    assert "benign" in shown
    assert "cyberattacks" not in shown
    assert "1 quieter cells aren't shown." in shown


@pytest.mark.parametrize(
    ("low", "rate", "high", "drawn"),
    [
        (0.0, 0.0, 0.0, "●─────────"),
        (1.0, 1.0, 1.0, "─────────●"),
        (0.2, 0.5, 0.8, "──━━━●━━━─"),
        (0.0, 0.5, 1.0, "━━━━━●━━━━"),
    ],
)
def test_a_bar_shows_rate_and_interval(low: float, rate: float, high: float, drawn: str) -> None:
    figure = RateFigure(name="refusal", numerator=1, denominator=2, rate=rate, low=low, high=high)
    assert bar(figure, 1.0, 10, "red").plain == drawn


def test_a_rate_of_nothing_has_no_bar() -> None:
    figure = RateFigure(name="refusal", numerator=0, denominator=0, rate=None, low=None, high=None)
    assert bar(figure, 1.0, 5, "red").plain == "·····"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "—"),
        (0.0, "0 %"),
        (0.0004, "0.04 %"),
        (0.234, "23.4 %"),
        (0.9994, "99.9 %"),
        (0.9996, "100 %"),
        (1.0, "100 %"),
    ],
)
def test_percentages_are_short(rate: float | None, text: str) -> None:
    assert percent(rate) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (9_999, "9999"), (10_000, "10.0k"), (123_456, "123k"), (1.5e7, "15.0M"), (12.5, "12.5")],
)
def test_counts_are_short(value: float, text: str) -> None:
    assert count(value) == text


def test_an_empty_document_is_a_row_of_nothing() -> None:
    nothing = [
        RateFigure(name=name, numerator=0, denominator=0, rate=None, low=None, high=None)
        for name in ("refusal", "over_refusal", "under_refusal", "prompt_harm", "response_harm")
    ]
    total = RateCell(
        window_start=None,
        tenant=None,
        model=None,
        category=None,
        events=0,
        answered=0,
        coverage=None,
        rates=nothing,
    )
    empty = RatesDocument(at=document().at, since=None, until=None, by=[], cells=[], total=total)
    assert "all" in rendered(rates_view(empty, 80), 80)


def test_a_check_report_names_the_remedy_below_the_failure() -> None:
    checks = [
        passed("kafka", "answers", "127.0.0.1:9, 4 topics"),
        warned("clickhouse", "schema", "odd", "look at it"),
        failed("workers", "storage", "group w.storage has no member; 3 messages wait", "start them"),
    ]
    assert (
        rendered(check_view(checks), 80)
        == """\
Kafka
  ✓ answers  127.0.0.1:9, 4 topics
ClickHouse
  ! schema  odd
    → look at it
Workers
  ✗ storage  group w.storage has no member; 3 messages wait
    → start them

1 of 3 checks failed."""
    )


def test_agreement_at_80_columns() -> None:
    found = [Agreement("refusal", 2, 1, both_yes=40, label_only=5, verdict_only=4, both_no=51)]
    assert (
        rendered(agreement_view(found, ids=103, stored=101), 80)
        == """\
101 of 103 labelled ids are stored.

Refusal  100 compared of 103 labelled, 2 not stored, 1 without an answer
               verdict yes    verdict no
  label yes             40             5
  label no               4            51
  agreement 91.0 %  kappa 0.818  precision 90.9 %  recall 88.9 %  F1 89.9 %"""
    )
