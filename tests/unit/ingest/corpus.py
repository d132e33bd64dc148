"""The fixtures of every format: real shapes, what they decode to, and the same payloads as protobuf.

A fixture is `<family>/<name>.json`, with `<name>.headers.json` for Kafka headers. `<name>.expected.json` is the
whole Decoded. After adding one, `python -m tests.unit.ingest.corpus NAME…` prints what it decodes to; read
that, and keep it as the expected file where it is right.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from monitor.ingest.decoder import Decoded, Decoder

ROOT: Final = Path(__file__).resolve().parents[2] / "fixtures" / "ingest"
DECODER: Final = Decoder(default_tenant="default", max_context_turns=20)
FALLBACK: Final = "chat.logs-3-1042"
_EXPORTS: Final = {
    "resourceSpans": ExportTraceServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
    "resourceMetrics": ExportMetricsServiceRequest,
}
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


@dataclass(frozen=True)
class Fixture:
    """One message as it lies on the topic."""

    name: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def expected(self) -> Path:
        return ROOT / f"{self.name}.expected.json"


def load() -> list[Fixture]:
    """All fixtures, in the order of their names, each as one compact line."""
    fixtures = []
    for path in sorted(ROOT.glob("*/*.json")):
        if path.name.endswith((".expected.json", ".headers.json")):
            continue
        headers_path = path.with_suffix(".headers.json")
        headers = orjson.loads(headers_path.read_bytes()) if headers_path.exists() else {}
        fixtures.append(
            Fixture(
                name=path.relative_to(ROOT).with_suffix("").as_posix(),
                value=orjson.dumps(orjson.loads(path.read_bytes())),
                headers=tuple((key, text.encode()) for key, text in headers.items()),
            )
        )
    return fixtures


def protobuf_of(payload: dict[str, Any]) -> bytes | None:
    """An OTLP JSON payload as the Collector's otlp_proto encoding writes it; None where it isn't one."""
    for key, export in _EXPORTS.items():
        if key in payload:
            message = json_format.ParseDict(_with_base64_ids(payload), export(), ignore_unknown_fields=True)
            return bytes(message.SerializeToString())
    return None


def as_json(decoded: Decoded) -> Any:
    """A Decoded as plain JSON values, to be compared as a whole."""
    return orjson.loads(msgspec.json.encode(decoded))


def _with_base64_ids(value: Any) -> Any:
    """OTLP JSON writes ids in hex, protobuf's JSON mapping in base64."""
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if isinstance(value, dict):
        return {
            key: b64encode(bytes.fromhex(item)).decode() if key in _IDS else _with_base64_ids(item)
            for key, item in value.items()
        }
    return value


def main(names: list[str]) -> None:
    """Print what the named fixtures decode to."""
    for fixture in load():
        if fixture.name in names:
            decoded = DECODER.decode(fixture.value, fixture.headers, fallback_id=FALLBACK)
            sys.stdout.write(orjson.dumps(as_json(decoded), option=orjson.OPT_INDENT_2).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
