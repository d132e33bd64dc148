"""Every fixture decodes to its expected whole value, in every wrapping it can travel in."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitor.ingest import openai
from monitor.ingest.outcomes import Origin, Outcomes
from tests.unit.ingest.corpus import DECODER, FALLBACK, Fixture, as_json, load, protobuf_of

FIXTURES = load()
PLAIN = [fixture for fixture in FIXTURES if not fixture.name.startswith("cloudevents/")]
PAYLOADS = [fixture for fixture in FIXTURES if protobuf_of(orjson.loads(fixture.value)) is not None]
MIXED_WEEK = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "chatlogs" / "mixed-week.jsonl"
ENVELOPE = {"specversion": "1.0", "id": FALLBACK, "source": "/gateway", "type": "chat"}


def decoded(value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Any:
    return as_json(DECODER.decode(value, headers, fallback_id=FALLBACK))


def expected(fixture: Fixture) -> Any:
    return orjson.loads(fixture.expected.read_bytes())


def paths_aside(result: Any) -> Any:
    """Details tell the place in JSON's or in protobuf's own spelling."""
    return {**result, "rejected": [[part["index"], part["reason"]] for part in result["rejected"]]}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_a_fixture_decodes_to_its_expected_value(fixture: Fixture) -> None:
    assert decoded(fixture.value, fixture.headers) == expected(fixture)


@pytest.mark.parametrize("fixture", PAYLOADS, ids=lambda fixture: fixture.name)
def test_an_otlp_payload_decodes_alike_from_json_and_from_protobuf(fixture: Fixture) -> None:
    protobuf = protobuf_of(orjson.loads(fixture.value))
    if not protobuf:
        pytest.skip("an empty payload is no bytes in protobuf")
    assert paths_aside(decoded(protobuf)) == paths_aside(expected(fixture))


@pytest.mark.parametrize("fixture", PLAIN, ids=lambda fixture: fixture.name)
def test_a_structured_envelope_changes_nothing_but_what_the_log_lacks(fixture: Fixture) -> None:
    value = orjson.dumps({**ENVELOPE, "data": orjson.loads(fixture.value)})
    assert decoded(value) == expected(fixture)


@pytest.mark.parametrize("fixture", PLAIN, ids=lambda fixture: fixture.name)
def test_a_base64_envelope_changes_nothing_but_what_the_log_lacks(fixture: Fixture) -> None:
    value = orjson.dumps({**ENVELOPE, "data_base64": b64encode(fixture.value).decode()})
    assert decoded(value) == expected(fixture)


@pytest.mark.parametrize("fixture", PAYLOADS, ids=lambda fixture: fixture.name)
def test_a_base64_envelope_may_hold_protobuf(fixture: Fixture) -> None:
    protobuf = protobuf_of(orjson.loads(fixture.value))
    if not protobuf:
        pytest.skip("an empty payload is no bytes in protobuf")
    value = orjson.dumps({**ENVELOPE, "data_base64": b64encode(protobuf).decode()})
    assert paths_aside(decoded(value)) == paths_aside(expected(fixture))


@pytest.mark.parametrize("fixture", PLAIN, ids=lambda fixture: fixture.name)
def test_a_binary_envelope_changes_nothing_but_what_the_log_lacks(fixture: Fixture) -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", FALLBACK.encode()),
        ("content-type", b"application/json"),
    )
    assert decoded(fixture.value, headers) == expected(fixture)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_decoding_twice_gives_the_same_ids_and_indexes(fixture: Fixture) -> None:
    assert decoded(fixture.value, fixture.headers) == decoded(fixture.value, fixture.headers)


def by_the_general_way(value: bytes) -> Any:
    origin = Origin(FALLBACK, False, None, DECODER.default_tenant, DECODER.max_context_turns)
    out = Outcomes()
    openai.read(orjson.loads(value), origin, out)
    out.name_anonymous(origin, (0, 0))
    return out.exchanges


@pytest.mark.parametrize(
    "fixture", [f for f in FIXTURES if f.name.startswith("openai/")], ids=lambda fixture: fixture.name
)
def test_the_short_way_gives_what_the_general_way_gives(fixture: Fixture) -> None:
    exchanges = DECODER.decode(fixture.value, (), fallback_id=FALLBACK).exchanges
    assert list(exchanges) == by_the_general_way(fixture.value)


@pytest.mark.skipif(not MIXED_WEEK.exists(), reason="the shared data is not beside this checkout")
def test_every_line_of_the_mixed_week_is_one_exchange_either_way() -> None:
    lines = MIXED_WEEK.read_bytes().splitlines()
    for line in lines:
        result = DECODER.decode(line, (), fallback_id=FALLBACK)
        record = orjson.loads(line)
        assert list(result.exchanges) == by_the_general_way(line)
        assert (result.rejected, result.not_chat, result.exchanges[0][1].event_id) == ((), 0, record["id"])
        assert result.exchanges[0][1].prompt == record["request"]["messages"][-1]["content"]
        assert result.exchanges[0][1].response == record["response"]["choices"][0]["message"]["content"]
    assert len(lines) == 6000
