"""What is known of a target from one step to the next: pure values. docs/audit.md says what an alert means."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from monitor.audit.kinds import AuditKind
from monitor.errors import Misconfigured
from schemas.alerts import Alert

VERSION: Final = 1


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that hasn't ended. One about a change holds against an audit of a series: it is over when an audit no longer shows the
    change from there."""

    alert: Alert
    series: str = ""
    against_id: str = ""


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """A model on an anchor set. `parts`: what the series is made of (series.parts_of). `previous_id`: the last audit of the series that was
    done; `baseline_id`: the one that slow changes are measured from. `beginning`: how often a series had to begin because what
    was kept was lost. `last_schedule_at`: the moment of the schedule that the last audit by schedule was for. `overdue_since`: since
    when what is told to be overdue was due, until an audit is made. `told`: the alerts that this step tells."""

    model: str
    anchor_set: str
    series: str = ""
    parts: dict[str, str] = {}
    previous_id: str = ""
    baseline_id: str = ""
    beginning: int = 0
    last_schedule_at: datetime | None = None
    overdue_since: datetime | None = None
    firing: tuple[Firing, ...] = ()
    told: tuple[Alert, ...] = ()
    version: Literal[1] = VERSION

    def to_bytes(self) -> bytes:
        """One JSON object."""
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, stored: bytes) -> TargetState:
        """Raises Misconfigured for what `to_bytes` of this version didn't write."""
        try:
            return _DECODER.decode(stored)
        except msgspec.MsgspecError as exc:
            raise Misconfigured(
                "the state of the audits of a model can't be read: another release wrote it, or it is damaged",
                "Run the release that wrote it, or delete the target's rows of the table audit_states: its audits then begin anew.",
            ) from exc

    @property
    def place(self) -> dict[str, str]:
        """As alerts name it."""
        return {"model": self.model, "anchor_set": self.anchor_set}

    def fires(self, kind: AuditKind) -> Firing | None:
        """The alert of this kind; None where none is."""
        return next((one for one in self.firing if one.alert.kind == kind), None)


_DECODER = msgspec.json.Decoder(TargetState)
