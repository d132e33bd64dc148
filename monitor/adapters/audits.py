"""Audits in ClickHouse: the rows that people read, and what the audit worker keeps. Implements monitor/audit/keeping.py's port."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from monitor.adapters.clickhouse import ClickHouse
from monitor.audit.keeping import Kept, Step
from monitor.audit.recording import record_row, value_rows
from monitor.errors import Misconfigured, Retryable
from monitor.version import watchkeeper_version
from schemas.audits import AuditRecord

VALUES: Final = "audit_rows"
RECORDS: Final = "audit_records"
STATES: Final = "audit_states"
MAX_LISTED: Final = 10_000
LONG_AGO: Final = datetime(1970, 1, 2, tzinfo=UTC)
FAR_AHEAD: Final = datetime(2199, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AuditRows:
    """Implements ports.RowStore: records of the audits topic to the rows of their values, then to the record's own. The same record
    again repeats both without counting twice; a record that is there has its values there."""

    store: ClickHouse

    async def insert(self, rows: Sequence[bytes], /) -> None:
        """See ports.RowStore; `rows` are records as `AuditRecord.to_bytes` writes them."""
        records = [AuditRecord.from_bytes(row) for row in rows]
        await self.store.insert_into(VALUES, [row for one in records for row in value_rows(one)])
        await self.store.insert_into(RECORDS, [record_row(one) for one in records])


async def newest_records(
    store: ClickHouse,
    fleet: str,
    *,
    model: str = "",
    anchor_set: str = "",
    since: datetime = LONG_AGO,
    until: datetime = FAR_AHEAD,
    limit: int = 100,
) -> list[AuditRecord]:
    """Audits that were finished in [since, until), the newest first; empty texts stand for all. Raises Retryable, Misconfigured."""
    rows = await store.query(
        "audit_list",
        fleet=fleet,
        model=model,
        anchor_set=anchor_set,
        since=since,
        until=until,
        limit=min(limit, MAX_LISTED),
    )
    return [AuditRecord.from_bytes(row["record"].encode()) for row in rows]


async def record_of(store: ClickHouse, fleet: str, id_: str) -> AuditRecord | None:
    """One audit; None where it isn't there (yet). Raises Retryable, Misconfigured."""
    rows = await store.query("audit_record", fleet=fleet, id=id_)
    return AuditRecord.from_bytes(rows[0]["record"].encode()) if rows else None


async def history_of(
    store: ClickHouse,
    fleet: str,
    model: str,
    anchor_set: str,
    *,
    measure: str = "j",
    layer: str = "",
    since: datetime = LONG_AGO,
    until: datetime = FAR_AHEAD,
) -> list[dict[str, Any]]:
    """One measure over time, the oldest first: the columns of audit_history.sql. `layer` "": all. Raises Retryable, Misconfigured."""
    return await store.query(
        "audit_history",
        fleet=fleet,
        model=model,
        anchor_set=anchor_set,
        measure=measure,
        layer=layer,
        since=since,
        until=until,
    )


@dataclass(frozen=True, slots=True)
class AuditTables:
    """What the audit worker of one fleet keeps."""

    store: ClickHouse
    fleet: str

    async def last_steps(self) -> list[Step]:
        """See keeping.AuditStore."""
        rows = await self.store.query("audit_last_steps", fleet=self.fleet)
        return [_step(row["target"], row) for row in rows]

    async def keep(self, step: Step, draws: bytes) -> Step:
        """See keeping.AuditStore. One insert, whose token makes the first one count (docs/adr/0010)."""
        row = {
            "fleet": self.fleet,
            "target": step.target,
            "number": step.number,
            "kind": step.kind,
            "id": step.id,
            "series": step.series,
            "at": step.at,
            "state": step.state.decode(),
            "record": step.record.decode(),
            "content": base64.b64encode(draws).decode("ascii"),
            "version": watchkeeper_version(),
            "write_id": secrets.token_hex(8),
        }
        token = f"{self.fleet} {step.target} {step.number}"
        await self.store.insert_once(STATES, [msgspec.json.encode(row)], token=token)
        rows = await self.store.query("audit_step", fleet=self.fleet, target=step.target, number=step.number)
        if not rows:
            raise Retryable("a step of an audit that was just written doesn't stand in the store")
        return _step(step.target, rows[0])

    async def made(self, ids: Sequence[str]) -> frozenset[str]:
        """See keeping.AuditStore."""
        if not ids:
            return frozenset()
        rows = await self.store.query("audit_steps_of_ids", fleet=self.fleet, ids=list(ids))
        return frozenset(row["id"] for row in rows)

    async def last_of_series(self, target: str, series: str) -> Step | None:
        """See keeping.AuditStore."""
        rows = await self.store.query("audit_last_of_series", fleet=self.fleet, target=target, series=series)
        return _step(target, rows[0]) if rows else None

    async def draws(self, target: str, id_: str) -> Kept | None:
        """See keeping.AuditStore."""
        rows = await self.store.query("audit_draws", fleet=self.fleet, target=target, id=id_)
        return _decoded(rows[0]["content"]) if rows else None

    async def references(self, series: str) -> dict[str, Kept]:
        """See keeping.AuditStore."""
        rows = await self.store.query("audit_references", fleet=self.fleet, series=series)
        return {row["layer"]: _decoded(row["content"]) for row in rows}

    async def keep_references(
        self, series: str, references: Mapping[str, bytes], at: datetime
    ) -> dict[str, Kept]:
        """See keeping.AuditStore."""
        write_id = secrets.token_hex(8)
        rows = [
            msgspec.json.encode(
                {
                    "fleet": self.fleet,
                    "target": series,
                    "number": number,
                    "kind": "references",
                    "id": layer,
                    "series": series,
                    "at": at,
                    "state": "",
                    "record": "",
                    "content": base64.b64encode(content).decode("ascii"),
                    "version": watchkeeper_version(),
                    "write_id": write_id,
                }
            )
            for number, (layer, content) in enumerate(references.items())
        ]
        await self.store.insert_once(STATES, rows, token=f"{self.fleet} {series} references")
        standing = await self.references(series)
        if not standing:
            raise Retryable("references that were just written don't stand in the store")
        return standing


def _step(target: str, row: Mapping[str, Any]) -> Step:
    return Step(
        target=target,
        number=row["number"],
        kind=row["what"],
        id=row["id"],
        series=row["series"],
        at=row["at"],
        state=row["state"].encode(),
        record=row["record"].encode(),
    )


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Misconfigured(
            "what was kept of an audit is not even base64", "A new series begins; look at the store's disks."
        ) from exc
