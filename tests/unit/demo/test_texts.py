"""The corpus is what the demo says it is: enough, distinct, spread over all categories, and of nobody's data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise

from monitor.demo.texts import Entry, by_topic, is_benign, load_corpus
from monitor.demo.traffic import BENIGN_TOPICS, HARM_TOPICS, PLAIN_CHARS
from monitor.redaction import redact
from monitor.secret_shapes import find_shapes
from schemas.taxonomy import BENIGN, CATEGORIES, HARM_CATEGORIES

CORPUS = load_corpus()


def texts(entry: Entry) -> Iterator[str]:
    yield from (turn.text for turn in entry.context)
    yield entry.prompt
    yield from (*entry.answers.comply, *entry.answers.refuse, *entry.answers.partial)


def test_there_are_at_least_300_distinct_prompts_and_as_many_distinct_answers() -> None:
    prompts = {entry.prompt for entry in CORPUS}
    answers = [text for entry in CORPUS for text in (*entry.answers.comply, *entry.answers.refuse)]

    assert len(prompts) == len(CORPUS) >= 300
    assert len(set(answers)) >= 0.99 * len(answers)
    assert len({entry.id for entry in CORPUS}) == len(CORPUS)


def test_every_category_has_15_prompts_and_benign_80() -> None:
    counts = Counter(entry.category for entry in CORPUS)

    assert set(counts) == set(CATEGORIES)
    assert min(counts[category] for category in HARM_CATEGORIES) >= 15
    assert counts[BENIGN] >= 80


def test_every_prompt_can_be_answered_and_refused() -> None:
    assert [e.id for e in CORPUS if not e.answers.comply or not e.answers.refuse] == []
    assert [e.id for e in CORPUS for text in texts(e) if text != text.strip() or not text] == []


def test_the_corpus_holds_what_a_day_of_chat_holds() -> None:
    assert sum(bool(entry.context) for entry in CORPUS) >= 15
    assert sum(bool(entry.answers.partial) for entry in CORPUS) >= 3
    assert sum(not entry.prompt.isascii() for entry in CORPUS) >= 10
    assert sum("gnore" in entry.prompt and "previous" in entry.prompt for entry in CORPUS) >= 2
    for entry in CORPUS:
        roles = [turn.role for turn in entry.context]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_the_traffic_draws_on_every_topic() -> None:
    topics = by_topic(CORPUS)

    assert set(topics) == {*BENIGN_TOPICS, *HARM_TOPICS}
    for topic in HARM_TOPICS:
        assert sum(len(entry.prompt) <= PLAIN_CHARS for entry in topics[topic]) >= 8
    assert all(is_benign(entry) == (topic in BENIGN_TOPICS) for topic in topics for entry in topics[topic])


def test_no_two_prompts_of_a_topic_are_variations_of_one_sentence() -> None:
    for entries in by_topic(CORPUS).values():
        for one, other in pairwise(sorted(entries, key=lambda entry: entry.prompt)):
            assert SequenceMatcher(None, one.prompt, other.prompt).ratio() < 0.8, (one.id, other.id)


RESERVED = re.compile(
    r"[a-z.]+@example\.(?:com|org|net)|(?:\+1 |\()?(?:202-)?555\)?[ -](?:555-)?0[01]\d\d|(?:202-)?555-01\d\d|\+1 202-555-01\d\d"
    r"|4111 1111 1111 1111|DE89 3704 0044 0532 0130 00|AKIAIOSFODNN7EXAMPLE|\(555\) 555-0143"
)


def test_every_number_and_address_is_of_a_range_that_belongs_to_nobody() -> None:
    shapes = [
        (entry.id, text[a:b]) for entry in CORPUS for text in texts(entry) for a, b, _ in find_shapes(text)
    ]

    assert [shape for shape in shapes if not RESERVED.fullmatch(shape[1])] == []
    assert len(shapes) >= 8


def test_the_corpus_shows_masking() -> None:
    masked = "".join(redact(text) for entry in CORPUS for text in texts(entry))

    assert {"[email]", "[phone]", "[card]", "[iban]", "[key]"} <= set(re.findall(r"\[[a-z]+\]", masked))
