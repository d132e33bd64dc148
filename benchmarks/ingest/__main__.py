"""`python -m benchmarks.ingest`: what decoding one message costs, against json.loads alone on the same bytes.

The peer only parses; ours parses, recognises the format and builds the exchange. Rounds alternate between the two
and the best of each counts: the machine may be busy. Exits 1 where the 800-byte OpenAI record takes longer than
1.1 times the peer: the format that most deployments write has to stay about free.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec
import orjson
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from monitor.ingest.decoder import Decoder
from tests.unit.ingest.corpus import load, protobuf_of

LIMIT: Final = 1.1
ROUNDS: Final = 15
ROUND_S: Final = 0.02
_DECODER: Final = Decoder(default_tenant="default", max_context_turns=20)
_CHOSEN: Final = (
    ("OpenAI, parts", "openai/parts"),
    ("OpenAI, multi-turn", "openai/multi_turn"),
    ("OpenAI, three choices", "openai/several_choices"),
    ("OpenAI, stream of chunks", "openai/stream"),
    ("LiteLLM", "litellm/success"),
    ("LiteLLM, batch of four", "litellm/batch"),
    ("OTel span, Python SDK", "otel/span_python_sdk"),
    ("OTel span, OpenLLMetry", "otel/otlp_openllmetry"),
    ("OTLP JSON, eight spans", "otel/otlp_traces"),
    ("Watchkeeper", "watchkeeper/messages"),
    ("CloudEvents, structured", "cloudevents/structured"),
    ("CloudEvents, binary", "cloudevents/binary"),
)


class Row(msgspec.Struct, frozen=True):
    """One message and its peer."""

    name: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    peer_name: str
    peer: Callable[[bytes], object]


def openai_record() -> bytes:
    """A chat-completions record of 800 bytes, in the shape of the shared chat logs."""
    record = {
        "id": "chatcmpl-4d9fb62f2c84d9f898bb6adc",
        "created": 1740960007,
        "model": "gpt-3.5-turbo",
        "request": {"messages": [{"role": "user", "content": "Brainstorm three causes of a program error."}]},
        "response": {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
            ]
        },
        "metadata": {"source": "example"},
    }
    answer = "1. Coding errors: a wrong call, a typing slip, a missing case. 2. System trouble: no disk, no memory. "
    missing = 800 - len(json.dumps(record))
    record["response"]["choices"][0]["message"]["content"] = (answer * 10)[:missing]  # type: ignore[index]  # a literal just above
    return json.dumps(record).encode()


def rows() -> list[Row]:
    """The messages to time."""
    fixtures = {fixture.name: fixture for fixture in load()}
    found = [Row("OpenAI, 800 bytes", openai_record(), (), "json.loads", json.loads)]
    found += [
        Row(name, fixtures[key].value, fixtures[key].headers, "json.loads", json.loads)
        for name, key in _CHOSEN
    ]
    protobuf = protobuf_of(orjson.loads(fixtures["otel/otlp_traces"].value))
    if protobuf is None:
        raise SystemExit("the fixture otel/otlp_traces is no OTLP payload any more: choose another one here")
    found.append(Row("OTLP protobuf, eight spans", protobuf, (), "FromString", TracesData.FromString))
    return found


def seconds(call: Callable[[], object], calls: int) -> float:
    """Seconds a call, in one round."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def measure(row: Row) -> tuple[float, float]:
    """Best seconds a message: ours, and the peer's."""

    def ours() -> object:
        return _DECODER.decode(row.value, row.headers, fallback_id="chat.logs-0-0")

    def peer() -> object:
        return row.peer(row.value)

    calls = max(20, int(ROUND_S / max(seconds(ours, 50), 1e-7)))
    best_ours = best_peer = float("inf")
    for _ in range(ROUNDS):
        best_peer = min(best_peer, seconds(peer, calls))
        best_ours = min(best_ours, seconds(ours, calls))
    return best_ours, best_peer


def main() -> int:
    """Print the table; 1 where the OpenAI record is over its limit."""
    print(f"{'message':<28}{'bytes':>7}{'decode':>11}{'peer':>24}{'ratio':>8}")
    over = False
    for row in rows():
        ours, peer = measure(row)
        ratio = ours / peer
        over = over or (row.name.startswith("OpenAI, 800") and ratio > LIMIT)
        print(
            f"{row.name:<28}{len(row.value):>7,}{ours * 1e6:>8.2f} µs"
            f"{row.peer_name:>13}{peer * 1e6:>8.2f} µs{ratio:>8.2f}"
        )
    print(f"\nlimit: OpenAI, 800 bytes at most {LIMIT} of json.loads: {'exceeded' if over else 'kept'}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
