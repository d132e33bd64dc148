"""From what was measured to what is kept of it: the comparisons with the audits before, the record, and the state after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from monitor.audit.alerting import Done, Teller, after_done, after_refused
from monitor.audit.comparison import Floor, LayerChange
from monitor.audit.keeping import AuditStore
from monitor.audit.kept import Audit
from monitor.audit.kinds import CHANGES
from monitor.audit.measuring import Measured, changes_from
from monitor.audit.records import Job, Signed, done_record, meaning_of, refused_record
from monitor.audit.series import differences, target_of
from monitor.audit.state import TargetState
from monitor.audit_settings import AuditSettings
from monitor.errors import Misconfigured
from monitor.version import watchkeeper_version
from schemas.audits import AuditRecord
from workers.probing import Outcome

log = structlog.get_logger("watchkeeper.audits")


@dataclass(frozen=True, slots=True)
class Concluded:
    """What the step of an audit holds."""

    state: TargetState
    record: AuditRecord
    draws: bytes


@dataclass(frozen=True, slots=True)
class Concluding:
    """Compares with what the store keeps."""

    store: AuditStore
    settings: AuditSettings
    teller: Teller

    async def conclude(self, state: TargetState, job: Job, outcome: Outcome, now: datetime) -> Concluded:
        """`state`: of the target, as it is now. Raises Retryable or Misconfigured."""
        if job.begun_by == "schedule":
            state = msgspec.structs.replace(state, last_schedule_at=job.due_at)
        signed = Signed(
            self.teller.fleet,
            watchkeeper_version(),
            now,
            outcome.seconds,
            self.settings.draws,
            self.settings.seed,
        )
        if outcome.measured is None:
            record = refused_record(
                job,
                outcome.subject,
                signed,
                series=outcome.series,
                reason=outcome.reason,
                detail=outcome.detail,
            )
            after = after_refused(
                state,
                id_=job.id,
                at=now,
                reason=record.reason,
                meaning=meaning_of(record.reason),
                teller=self.teller,
            )
            return Concluded(after, record, b"")
        return await self._done(state, job, outcome, outcome.measured, signed)

    async def _done(
        self, state: TargetState, job: Job, outcome: Outcome, found: Measured, signed: Signed
    ) -> Concluded:
        previous_id, baseline_id = await self._compared_with(state, outcome)
        changes = await self._changes(state, outcome, found, (previous_id, baseline_id))
        record = done_record(
            job,
            outcome.subject,
            signed,
            found.audit,
            found.picture,
            series=outcome.series,
            changes=changes,
            previous_id=previous_id,
            baseline_id=baseline_id,
        )
        is_other = bool(state.series) and state.series != outcome.series
        is_lost = bool(previous_id) and not changes  # what it would be compared with is forgotten, or damaged
        done = Done(
            id=job.id,
            at=signed.at,
            series=outcome.series,
            parts=outcome.parts,
            beginning=outcome.beginning,
            model_version=record.model_version,
            is_live=outcome.subject.is_live,
            changes=changes,
            previous_id=previous_id,
            baseline_id=baseline_id
            if baseline_id in changes
            else previous_id
            if previous_id in changes
            else "",
            began=differences(state.parts, outcome.parts) if is_other or is_lost else None,
        )
        draws = await asyncio.to_thread(found.audit.to_bytes)
        return Concluded(after_done(state, done, self.teller), record, draws)

    async def _compared_with(self, state: TargetState, outcome: Outcome) -> tuple[str, str]:
        """The previous audit of the series and its baseline; "" where there is none. A series that comes back goes on."""
        if state.series == outcome.series:
            return state.previous_id, state.baseline_id
        key = target_of(state.model, state.anchor_set)
        last = await self.store.last_of_series(key, outcome.series)
        if last is None:
            return "", ""
        return last.id, TargetState.from_bytes(last.state).baseline_id

    async def _changes(
        self, state: TargetState, outcome: Outcome, found: Measured, ids: Sequence[str]
    ) -> Mapping[str, Sequence[LayerChange]]:
        """Since each of `ids`, and since those that alerts which fire hold against; all of them together."""
        key = target_of(state.model, state.anchor_set)
        held = [
            one.against_id
            for one in state.firing
            if one.alert.kind in CHANGES and one.series == outcome.series
        ]
        befores: dict[str, Audit] = {}
        for id_ in dict.fromkeys((*ids, *held)):
            try:
                draws = await self.store.draws(key, id_) if id_ else None
                if draws is not None:
                    befores[id_] = await asyncio.to_thread(Audit.from_bytes, draws)
            except Misconfigured as exc:
                log.error("an audit can't be compared with one before", id=id_, error=str(exc))
        return await asyncio.to_thread(
            changes_from,
            befores,
            found.audit,
            is_live=outcome.subject.is_live,
            floor=Floor(self.settings.floor_j, self.settings.floor_share),
            alpha=self.settings.false_alarm_probability,
        )
