"""What a channel was told of an alert: a record of safety.alert_deliveries, by which whoever takes over goes on. No user text."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from schemas.alerts import Severity, State

DELIVERY_SCHEMA: Final = 1

DeliveryNews = Literal[
    "began", "escalated", "eased", "stale", "back", "goes on", "acknowledged", "resolved", "joined", "left"
]
"""joined, left: the channel itself came into the file, or went out of it; such a record is about no alert."""
Outcome = Literal["told", "refused"]
"""refused: the other side will never take this message, so it isn't sent again."""


class AlertDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """`state`, `severity` and `level` are what the channel knows of the alert from now on. `offset` and `action_offset`: the
    newest record of safety.alerts and of safety.alert_actions that this covers; -1 for none. Newer than any other of its
    channel and alert, it counts alone.
    """

    channel: str
    alert_id: str
    fleet: str
    news: DeliveryNews
    outcome: Outcome
    state: State
    severity: Severity
    level: int
    is_acknowledged: bool
    offset: int
    action_offset: int
    at: datetime
    worker: str
    schema_version: Literal[1] = DELIVERY_SCHEMA

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"{self.channel}/{self.alert_id}".encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> AlertDelivery:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _DECODER.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


_DECODER = msgspec.json.Decoder(AlertDelivery)
_ENCODER = msgspec.json.Encoder()
