"""OpenTelemetry's own troubles: strings that aren't UTF-8, unknown times, ids in other spellings, no content."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Rejected
from monitor.ingest import otlp_frame
from schemas.events import Turn
from tests.unit.ingest.corpus import DECODER, FALLBACK, ROOT, as_json, protobuf_of

TRACES = orjson.loads((ROOT / "otel/otlp_traces.json").read_bytes())
MESSAGES = orjson.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]).decode()


def span(**fields: Any) -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": MESSAGES}
    return {"traceId": "a" * 32, "spanId": "b" * 16, "attributes": attributes, **fields}


def decoded(doc: dict[str, Any] | bytes) -> Any:
    value = doc if isinstance(doc, bytes) else orjson.dumps(doc)
    return as_json(DECODER.decode(value, (), fallback_id=FALLBACK))


def test_a_span_with_a_string_that_is_not_utf8_goes_alone() -> None:
    whole = protobuf_of(TRACES)
    assert whole is not None
    cut = whole.replace("rainy, 57°F".encode(), "rainy, 57°F".encode()[:-2] + b"FF", 1)
    assert cut != whole
    before, after = decoded(whole), decoded(cut)
    assert after["exchanges"] == before["exchanges"][1:]
    assert after["not_chat"] == before["not_chat"]
    assert after["rejected"][0] == {
        "index": 0,
        "reason": "bad_protobuf",
        "detail": "resource_spans[0].scope_spans[0].spans[1]: not a span, or a string in it is not UTF-8",
    }
    assert after["rejected"][1:] == before["rejected"]


def test_a_payload_cut_short_is_refused_whole() -> None:
    whole = protobuf_of(TRACES)
    assert whole is not None
    with pytest.raises(Rejected) as caught:
        decoded(whole[:-10])
    assert str(caught.value) == "bad_protobuf: neither JSON nor an OTLP payload of traces or logs"


@given(st.binary())
def test_taking_bytes_apart_ends_in_spans_or_a_value_error(value: bytes) -> None:
    try:
        found = list(otlp_frame.spans(value))
    except ValueError:
        return
    assert sum(len(raw) for _, _, raw in found) <= len(value)


@pytest.mark.parametrize("start", [0, "0", None, ""])
def test_an_unknown_start_is_no_time(start: Any) -> None:
    assert decoded(span(startTimeUnixNano=start))["exchanges"][0][1]["occurred_at"] is None


@pytest.mark.parametrize(
    ("trace_id", "span_id", "event_id"),
    [
        ("a" * 32, "b" * 16, f"{'a' * 32}-{'b' * 16}"),
        ("A" * 32, "B" * 16, f"{'a' * 32}-{'b' * 16}"),
        ("0x" + "a" * 32, "0x" + "b" * 16, f"{'a' * 32}-{'b' * 16}"),
        ("0" * 32, "b" * 16, FALLBACK),
        ("a" * 32, "", FALLBACK),
        (None, None, FALLBACK),
        (5, [], FALLBACK),
        ("x" * 300, "b" * 16, "sha256:"),
    ],
)
def test_the_event_id_is_of_trace_and_span(trace_id: Any, span_id: Any, event_id: str) -> None:
    found = decoded(
        {"resourceSpans": [{"scopeSpans": [{"spans": [span(traceId=trace_id, spanId=span_id)]}]}]}
    )
    assert found["exchanges"][0][1]["event_id"].startswith(event_id)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "embeddings", "gen_ai.input.messages": MESSAGES},
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": MESSAGES},
        {"gen_ai.evaluation.name": "relevance"},
        {"http.request.method": "GET"},
        {},
    ],
)
def test_what_is_no_chat_is_counted_as_such(attributes: dict[str, Any]) -> None:
    found = decoded(span(attributes=attributes))
    assert (found["exchanges"], found["rejected"], found["not_chat"]) == ([], [], 1)


def test_a_chat_span_without_content_says_what_to_turn_on() -> None:
    with pytest.raises(Rejected) as caught:
        decoded(span(attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}))
    assert str(caught.value) == (
        "no_content: gen_ai.input.messages: absent; turn on content capture in the instrumentation"
    )


@pytest.mark.parametrize("text", ['{"place": "Rome"}', '["a", "b"]', "[1, 2", '{"content": "x"}', "[]"])
def test_a_text_that_looks_like_json_is_judged_as_it_is(text: str) -> None:
    attributes = {"gen_ai.prompt": text, "gen_ai.completion": text}
    exchange = decoded(span(attributes=attributes))["exchanges"][0][1]
    assert (exchange["prompt"], exchange["response"]) == (text, text)


def test_words_hidden_beside_a_part_stay_in_sight() -> None:
    hidden = '[{"type": "image", "image_url": "x", "note": "words that the model sees"}]'
    attributes = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": hidden}
    assert decoded(span(attributes=attributes))["exchanges"][0][1]["prompt"] == hidden


def test_a_user_message_of_tool_results_alone_is_no_user_turn() -> None:
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "w", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "rain"}]}]},
    ]
    value = orjson.dumps({"call_type": "anthropic_messages", "messages": messages, "response": "It rains."})
    exchange = DECODER.decode(value, (), fallback_id=FALLBACK).exchanges[0][1]
    assert (exchange.prompt, exchange.context) == (
        "Weather?",
        (Turn("assistant", ""), Turn("tool", "rain")),
    )


def test_a_failed_call_with_a_prefilled_answer_has_no_answer() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Sure,"}]
    value = orjson.dumps({"messages": messages, "response": None})
    exchange = DECODER.decode(value, (), fallback_id=FALLBACK).exchanges[0][1]
    assert (exchange.prompt, exchange.response, exchange.context) == (
        "Hi",
        None,
        (Turn("assistant", "Sure,"),),
    )


@pytest.mark.parametrize("empty", [b"\x0a\x00", b"\x0a\x02\x12\x00", b"\x0a\x04\x12\x02\x12\x00"])
def test_a_payload_of_millions_of_empty_messages_is_refused_before_protobuf_sees_it(empty: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        decoded(empty * 1_000_000)
    assert str(caught.value) == "too_many: more than 100000 spans, scopes and resources in one payload"


def test_a_payload_of_a_resource_alone_is_one_record_without_chat() -> None:
    found = decoded(b"\x0a\x02\x0a\x00")
    assert (found["exchanges"], found["rejected"], found["not_chat"]) == ([], [], 1)
