"""The topic of calibrations, record by record: which record of each model counts, and what is ignored. Pure."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

import msgspec

from monitor.errors import Rejected
from monitor.recalibration.keys import Keys
from monitor.recalibration.life import supersedes
from monitor.recalibration.ports import Distrusted, Held
from monitor.recalibration.signing import Distrust, sign, verify
from schemas.calibrations import Calibration

MOST_DISTRUSTED: Final = 10_000
"""Of what was ignored, the newest are kept."""


def topic_key(fleet: str, model: str) -> bytes:
    """The key of a model's records: JSON, so that no name can be taken for two."""
    return msgspec.json.encode([fleet, model])


class Fold:
    """Takes the records of the one partition in order. A record is what its signed content says, whatever its key."""

    def __init__(self, fleet: str, keys: Keys) -> None:
        self._fleet = fleet
        self._keys = keys
        self._newest: dict[str, Calibration] = {}
        self._last: dict[bytes, bytes | None] = {}
        self._distrusted: deque[Distrusted] = deque(maxlen=MOST_DISTRUSTED)

    def take(self, key: bytes | None, value: bytes | None, *, offset: int, at: datetime) -> None:
        """One record. Those under the key of another fleet are its own: it has its own secret."""
        place = _place(key)
        fleet = None if place is None else place[0]
        if fleet is not None and fleet != self._fleet:
            return
        if key is not None:
            self._last[key] = value
        if value is None:
            return
        try:
            found = verify(value, self._keys.secrets)
            if fleet is not None and key != topic_key(found.fleet, found.model):
                raise Rejected(Distrust.OTHER_PLACE, "key: expected that of its model")
            held = self._newest.get(found.model)
            if supersedes(found, held, fleet=self._fleet, model=found.model):
                self._newest[found.model] = found
        except Rejected as exc:
            self._distrusted.append(Distrusted(_REASONS[exc.reason], offset, at))

    def signed(self, model: str) -> bytes:
        """The newest record of the model, signed with the key that is signed with now. Raises KeyError."""
        return sign(self._newest[model], self._keys.signs, self._keys.secret).to_bytes()

    @property
    def held(self) -> Held:
        """What came of all that was taken."""
        hidden = {
            model
            for model in self._newest
            if self._last.get(topic_key(self._fleet, model)) != self.signed(model)
        }
        return Held(dict(self._newest), tuple(self._distrusted), frozenset(hidden))


def _place(key: bytes | None) -> tuple[str, str] | None:
    try:
        return _KEY.decode(key or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


_KEY: Final = msgspec.json.Decoder(tuple[str, str])

_REASONS: Final = {str(one): one for one in Distrust}
