"""The compacted topic of calibrations: the newest verified record of each model, and signed records appended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from monitor.adapters.kafka_admin import KafkaAdmin, Range
from monitor.errors import Rejected
from monitor.kafka_settings import KafkaSettings
from monitor.ports import Outbox, OutRecord
from monitor.recalibration.held import Fold, topic_key
from monitor.recalibration.keys import Keys
from monitor.recalibration.life import supersedes
from monitor.recalibration.ports import Held
from monitor.recalibration.signing import Distrust, sign, verify
from schemas.calibrations import Calibration


class CalibrationTopic:
    """Implements recalibration.ports.CalibrationLog. Reads on from where it stood; one reader at a time."""

    def __init__(self, admin: KafkaAdmin, outbox: Outbox, settings: KafkaSettings, keys: Keys) -> None:
        self._admin = admin
        self._outbox = outbox
        self._topic = settings.calibrations_topic
        self._fleet = settings.group_prefix
        self._keys = keys
        self._fold = Fold(self._fleet, keys)
        self._next = 0
        self._partitions: int | None = None
        """One, once it was seen to be there."""

    async def read(self) -> Held:
        """See the port."""
        offsets = (await self._admin.ranges(self._topic, self._partitions))[0]
        self._partitions = 1
        if offsets.end < self._next:  # another topic of that name, or another broker: all is read anew
            self._fold, self._next = Fold(self._fleet, self._keys), 0
        rest = Range(max(self._next, offsets.start), offsets.end)
        async for record in self._admin.read(self._topic, {0: rest}):
            if record.offset >= self._next:
                at = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
                self._fold.take(record.key, record.value, offset=record.offset, at=at)
                self._next = record.offset + 1
        self._next = max(self._next, rest.end)
        return self._fold.held

    async def append(self, new: Calibration) -> None:
        """See the port. Two who append at once both read it back: the first one counts, and the other is told."""
        held = (await self.read()).newest.get(new.model)
        if not supersedes(new, held, fleet=self._fleet, model=new.model):
            return
        signed = sign(new, self._keys.signs, self._keys.secret).to_bytes()
        await self._publish(new.model, signed)
        now = (await self.read()).newest.get(new.model)
        if now != new:
            raise Rejected(
                Distrust.NOT_NEWER,
                f"version {new.version} {new.state}: another was written at the same time; look at it and decide again",
            )

    async def recover(self, kept: Sequence[bytes]) -> list[str]:
        """Write again what the broker has forgotten and the store has kept: records that are signed by us, and newer than what the
        topic holds. Returns their models. Raises as `append`."""
        held = (await self.read()).newest
        found = []
        for value in kept:
            try:
                one = verify(value, self._keys.secrets)
                is_lost = supersedes(one, held.get(one.model), fleet=self._fleet, model=one.model)
            except Rejected:
                continue
            if is_lost:
                await self._publish(one.model, value)
                found.append(one.model)
        await self.read()
        return found

    def signed(self, model: str) -> bytes:
        """The newest record of the model that was read, signed with the key that is signed with now. Raises KeyError."""
        return self._fold.signed(model)

    async def restore(self, model: str) -> None:
        """See the port."""
        await self._publish(model, self._fold.signed(model))

    async def _publish(self, model: str, value: bytes) -> None:
        await self._outbox.publish(self._topic, 0, [OutRecord(topic_key(self._fleet, model), value)])
