"""watchkeeper.chat/1 is strict: what the definition lacks is refused, by place and without quoting it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from monitor.errors import Rejected
from monitor.ingest.own import SCHEMA
from tests.unit.ingest.corpus import DECODER, FALLBACK


def refused(**fields: Any) -> tuple[str, str]:
    event = {"schema": SCHEMA, "prompt": "Hello", **fields}
    value = orjson.dumps({key: field for key, field in event.items() if field is not ...})
    with pytest.raises(Rejected) as caught:
        DECODER.decode(value, (), fallback_id=FALLBACK)
    return str(caught.value.reason), caught.value.detail


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"schema": "watchkeeper.chat/2"}, "unknown_version", "schema: this release reads watchkeeper.chat/1"),
        ({"promt": "x"}, "unknown_field", "the event: holds a field that watchkeeper.chat/1 does not define"),
        ({"prompt": ...}, "missing_field", "messages: expected a list of messages, or prompt, found neither"),
        ({"prompt": 5}, "wrong_type", "prompt: expected `str | null`, got `int`"),
        ({"messages": [{"role": "user", "content": "x"}]}, "unknown_field", "prompt: not beside messages"),
        ({"prompt": ..., "messages": []}, "no_user_turn", "messages: no message has role user"),
        ({"prompt": ..., "messages": [{"role": "user"}]}, "missing_field", "messages[0]: object missing required field `content`"),
        ({"prompt": ..., "messages": [{"role": "user", "content": None}]}, "wrong_type", "messages[0].content: expected `str`, got `null`"),
        ({"prompt": ..., "messages": [{"role": "wizard", "content": ""}]}, "wrong_type", "messages[0].role: not one of the values that watchkeeper.chat/1 defines"),
        ({"prompt": ..., "messages": [{"role": "user", "content": "", "name": "x"}]}, "unknown_field", "messages[0]: holds a field that watchkeeper.chat/1 does not define"),
        ({"response": ["x"]}, "wrong_type", "response: expected `str | null`, got `array`"),
        ({"event_id": 1.5}, "wrong_type", "event_id: expected `int | str | null`, got `float`"),
        ({"tenant": 5}, "wrong_type", "tenant: expected `str | null`, got `int`"),
        ({"occurred_at": {}}, "wrong_type", "occurred_at: expected `int | float | str | null`, got `object`"),
        ({"provider_refusal": 1}, "wrong_type", "provider_refusal: expected `bool`, got `int`"),
        ({"tool_calls": -1}, "wrong_type", "tool_calls: expected a number from 0 up"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_by_its_place(fields: dict[str, Any], reason: str, detail: str) -> None:
    assert refused(**fields) == (reason, detail)


def test_an_unusable_time_is_no_time_and_no_refusal() -> None:
    value = orjson.dumps({"schema": SCHEMA, "prompt": "Hello", "occurred_at": "yesterday"})
    assert DECODER.decode(value, (), fallback_id=FALLBACK).exchanges[0][1].occurred_at is None
