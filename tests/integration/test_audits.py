"""Audits by real workers on a real broker and store, of a probe that is served here and can be blurred."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from monitor.adapters.anchor_sources import matched_set
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.kafka import KafkaPart
from schemas.audits import AuditRecord, AuditRequest, audit_id_of_request
from tests.fakes.probe_server import ProbeServer, probe_config
from tests.integration.fleets import Fleet
from tests.waiting import until

DIMENSIONS = 8
MATCHED = matched_set()
UNSAFE = frozenset(
    text.encode() for text, label in zip(MATCHED.texts, MATCHED.labels, strict=True) if label == "unsafe"
)
SETTINGS = {
    "WATCHKEEPER_AUDIT__ENABLED": "true",
    "WATCHKEEPER_AUDIT__SCHEDULE": "off",
    "WATCHKEEPER_AUDIT__MODEL": "atlas",
    "WATCHKEEPER_AUDIT__DRAWS": "999",
    "WATCHKEEPER_AUDIT__PROBE_BATCH": "64",
    "WATCHKEEPER_DRIFT__ENABLED": "false",
}


@dataclass
class Blurring(ProbeServer):
    """Noise that the text fixes, and `apart` along one direction for what is unsafe."""

    config: Any = field(default_factory=lambda: probe_config(dimensions=str(DIMENSIONS)))
    apart: float = 2.0

    def states(self, texts: list[bytes], layers: list[str]) -> Any:
        found = np.stack([[self._state(text, layer) for layer in layers] for text in texts])
        return found.astype(np.float32)

    def _state(self, text: bytes, layer: str) -> Any:
        seed = int.from_bytes(blake2b(layer.encode() + text, digest_size=8).digest(), "big")
        state = np.random.default_rng(seed).normal(size=DIMENSIONS)
        state[0] += self.apart if text in UNSAFE else 0.0
        return state


class Auditing(Fleet):
    """A fleet that audits, and what people ask of it."""

    async def ask(self, request_id: str, **given: str) -> None:
        fields: dict[str, Any] = {
            "id": request_id, "fleet": self.kafka.group_prefix, "model": "atlas", "anchor_set": "matched", "by": "ada", **given,
        }  # fmt: skip
        request = AuditRequest(at=datetime.now(UTC), **fields)
        await self.produce([request.to_bytes()], 1, self.kafka.audit_requests_topic)

    async def record(self, request_id: str) -> AuditRecord:
        """Of the audit that answers, once it is a row."""
        id_ = audit_id_of_request(self.kafka.group_prefix, request_id)

        async def stored() -> list[list[Any]]:
            return await self.rows(f"SELECT record FROM audit_records FINAL WHERE id = '{id_}'")

        ((found,),) = await until(stored, f"the audit that {request_id} asked for", within_s=90)
        return AuditRecord.from_bytes(found.encode())


async def test_an_audit_is_made_once_told_when_the_model_blurs_and_over_when_it_is_mended(
    tmp_path: Path, kafka_part: KafkaPart, clickhouse_part: ClickHousePart
) -> None:
    async with Blurring() as probe:
        fleet = Auditing(tmp_path, kafka_part, clickhouse_part, "127.0.0.1:9")
        fleet.environment |= SETTINGS | {"WATCHKEEPER_AUDIT__PROBE_URL": probe.address}
        worker = await fleet.start("audit_rows")
        topic = fleet.kafka.audit_requests_topic
        await fleet.produce([b"", b"{", b"\xff", b"x" * 100_000, b'{"id": "../../etc"}'], 1, topic)
        await fleet.ask("elsewhere", fleet="staging")
        await fleet.ask("other-model", model="x" * 200)
        await fleet.ask("first")
        await fleet.ask("first")
        first = await fleet.record("first")
        assert (first.state, first.safe, first.unsafe) == (
            "done",
            len(UNSAFE),
            len(MATCHED.texts) - len(UNSAFE),
        )
        left_out = {
            name.split('"')[1]: value
            for name, value in fleet.metrics(worker).items()
            if "audit_requests_left_out_total" in name
        }
        assert left_out == {"unreadable": 5, "other_fleet": 1, "unknown_target": 1}

        probe.apart = 0.8
        await fleet.ask("second")
        second = await fleet.record("second")
        fell = await fleet.told("separation_fell", "firing")
        assert (second.previous_id, second.series) == (first.id, first.series)
        assert fell.facts["audit_id"] == second.id
        assert fell.severity == "critical"

        await worker.kill()  # another goes on, and audits nothing again
        await fleet.start("audit_rows")
        probe.apart = 2.0
        await fleet.ask("third")
        third = await fleet.record("third")
        over = await fleet.told("separation_fell", "resolved")
        assert (over.id, third.previous_id, third.baseline_id) == (fell.id, second.id, first.id)

        values = await fleet.rows(
            "SELECT layer, measure, round(value, 6), n FROM audits WHERE id = '" + third.id + "' ORDER BY ALL"
        )
        again = await fleet.rows(
            "SELECT layer, measure, round(value, 6), n FROM audits WHERE id = '" + first.id + "' ORDER BY ALL"
        )
        assert values == again  # the same states
        counted = await fleet.rows("SELECT toUInt32(uniqExact(id)), toUInt32(count()) FROM audits")
        assert counted == [[3, 3 * len(third.values)]]
        steps = await fleet.rows(
            "SELECT toUInt32(number), kind, length(content) > 0 FROM audit_states WHERE kind != 'references' ORDER BY number"
        )
        assert steps == [[1, "audit", True], [2, "audit", True], [3, "audit", True]]
        assert set(probe.priorities) != {0}  # behind live traffic
