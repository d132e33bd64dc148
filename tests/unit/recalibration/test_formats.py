"""The record travels in all four formats and comes out whole."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from monitor.ports import GuardIdentity, Score
from monitor.recalibration.records import Record, decode
from monitor.redaction import Redactor
from monitor.settings import ModerationSettings, PrivacySettings
from monitor.verdicts import Position, VerdictMaker
from schemas.events import Verdict
from tests.unit.ingest.corpus import DECODER, FALLBACK
from tests.unit.recalibration.logs import AT, ONE, token

MAKER = VerdictMaker(ModerationSettings(), Redactor(PrivacySettings()), "none")
TOKEN = token(
    ONE,
    [1.0, 0.5],
    rule="single",
    selected=("[refuse]",),
    threshold=0.5,
    bias=0.0,
    propensity=1.0,
    emitted="[refuse]",
    calibration_version=3,
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
    verdict = MAKER.verdict(
        exchange,
        Score("ok", 0.1, 0.2, 0.3, "benign", 0.9, truncated=False),
        identity=GuardIdentity("guard_lite", "1", "hash"),
        position=Position("chat.logs", 0, 1, AT),
        index=0,
    )
    kept = Verdict.from_bytes(verdict.to_bytes())
    assert (kept.refusal_token, kept.calibration_version) == (TOKEN, 3)
    assert isinstance(decode(kept.refusal_token, ONE), Record)


@pytest.mark.parametrize("version", [-1, 2**31, 1.5, "3"])
def test_a_version_that_none_can_have_costs_the_record_alone(version: object) -> None:
    log = LOGS["watchkeeper"] | {"refusal_token": RAW | {"calibration_version": version}}
    decoded = DECODER.decode(orjson.dumps(log), (), fallback_id=FALLBACK)
    assert (len(decoded.exchanges), decoded.bad_refusal_tokens) == (1, 1)


def test_a_record_of_before_there_were_versions_is_written_as_it_was() -> None:
    assert b"calibration_version" not in msgspec.json.encode(
        msgspec.structs.replace(TOKEN, calibration_version=None)
    )
