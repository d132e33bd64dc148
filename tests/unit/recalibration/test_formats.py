"""The record travels in all four formats and comes out whole."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from monitor.recalibration.records import Record, decode
from schemas.events import Verdict
from tests.fakes.verdicts import a_verdict
from tests.unit.ingest.corpus import DECODER, FALLBACK
from tests.unit.recalibration.logs import ONE, token

TOKEN = token(
    ONE,
    [1.0, 0.5],
    rule="single",
    selected=("[refuse]",),
    threshold=0.5,
    bias=0.0,
    propensity=1.0,
    emitted="[refuse]",
)
RAW: Any = msgspec.to_builtins(TOKEN)
TURNS = [{"role": "user", "content": "Hello"}]
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}
PARTS = [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
LOGS: dict[str, Any] = {
    "openai": {
        "id": "1",
        "request": {"model": "m", "messages": TURNS},
        "response": ANSWER,
        "refusal_token": RAW,
    },
    "litellm": {
        "id": "1",
        "call_type": "completion",
        "messages": TURNS,
        "response": ANSWER,
        "metadata": {"refusal_token": RAW},
    },
    "otel": {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "00f067aa0ba902b3",
        "name": "chat m",
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": orjson.dumps(PARTS).decode(),
            "watchkeeper.refusal_token": orjson.dumps(RAW).decode(),
        },
    },
    "watchkeeper": {
        "schema": "watchkeeper.chat/1",
        "prompt": "Hello",
        "response": "Hi",
        "refusal_token": RAW,
    },
}


@pytest.mark.parametrize("name", LOGS)
def test_a_record_comes_through(name: str) -> None:
    decoded = DECODER.decode(orjson.dumps(LOGS[name]), (), fallback_id=FALLBACK)
    assert (list(decoded.rejected), decoded.bad_refusal_tokens) == ([], 0)
    exchange = decoded.exchanges[0][1]
    assert (exchange.format, exchange.refusal_token) == (name, TOKEN)
    verdict = msgspec.structs.replace(a_verdict(), refusal_token=exchange.refusal_token)
    kept = Verdict.from_bytes(verdict.to_bytes()).refusal_token
    assert isinstance(decode(kept, ONE), Record)
