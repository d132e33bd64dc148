from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from monitor.errors import Rejected
from monitor.ingest.outcomes import Outcomes
from monitor.ingest.refusal_tokens import read
from monitor.serving.deciding import decide, see
from monitor.serving.record import attach
from schemas.refusal_tokens import RefusalToken
from tests.unit.ingest.corpus import DECODER, FALLBACK
from tests.unit.recalibration.logs import thresholds
from tests.unit.recalibration.test_formats import LOGS
from tests.unit.serving.serving_parts import FIVE, served, standing

MODEL = served(FIVE)
RECORD = decide(
    see(np.linspace(-3.3, 4.7, 12), MODEL, 0.9),
    standing(thresholds("sum", 0.125, selected=FIVE, temperature=0.9)),
    MODEL,
    "r",
).record


def bare(value: Any) -> Any:
    """Without a record."""
    if isinstance(value, dict):
        return {name: bare(one) for name, one in value.items() if not name.endswith("refusal_token")}
    return value


ATTRIBUTES = LOGS["otel"]["attributes"]
OTHERS: dict[str, Any] = {
    "openai, flat": {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "choices": []},
    "openai, prompt": {"request": {"prompt": "Hello"}, "response": {"choices": [{"text": "Hi"}]}},
    "litellm, wrapped": {"standard_logging_object": bare(LOGS["litellm"])},
    "otel, OTLP": {
        **LOGS["otel"],
        "attributes": [
            {"key": name, "value": {"stringValue": value}} for name, value in bare(ATTRIBUTES).items()
        ],
    },
    "otel, SDK": {
        "name": "chat m",
        "context": {"trace_id": "0x5b8efff798038103d269b633813fc60c", "span_id": "0x00f067aa0ba902b3"},
        "attributes": bare(ATTRIBUTES),
    },
}


@pytest.mark.parametrize("name", [*LOGS, *OTHERS])
def test_an_attached_record_is_found_and_whole(name: str) -> None:
    log = OTHERS[name] if name in OTHERS else bare(LOGS[name])
    before = orjson.dumps(log)
    decoded = DECODER.decode(orjson.dumps(attach(RECORD, log)), (), fallback_id=FALLBACK)
    assert [exchange.refusal_token for _, exchange in decoded.exchanges] == [RECORD]
    assert (decoded.bad_refusal_tokens, orjson.dumps(log)) == (0, before)
    again = attach(RECORD, attach(RefusalToken(emitted="x"), log))
    assert DECODER.decode(orjson.dumps(again), (), fallback_id=FALLBACK) == decoded


def test_a_record_travels_as_it_is() -> None:
    out = Outcomes()
    assert read(orjson.dumps(attach(RECORD, {"messages": []})["refusal_token"]).decode(), out) == RECORD


@pytest.mark.parametrize(
    "log", [{}, {"resourceSpans": []}, {"attributes": {}}, {"attributes": 3, "traceId": "1"}, {"text": "x"}]
)
def test_what_is_no_chat_log_takes_no_record(log: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="unknown_format"):
        attach(RECORD, log)
