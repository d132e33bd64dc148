"""No input raises anything but Rejected, none is lost, and every exchange can be written and read again."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import orjson
from google.protobuf import json_format
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.errors import Rejected
from monitor.ingest import openai, openai_plain
from monitor.ingest.decoder import Decoded
from monitor.ingest.outcomes import Origin, Outcomes
from monitor.ingest.reasons import Reason
from schemas.events import Exchange
from tests.unit.ingest.corpus import DECODER, FALLBACK, load, protobuf_of

DOCUMENTS = [orjson.loads(fixture.value) for fixture in load()]
BYTES = [fixture.value for fixture in load()] + [
    protobuf for document in DOCUMENTS if (protobuf := protobuf_of(document)) is not None
]
OPENAI = [document for document in DOCUMENTS if isinstance(document, dict) and "request" in document]
KEYS = sorted({key for document in DOCUMENTS for key in (document if isinstance(document, dict) else {})})
EXCHANGES = msgspec.json.Decoder(Exchange)

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)
headers = st.lists(
    st.tuples(
        st.sampled_from(["ce_id", "ce_time", "content-type", "Content-Type", "x"]), st.binary(max_size=40)
    ),
    max_size=3,
)


def attempt(value: bytes | None, carried: list[tuple[str, bytes]]) -> Decoded | Rejected:
    try:
        return DECODER.decode(value, carried, fallback_id=FALLBACK)
    except Rejected as fault:
        return fault


def check(value: bytes | None, carried: list[tuple[str, bytes]]) -> None:
    decoded = attempt(value, carried)
    if isinstance(decoded, Rejected):
        assert isinstance(decoded.reason, Reason)
        assert decoded.reason != Reason.DECODER_FAULT, repr(decoded.__cause__)
        return
    indexes = [index for index, _ in decoded.exchanges] + [part.index for part in decoded.rejected]
    assert sorted(indexes) == list(range(len(indexes)))
    assert len(indexes) + decoded.not_chat >= 1
    assert all(part.reason != Reason.DECODER_FAULT for part in decoded.rejected)
    for _, exchange in decoded.exchanges:
        assert exchange.event_id
        assert EXCHANGES.decode(msgspec.json.encode(exchange)) == exchange


@given(st.none() | st.binary() | st.binary().map(lambda tail: b"\n" + tail), headers)
@example(b"\n", [])
def test_any_bytes_are_exchanges_or_a_reason(value: bytes | None, carried: list[tuple[str, bytes]]) -> None:
    check(value, carried)


@given(any_json, headers)
def test_any_json_is_exchanges_or_a_reason(value: Any, carried: list[tuple[str, bytes]]) -> None:
    check(orjson.dumps(value), carried)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        found += [(value, key) for key in value]
    elif isinstance(value, list):
        found += [(value, index) for index in range(len(value))]
    return found + [deeper for container, key in found for deeper in places(container[key])]


def mutate(document: Any, other: Any, rng: random.Random) -> Any:
    """Replace, delete, duplicate or move a random node of a document, with pieces of another."""
    root = [orjson.loads(orjson.dumps(document))]
    donors = places([other])
    for _ in range(rng.randint(1, 4)):
        container, key = rng.choice(places(root))
        kind = rng.randrange(5)
        if kind == 0 and container is not root:
            del container[key]
        elif kind == 1 and isinstance(container, list):
            container.insert(key, orjson.loads(orjson.dumps(container[key])))
        elif kind == 2:
            donor, place = rng.choice(donors)
            container[key] = orjson.loads(orjson.dumps(donor[place]))
        elif kind == 3:
            container[key] = [container[key]]
        else:
            container[key] = rng.choice([None, True, 0, -1, 1.5, "", "x", "{", "[]", [], {}, 2**63, "\x00"])
    return root[0]


@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(DOCUMENTS), st.sampled_from(DOCUMENTS), st.integers(0, 2**32), headers)
def test_any_mutation_of_a_real_message_is_exchanges_or_a_reason(
    document: Any, other: Any, seed: int, carried: list[tuple[str, bytes]]
) -> None:
    mutated = mutate(document, other, random.Random(seed))
    check(orjson.dumps(mutated), carried)
    if isinstance(mutated, dict):
        try:
            protobuf = protobuf_of(mutated)
        except (json_format.ParseError, ValueError, TypeError, AttributeError):
            return  # what the mutation made has no protobuf form
        check(protobuf, carried)


def short(document: dict[str, Any]) -> Any:
    exchange = openai_plain.read(orjson.dumps(document), DECODER.default_tenant, max_context_turns=2)
    return [(0, exchange)] if exchange is not None else None


def general(document: dict[str, Any]) -> Any:
    out = Outcomes()
    try:
        openai.read(document, Origin(FALLBACK, False, None, DECODER.default_tenant, 2), out)
    except Rejected as fault:
        return fault.reason, fault.detail
    return out.exchanges


def test_the_short_way_leaves_bytes_that_are_no_text_to_the_general_way_wherever_they_stand() -> None:
    record = (
        b'{"id": "a", "created": 1741000000, "model": "m", "request": {"messages": [{"role": "user", "content": "hi"}], '
        b'"stop": "%s"}, "response": {"choices": [{"message": {"role": "assistant", "content": "ho"}, "finish_reason": '
        b'"stop"}]}}'
    )
    assert openai_plain.read(record % b"end", "t", max_context_turns=2) is not None
    assert openai_plain.read(record % b"\xff", "t", max_context_turns=2) is None


def test_the_short_way_is_taken_by_real_records() -> None:
    ways = [short(document) for document in OPENAI if "request" in document]
    assert any(way is not None for way in ways)


@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(OPENAI), st.sampled_from(OPENAI), st.integers(0, 2**32))
def test_the_short_way_gives_what_the_general_way_gives_or_leaves_it_to_it(
    document: Any, other: Any, seed: int
) -> None:
    mutated = mutate(document, other, random.Random(seed))
    if isinstance(mutated, dict) and "request" in mutated:
        assert short(mutated) in (None, general(mutated))


@settings(deadline=None)
@given(st.sampled_from(BYTES), st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3)), max_size=5))
def test_any_damage_to_the_bytes_is_exchanges_or_a_reason(
    value: bytes, damage: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(value)
    for place, piece in damage:
        damaged[place % (len(damaged) + 1) : place % (len(damaged) + 1) + 1] = piece
    check(bytes(damaged), [])
