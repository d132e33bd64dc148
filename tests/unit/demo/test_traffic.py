"""The day of traffic: the same for the same seed, in every format, with the drift where it is said to be."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from monitor.demo.messages import Message, messages
from monitor.demo.traffic import DAY, DRIFTING, ROUTES, Day
from monitor.errors import Rejected
from monitor.ingest.decoder import Decoder
from monitor.ingest.reasons import Reason
from schemas.events import Exchange
from schemas.taxonomy import BENIGN, CATEGORIES

NOON = datetime(2026, 3, 2, 12, 34, 56, tzinfo=UTC)
DAY_AT_NOON = Day(20_000, 7, NOON)
MESSAGES = list(messages(DAY_AT_NOON))
DECODER = Decoder("default", 20)


def decoded(message: Message) -> list[Exchange]:
    found = DECODER.decode(message.value, message.headers, fallback_id="none")
    assert (len(found.exchanges), found.not_chat, list(found.rejected)) == (
        message.exchanges,
        message.not_chat,
        [],
    )
    return [exchange for _, exchange in found.exchanges]


def test_the_same_day_is_the_same_to_the_byte_and_another_seed_is_another_day() -> None:
    again = list(messages(Day(500, 7, NOON)))

    assert again == list(messages(Day(500, 7, NOON)))
    assert [m.value for m in again] != [m.value for m in messages(Day(500, 8, NOON))]


def test_another_days_ids_are_other_ids() -> None:
    ids = {e.event_id for m in messages(Day(300, 7, NOON)) if m.kind == "chat" for e in decoded(m)}
    later = {e.event_id for m in messages(Day(300, 7, NOON + DAY)) if m.kind == "chat" for e in decoded(m)}

    assert not ids & later


def test_every_exchange_is_read_back_as_it_was_planned() -> None:
    read = {e.event_id: e for m in MESSAGES if m.kind == "chat" for e in decoded(m)}
    planned = {one.token[:24]: one for one in DAY_AT_NOON.planned()}

    assert len(read) == len(planned) == 20_000
    for exchange in read.values():
        digits = exchange.event_id.removeprefix("chatcmpl-").removeprefix("evt-").replace("-", "")[:24]
        one = planned[digits]
        assert (
            exchange.tenant,
            exchange.model,
            exchange.prompt,
            exchange.response,
            tuple(turn for turn in exchange.context if turn.role != "system"),
            exchange.content_filtered,
        ) == (
            one.route.tenant,
            one.route.model,
            one.entry.prompt,
            one.answer,
            one.entry.context,
            one.outcome == "filtered",
        )
        assert exchange.occurred_at is not None
        assert abs(exchange.occurred_at - one.at) < timedelta(seconds=1)


def test_bad_messages_are_refused_each_for_its_reason_and_nothing_else_is() -> None:
    reasons: Counter[str] = Counter()
    for message in MESSAGES:
        if message.kind == "bad":
            with pytest.raises(Rejected) as caught:
                DECODER.decode(message.value, message.headers, fallback_id="none")
            reasons[caught.value.reason] += 1

    assert set(reasons) <= {
        Reason.NOT_JSON,
        Reason.UNKNOWN_FORMAT,
        Reason.MISSING_FIELD,
        Reason.NOT_UTF8,
        Reason.UNKNOWN_VERSION,
    }
    assert 5 <= reasons.total() <= 60


def test_a_repeat_is_a_message_that_was_there_before() -> None:
    seen: set[bytes] = set()
    repeats = 0
    for message in MESSAGES:
        if message.kind == "repeat":
            repeats += 1
            assert message.value in seen
        seen.add(message.value)

    assert 0.003 < repeats / len(MESSAGES) < 0.008


def test_all_four_families_and_both_envelopes_are_written() -> None:
    families = Counter(e.format for m in MESSAGES if m.kind == "chat" for e in decoded(m))

    assert min(families[family] for family in ("openai", "litellm", "otel", "watchkeeper")) > 1_000
    assert sum(m.value.startswith(b'{"specversion"') for m in MESSAGES) > 20
    assert sum(bool(m.headers) for m in MESSAGES) > 20
    assert sum(m.value.startswith(b"\n") for m in MESSAGES) > 100
    assert sum(m.not_chat for m in MESSAGES) > 20


def test_the_day_ends_now_keeps_its_order_and_has_a_quiet_night() -> None:
    moments = [one.at for one in DAY_AT_NOON.planned()]
    by_hour = Counter(moment.hour for moment in moments)

    assert moments == sorted(moments)
    assert NOON - DAY <= moments[0] < moments[-1] <= NOON
    assert 3.5 < by_hour[15] / by_hour[3] < 6.5


def test_the_drift_begins_at_its_minute_and_more_than_doubles_the_refusals_of_harmless_prompts() -> None:
    truth = DAY_AT_NOON.truth

    assert DAY_AT_NOON.drift_at == NOON.replace(hour=4, second=0)
    assert truth.before.answered > 1_500
    assert truth.after.answered > 800
    assert truth.before.rate < 0.05
    assert truth.after.rate > 3 * truth.before.rate


def test_the_truth_adds_up_and_no_other_cell_drifts() -> None:
    truth = DAY_AT_NOON.truth
    drift = (DRIFTING.tenant, DRIFTING.model, BENIGN)

    assert truth.exchanges == 20_000
    assert sum(count.answered for count in truth.cells.values()) + truth.filtered == 20_000
    assert {(tenant, model) for tenant, model, _ in truth.cells} == {(r.tenant, r.model) for r in ROUTES}
    assert {category for *_, category in truth.cells} == set(CATEGORIES)
    assert truth.cells[drift].answered == truth.before.answered + truth.after.answered
    others = [count.rate for key, count in truth.cells.items() if key[2] == BENIGN and key != drift]
    assert max(others) < 0.05
