"""What a person does with an alert: a record of safety.alert_actions. It takes effect at the broker's time of the record."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

ACTION_SCHEMA: Final = 1

Verb = Literal["acknowledge", "resolve", "mute", "unmute"]


class AlertAction(msgspec.Struct, frozen=True, kw_only=True):
    """`acknowledge`: the new level is normal from now on. `resolve`: it is over. `mute`: no channel is told of it until `until`
    (null: until it is over). `by` and `note` are what the person gave; they go into no channel unless told to.
    """

    alert_id: str
    fleet: str
    verb: Verb
    by: str
    note: str
    until: datetime | None
    schema_version: Literal[1] = ACTION_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> AlertAction:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _DECODER.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


_DECODER = msgspec.json.Decoder(AlertAction)
_ENCODER = msgspec.json.Encoder()
