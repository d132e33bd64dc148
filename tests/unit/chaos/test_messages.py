"""The chaos harness's input says of itself what the decoder reads, and holds what it promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from benchmarks.chaos import damage
from benchmarks.chaos.exchanges import exchanges
from benchmarks.chaos.messages import messages
from benchmarks.chaos.packing import Asked, Bad, Message
from monitor.errors import Rejected
from monitor.ingest.decoder import Decoder

DECODER = Decoder(default_tenant="default", max_context_turns=20)
COUNT = 6_000


@pytest.fixture(scope="module")
def sent() -> list[Message]:
    return list(messages(7, COUNT))


def read(message: Message) -> tuple[tuple[Asked, ...], tuple[Bad, ...], int]:
    """What the decoder makes of it, in the input's words."""
    try:
        decoded = DECODER.decode(message.value, message.headers, fallback_id="nameless")
    except Rejected as exc:
        return (), (Bad(-1, str(exc.reason)),), 0
    asked = tuple(
        Asked(
            index,
            "" if e.event_id.startswith("nameless") else e.event_id,
            e.format,
            e.tenant,
            e.model,
            e.occurred_at or message.asked[0].occurred_at + timedelta(days=99),
            e.prompt,
            e.response,
        )
        for index, e in decoded.exchanges
    )
    return asked, tuple(Bad(part.index, str(part.reason)) for part in decoded.rejected), decoded.not_chat


def test_each_message_holds_what_the_input_says_of_it(sent: list[Message]) -> None:
    said = [(message.asked, message.bad, message.not_chat) for message in sent]
    assert [read(message) for message in sent] == said


def test_the_same_seed_gives_the_same_messages_and_another_gives_others(sent: list[Message]) -> None:
    assert list(messages(7, COUNT)) == sent
    assert list(messages(8, COUNT))[:10] != sent[:10]


def test_ids_and_texts_are_distinct_and_only_repeats_bring_an_id_again(sent: list[Message]) -> None:
    first = [asked for message in sent if not message.is_repeat for asked in message.asked]
    named = [asked.event_id for asked in first if asked.event_id]
    assert len(set(named)) == len(named)
    assert len({(asked.prompt, asked.response) for asked in first}) == len(first) >= COUNT
    again = {asked.event_id for message in sent if message.is_repeat for asked in message.asked}
    assert again <= set(named)


def test_the_input_has_repeats_bad_ones_and_times_out_of_order_in_every_format(sent: list[Message]) -> None:
    count = len(sent)
    formats = Counter(asked.format for message in sent for asked in message.asked)
    reasons = {bad.reason for message in sent for bad in message.bad}
    times = [asked.occurred_at for message in sent for asked in message.asked]

    assert set(formats) == {"openai", "litellm", "otel", "watchkeeper"}
    assert 0.015 < sum(message.is_repeat for message in sent) / count < 0.025
    assert 0.006 < sum(bool(message.bad) for message in sent) / count < 0.015
    assert len(reasons) >= 11
    assert any(message.bad and message.asked for message in sent)
    assert sum(later < earlier for earlier, later in pairwise(times)) > len(times) / 4
    assert {message.partition for message in sent} == {0, 1, 2, 3}
    assert any(len(asked.prompt) > 20_000 for message in sent for asked in message.asked)


@pytest.mark.parametrize("length", range(300, 306))
def test_a_message_that_is_cut_off_is_refused_for_that_wherever_it_is_cut(length: int) -> None:
    (one,) = exchanges(1, 1)
    with pytest.raises(Rejected) as refused:
        DECODER.decode(damage._cut(replace(one, answer="€" * length)), (), fallback_id="nameless")
    assert refused.value.reason == "not_json"
