"""What happens to every kind of bad input: a reason, or a stated repair. Nothing else, and no text of it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest

from monitor.errors import Rejected
from monitor.ingest.decoder import Decoded
from monitor.ingest.outcomes import MAX_PARTS
from schemas.events import Exchange, Turn
from tests.unit.ingest.corpus import DECODER, FALLBACK

USER = {"role": "user", "content": "Hello"}
ANSWER = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}]
}
SECRET = "my-password-is-hunter2"


def decode(value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> Decoded:
    return DECODER.decode(value, headers, fallback_id=FALLBACK)


def record(**fields: Any) -> dict[str, Any]:
    return {"id": "r-1", "model": "m", "request": {"messages": [USER]}, "response": ANSWER, **fields}


def only(value: bytes | dict[str, Any]) -> Exchange:
    result = decode(value if isinstance(value, bytes) else orjson.dumps(value))
    assert (len(result.exchanges), result.rejected, result.not_chat) == (1, result.rejected[:0], 0)
    return result.exchanges[0][1]


def refused(value: bytes | dict[str, Any] | None) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        decode(orjson.dumps(value) if isinstance(value, dict) else value)
    return str(caught.value.reason), caught.value.detail


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (None, "tombstone", "the record has no value"),
        (b"", "empty", "no bytes but white space"),
        (b" \n\t ", "empty", "no bytes but white space"),
        (b"[]", "empty", "an empty list"),
        (b"\xff\xfe{\x00}\x00", "not_utf8", "the bytes look like UTF-16 or UTF-32; write UTF-8"),
        ("{}".encode("utf-32-be"), "not_utf8", "the bytes look like UTF-16 or UTF-32; write UTF-8"),
        ("{}".encode("utf-16-le"), "not_utf8", "the bytes look like UTF-16 or UTF-32; write UTF-8"),
        (b'{"id": "\xff"}', "not_utf8", "not UTF-8 at byte 8"),
        (b'{"id": "\xed\xa0\xbd"}', "not_utf8", "not UTF-8 at byte 8"),
        (b"\x80\x81\x82", "not_utf8", "not UTF-8 at byte 0"),
        (b"hello", "not_json", "not JSON at line 1, column 1"),
        (b'{"id": "cut', "not_json", "not JSON at line 1, column 12"),
        (b'{"created": NaN}', "not_json", "not JSON at line 1, column 13"),
        (b'{"created": 1e999}', "not_json", "not JSON at line 1, column 13"),
        (b"[" * 100_000, "too_deep", "nested too deep at character 1025"),
        (b'"text"', "not_an_object", "expected an object or a list of objects, found a string"),
        (b"12", "not_an_object", "expected an object or a list of objects, found a number"),
        (b"null", "not_an_object", "expected an object or a list of objects, found null"),
        (b"{}", "unknown_format", "no key of the four families; docs/formats.md lists them"),
        (b'{"hello": 1}', "unknown_format", "no key of the four families; docs/formats.md lists them"),
        (b"\n\x05hello", "bad_protobuf", "neither JSON nor an OTLP payload of traces or logs"),
        (b"\n{", "not_json", "not JSON at line 2, column 2"),
        (b"[1,2", "not_json", "not JSON at line 1, column 5"),
    ],
)
def test_an_unusable_message_is_refused_with_its_reason(
    value: bytes | None, reason: str, detail: str
) -> None:
    assert refused(value) == (reason, detail)


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"request": 5}, "wrong_type", "request: expected an object, found a number"),
        ({"request": None, "response": None}, "missing_field", "request: expected an object with messages (batch results need their input lines joined), found nothing"),
        ({"request": {}}, "missing_field", "request.messages: expected a list of messages, found nothing"),
        ({"request": {"messages": 5}}, "wrong_type", "request.messages: expected a list, found a number"),
        ({"request": {"messages": []}}, "no_user_turn", "request.messages: no message has role user"),
        ({"request": {"messages": [5]}}, "wrong_type", "request.messages[0]: expected an object, found a number"),
        ({"request": {"messages": [{"content": "x"}]}}, "missing_field", "request.messages[0].role: expected a string, found nothing"),
        ({"request": {"messages": [{"role": ["user"], "content": "x"}]}}, "wrong_type", "request.messages[0].role: expected a string, found a list"),
        ({"request": {"messages": [{"role": "user"}]}}, "missing_field", "request.messages[0].content: expected a string or a list of parts, found nothing"),
        ({"request": {"messages": [{"role": "user", "content": 1}]}}, "wrong_type", "request.messages[0].content: expected a string or a list of parts, found a number"),
        ({"request": {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}}, "wrong_type", "request.messages[0].content[0].text: expected a string, found a number"),
        ({"request": {"messages": [{"role": "user", "content": [{"type": {}}]}]}}, "wrong_type", "request.messages[0].content[0].type: expected a string, found an object"),
        ({"request": {"messages": [{"role": "user", "content": [[]]}]}}, "wrong_type", "request.messages[0].content[0]: expected a string or an object, found a list"),
        ({"response": 5}, "wrong_type", "response: expected an object, a list of chunks or a string, found a number"),
        ({"response": {"choices": {}}}, "wrong_type", "response.choices: expected a list, found an object"),
        ({"response": {"choices": [5]}}, "wrong_type", "response.choices[0]: expected an object, found a number"),
        ({"response": {"choices": [{}]}}, "missing_field", "response.choices[0].message: expected an object, found nothing"),
        ({"response": {"choices": [{"message": []}]}}, "wrong_type", "response.choices[0].message: expected an object, found a list"),
        ({"response": {"choices": [{"message": {"content": None, "refusal": 1}}]}}, "wrong_type", "response.choices[0].message.refusal: expected a string, found a number"),
        ({"response": {"choices": [{"message": {"content": None, "tool_calls": "x"}}]}}, "wrong_type", "response.choices[0].message.tool_calls: expected a list, found a string"),
        ({"response": {"id": "x"}}, "missing_field", "response.choices: expected a list, found nothing"),
        ({"response": [{"choices": [{"delta": {"content": 1}}]}]}, "wrong_type", "response[0].choices[0].delta.content: expected a string, found a number"),
    ],
)  # fmt: skip
def test_a_missing_or_mistyped_field_is_told_by_its_place(
    fields: dict[str, Any], reason: str, detail: str
) -> None:
    assert refused(record(**fields)) == (reason, detail)


@pytest.mark.parametrize(
    "value",
    [
        b"\xff" + SECRET.encode(),
        SECRET.encode(),
        orjson.dumps({SECRET: SECRET}),
        orjson.dumps(SECRET),
        orjson.dumps(record(request={"messages": [{"role": {SECRET: 1}, "content": SECRET}]})),
        orjson.dumps(record(request={"messages": [{"role": SECRET, "content": SECRET}]})),
        orjson.dumps(record(response={SECRET: SECRET})),
        orjson.dumps({"schema": "watchkeeper.chat/1", "prompt": SECRET, SECRET: SECRET}),
        orjson.dumps({"schema": "watchkeeper.chat/1", "messages": [{"role": SECRET, "content": SECRET}]}),
        orjson.dumps({"schema": f"watchkeeper.chat/{SECRET}", "prompt": SECRET}),
        orjson.dumps({"specversion": SECRET, "data": SECRET}),
        orjson.dumps({"specversion": "1.0", "data_base64": SECRET}),
        orjson.dumps({"specversion": "1.0", "data": SECRET}),
        b"\n\x16" + SECRET.encode(),
    ],
)
def test_a_refusal_never_quotes_the_input(value: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        decode(value)
    assert SECRET not in f"{caught.value} {caught.value.reason} {caught.value.detail}"


def test_ten_megabytes_decode() -> None:
    text = "ä " * 5_000_000
    exchange = only(record(request={"messages": [{"role": "user", "content": text}]}))
    assert exchange.prompt == text


def test_ten_megabytes_of_escapes_with_a_lone_surrogate_decode() -> None:
    value = orjson.dumps(record(response=None)).replace(b"Hello", rb"\n" * 5_000_000 + rb"\ud83d")
    assert only(value).prompt == "\n" * 5_000_000 + "\ufffd"


def test_millions_of_empty_exchanges_are_refused_instead_of_held_in_memory() -> None:
    reason, detail = refused(b"[" + b"1," * 3_000_000 + b"1]")
    assert (reason, detail) == ("too_many", f"more than {MAX_PARTS} exchanges in one message")


def test_millions_of_choices_are_refused_instead_of_held_in_memory() -> None:
    reason, detail = refused(record(response={"choices": [{}] * (MAX_PARTS + 1)}))
    assert (reason, detail) == ("too_many", f"response.choices: more than {MAX_PARTS}")


def test_a_byte_order_mark_is_skipped() -> None:
    assert only(b"\xef\xbb\xbf" + orjson.dumps(record())).prompt == "Hello"


def test_white_space_around_the_document_is_skipped() -> None:
    assert only(b"\n\r\t " + orjson.dumps(record()) + b"\n").prompt == "Hello"


def test_of_duplicate_keys_the_last_one_counts() -> None:
    value = (
        b'{"model": "a", "messages": [], "messages": [{"role": "user", "content": "Hello"}], "model": "b"}'
    )
    exchange = only(value)
    assert (exchange.model, exchange.prompt) == ("b", "Hello")


def test_a_number_beyond_64_bits_is_no_id() -> None:
    assert only(
        b'{"id": 123456789012345678901234567890, "messages": [{"role": "user", "content": ""}]}'
    ).event_id == (FALLBACK)


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\ude00", "\ufffd"),
        (rb"\ud83d\ude00", "😀"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
        (rb"\ud83d\ude00\ude00", "😀\ufffd"),
        (rb"\\ud83d", "\\ud83d"),
        (rb"\\\ud83d", "\\\ufffd"),
        (rb"\ud83d\\\ude00", "\ufffd\\\ufffd"),
        (rb"\uD83Dx\uDE00", "\ufffdx\ufffd"),
    ],
)
def test_a_lone_surrogate_becomes_the_replacement_character(escaped: bytes, text: str) -> None:
    # The second message holds a lone one in any case, so that the repair has to run.
    value = orjson.dumps(record(response=None)).replace(b"Hello", escaped + rb" \ud800")
    assert only(value).prompt == f"{text} \ufffd"


@pytest.mark.parametrize(
    "text",
    [
        "nul \x00 and controls \x01\x1f\x7f\x9f",
        "zero\u200bwidth \u200d\u2060\ufeff",
        "bidi \u202eevil\u202c \u2066x\u2069 \u061c",
        "combining e\u0301\u0301\u0301 and Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
        "noncharacters \ufffe \U0010ffff, private \ue000, unassigned \U000e0fff, tags \U000e0041",
        "emoji 👩‍👩‍👧‍👦 🇩🇪 and 漢字 العربية עברית",
        "",
        " ",
        "\r\n\u2028\u2029",
    ],
)
def test_unicode_of_every_kind_is_kept_as_it_is(text: str) -> None:
    exchange = only(
        record(
            request={"messages": [{"role": "system", "content": text}, {"role": "user", "content": text}]},
            response={"choices": [{"message": {"content": text}, "finish_reason": "stop"}]},
        )
    )
    assert (exchange.prompt, exchange.response, exchange.context) == (text, text, (Turn("system", text),))


@pytest.mark.parametrize(
    ("source", "event_id"),
    [
        ("plain-id", "plain-id"),
        ("Ünïcode 漢字 id", "Ünïcode 漢字 id"),
        ("'; DROP TABLE verdicts; --", "'; DROP TABLE verdicts; --"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("x" * 256, "x" * 256),
        ("x" * 257, f"sha256:{sha256(b'x' * 257).hexdigest()}"),
        ("a\x00b", f"sha256:{sha256(b'a' + bytes(1) + b'b').hexdigest()}"),
        (0, "0"),
        (-7, "-7"),
        (18446744073709551615, "18446744073709551615"),
        ("", FALLBACK),
        (None, FALLBACK),
        (True, FALLBACK),
        (1.5, FALLBACK),
        ([1], FALLBACK),
        ({"a": 1}, FALLBACK),
    ],
)
def test_an_id_of_any_shape_becomes_a_stable_event_id(source: Any, event_id: str) -> None:
    assert only(record(id=source)).event_id == event_id


@pytest.mark.parametrize("mark", ["\n", "\t", "\x7f", "\x85", "\u200b", "\u202e", "\ufeff", "\u2028", "\xad"])
def test_an_id_or_name_with_unseen_characters_is_replaced_by_its_hash(mark: str) -> None:
    exchange = only(record(id=f"a{mark}b", model=f"m{mark}", tenant=f"t{mark}", conversation_id=f"c{mark}"))
    for name in (exchange.event_id, exchange.model, exchange.tenant, exchange.conversation_id):
        assert name.startswith("sha256:")
        assert len(name) == 71


def test_long_names_are_replaced_by_their_hash() -> None:
    kept = only(record(model="m" * 200, tenant="t" * 200, conversation_id="c" * 200))
    assert (kept.model, kept.tenant, kept.conversation_id) == ("m" * 200, "t" * 200, "c" * 200)
    hashed = only(record(model="m" * 201, tenant="t" * 201, conversation_id="c" * 201))
    assert [name[:7] for name in (hashed.model, hashed.tenant, hashed.conversation_id)] == ["sha256:"] * 3


@pytest.mark.parametrize("name", [None, "", [], {}, True, 1.5])
def test_an_unusable_name_counts_as_absent(name: Any) -> None:
    exchange = only(record(model=name, tenant=name, conversation_id=name))
    assert (exchange.model, exchange.tenant, exchange.conversation_id) == ("unknown", "default", "")


@pytest.mark.parametrize(
    ("created", "occurred_at"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1741569952, datetime(2025, 3, 10, 1, 25, 52, tzinfo=UTC)),
        (4102444800, datetime(2100, 1, 1, tzinfo=UTC)),
        (-2208988800, datetime(1900, 1, 1, tzinfo=UTC)),
        (-2208988801, None),
        (10413791999, datetime(2299, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (10413792000, None),
        (1e300, None),
        (True, None),
        ([], None),
        ({}, None),
        ("", None),
        ("yesterday", None),
        ("x" * 10_000_000, None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_any_time_from_1900_to_2299_is_passed_on_and_no_other(
    created: Any, occurred_at: datetime | None
) -> None:
    assert only(record(created=created)).occurred_at == occurred_at


def test_an_unknown_role_is_context_with_role_unknown() -> None:
    messages = [{"role": "wizard", "content": "Abra"}, {"role": "USER", "content": "Hello"}]
    exchange = only(record(request={"messages": messages}))
    assert (exchange.prompt, exchange.context) == ("Hello", (Turn("unknown", "Abra"),))


def test_a_role_nested_in_an_object_is_refused() -> None:
    messages = [{"role": {"role": "user"}, "content": "Hello"}]
    assert refused(record(request={"messages": messages})) == (
        "wrong_type",
        "request.messages[0].role: expected a string, found an object",
    )


def test_a_repeated_id_is_passed_on_for_the_store_to_settle() -> None:
    value = orjson.dumps([record(), record()])
    assert [exchange.event_id for _, exchange in decode(value).exchanges] == ["r-1", "r-1"]


def test_bad_parts_of_a_message_go_alone() -> None:
    value = orjson.dumps([record(), 5, {"hello": 1}, {"traceId": "x", "attributes": []}, record(id=None)])
    result = decode(value)
    assert [(index, exchange.event_id) for index, exchange in result.exchanges] == [
        (0, "r-1"),
        (3, f"{FALLBACK}-3"),
    ]
    assert [(part.index, part.reason, part.detail) for part in result.rejected] == [
        (1, "not_an_object", "[1]: expected an object, found a number"),
        (2, "unknown_format", "[2]: no key of the four families; docs/formats.md lists them"),
    ]
    assert result.not_chat == 1


def test_a_span_nested_beyond_reason_goes_alone() -> None:
    levels = 330
    deep = b'{"kvlistValue":{"values":[{"key":"k","value":' * (levels // 2) + b"{}" + b"}]}}" * (levels // 2)
    deeper = b'{"arrayValue":{"values":[' * levels + b"{}" + b"]}}" * levels
    text = orjson.dumps({"stringValue": orjson.dumps([USER]).decode()})
    spans = b",".join(
        b'{"traceId":"a","spanId":"%d","attributes":[{"key":"gen_ai.input.messages","value":%s}]}'
        % (n, value)
        for n, value in enumerate((deep, deeper, text))
    )
    result = decode(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + spans + b"]}]}]}")
    assert [exchange.event_id for _, exchange in result.exchanges] == ["a-2"]
    assert [part.index for part in result.rejected] == [0, 1]


def test_a_stream_without_its_request_is_refused() -> None:
    chunks = [{"object": "chat.completion.chunk", "choices": [{"delta": {"content": "Hi"}}]}]
    assert refused(orjson.dumps(chunks)) == (
        "missing_field",
        "request: a stream's chunks alone hold no prompt; log them as response",
    )


def test_texts_that_the_source_redacted_are_refused() -> None:
    payload = {"call_type": "acompletion", "messages": [{"role": "user", "content": "redacted-by-litellm"}]}
    assert refused(payload) == ("redacted", "messages: LiteLLM's message logging is turned off")


@pytest.mark.parametrize(
    ("envelope", "reason", "detail"),
    [
        ({"specversion": "1.0", "type": "t"}, "empty", "data: the envelope holds none"),
        ({"specversion": "2.0", "data": {}}, "bad_envelope", "specversion: expected 1.0"),
        ({"specversion": 1, "data": {}}, "bad_envelope", "specversion: expected 1.0"),
        ({"specversion": "1.0", "data_base64": "%"}, "bad_envelope", "data_base64: not base64"),
        ({"specversion": "1.0", "data_base64": 1}, "bad_envelope", "data_base64: expected a string, found a number"),
        ({"specversion": "1.0", "data": {"specversion": "1.0", "data": {}}}, "bad_envelope", "data: holds another envelope"),
        ({"specversion": "1.0", "data": "plain"}, "not_json", "not JSON at line 1, column 1"),
        ({"specversion": "1.0", "data": 5}, "not_an_object", "expected an object or a list of objects, found a number"),
    ],
)  # fmt: skip
def test_an_envelope_that_cannot_be_opened_is_refused(
    envelope: dict[str, Any], reason: str, detail: str
) -> None:
    assert refused(envelope) == (reason, detail)


def test_a_cloudevent_in_another_event_format_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        decode(b"Obj\x01", (("content-type", b"application/cloudevents+avro"),))
    assert (caught.value.reason, caught.value.detail) == (
        "bad_envelope",
        "content-type: only the JSON format of CloudEvents is read",
    )


@pytest.mark.parametrize(
    "headers",
    [
        (("ce_id", b"\xff\xfe"),),
        (("ce_id", b""),),
        (("ce_time", b"\xff"), ("ce_time", b"9" * 10_000)),
        (("content-type", b"\x00" * 10_000),),
        (("", b""), ("ce_", b"")),
    ],
)
def test_hostile_headers_lose_nothing(headers: tuple[tuple[str, bytes], ...]) -> None:
    exchange = decode(orjson.dumps(record()), headers).exchanges[0][1]
    assert (exchange.event_id, exchange.prompt, exchange.occurred_at) == ("r-1", "Hello", None)


@pytest.mark.parametrize(
    "token",
    [
        5,
        [],
        "",
        "text",
        {"logits": {"a": "x"}},
        {"unknown": 1},
        {"propensity": 2},
        {"rule": "x" * 20_000},
        {"bias": True},
    ],
)
def test_an_unusable_refusal_token_costs_the_record_and_is_counted(token: Any) -> None:
    result = decode(orjson.dumps(record(refusal_token=token)))
    assert result.exchanges[0][1].refusal_token is None
    assert (result.bad_refusal_tokens, result.rejected) == (1, [])
