"""The watch's state as bytes: the same state gives the same bytes, and bytes that were damaged are told as such.

    8 bytes   "WKDRIFT" and a zero
    4 bytes   version of the layout, big endian
    32 bytes  BLAKE2b of what follows
    the rest  MessagePack: names, incidents, and each array as little-endian bytes

Nothing in it is ever run, so bytes from anywhere can only be refused.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.incidents import Incident
from monitor.drift.instruments import Instrument
from monitor.drift.measures import MEASURE_OF
from monitor.drift.streams import LEVELS, Rows, StreamKey
from monitor.errors import Misconfigured

STATE_VERSION: Final = 1
REMEDY: Final = "build it anew from the windows that were kept: `watchkeeper drift rebuild`"
_MAGIC: Final = b"WKDRIFT\x00"
_HEAD: Final = len(_MAGIC) + 4 + 32


class StateDamaged(Misconfigured):
    """The bytes aren't what a watch wrote."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"the watch's state is damaged: {detail}", REMEDY)


class StateOfOtherVersion(Misconfigured):
    """The bytes are another release's."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the watch's state has layout {version}, and this release reads layout {STATE_VERSION}", REMEDY
        )


_By = tuple[str, str, str, int] | None
_Key = tuple[str, str, str | None, str | None, str | None, int]
"""measure, level, tenant, model, category, and the guard's number; -1: whichever."""


class _Array(msgspec.Struct, frozen=True, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


class Saved(msgspec.Struct, kw_only=True):
    """All that a watch remembers. Times are microseconds since 1970; -1: none."""

    fleet: str
    position: int
    housekept_at: int
    next_incident: int
    guards: list[tuple[str, str, str, int]]
    stream_keys: list[_Key]
    stream_arrays: list[_Array]
    group_keys: list[_Key]
    group_arrays: list[_Array]
    integral: _Array
    fleet_counts: _Array
    incidents: list[Incident]
    instruments: list[Instrument]


def array_of(name: str, values: NDArray[np.generic]) -> _Array:
    """An array to be saved."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return _Array(name, little.dtype.str, little.shape, little.tobytes())


def values_of(array: _Array) -> NDArray[Any]:
    """An array that was saved, to be written to."""
    return np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape).copy()


def arrays_of(rows: Rows) -> list[_Array]:
    """All columns."""
    return [array_of(name, values) for name, values in rows.arrays().items()]


def keys_of(rows: Rows, guards: dict[tuple[str, str, str, int], int]) -> list[_Key]:
    """The rows' keys; guards that are new are numbered in `guards`."""
    keys: list[_Key] = []
    for key in rows.keys:
        by = -1 if key.watched_by is None else guards.setdefault(key.watched_by, len(guards))
        keys.append((key.measure.value, key.level, key.tenant, key.model, key.category, by))
    return keys


def load(
    rows: Rows, saved_keys: list[_Key], arrays: list[_Array], guards: list[tuple[str, str, str, int]]
) -> None:
    """Fill `rows`. Raises StateDamaged for what doesn't fit them."""
    keys = []
    for measure, level, tenant, model, category, by in saved_keys:
        if measure not in MEASURE_OF or level not in LEVELS or by >= len(guards):
            raise StateDamaged("a stream's key can't be")
        guard = guards[by] if by >= 0 else None
        keys.append(StreamKey(MEASURE_OF[measure], level, tenant, model, category, guard))
    by_name = {array.name: values_of(array) for array in arrays}
    for name, dtype, width, _ in rows.columns:
        shape = (len(keys), width) if width else (len(keys),)
        if name not in by_name or by_name[name].shape != shape or by_name[name].dtype != np.dtype(dtype):
            raise StateDamaged(f"the column {name} doesn't fit")
    rows.load(keys, by_name)


def pack(saved: Saved) -> bytes:
    """Bytes of a state."""
    body = _ENCODER.encode(saved)
    return _MAGIC + STATE_VERSION.to_bytes(4, "big") + blake2b(body, digest_size=32).digest() + body


def unpack(state: bytes) -> Saved:
    """The state that these bytes hold. Raises StateDamaged or StateOfOtherVersion. Bytes that aren't a state's are refused by
    their first eight, whatever their number."""
    if len(state) < _HEAD or not state.startswith(_MAGIC):
        raise StateDamaged(f"{len(state)} bytes that don't begin as a state does")
    version = int.from_bytes(state[len(_MAGIC) : len(_MAGIC) + 4], "big")
    if version != STATE_VERSION:
        raise StateOfOtherVersion(version)
    body = memoryview(state)[_HEAD:]
    if blake2b(body, digest_size=32).digest() != state[len(_MAGIC) + 4 : _HEAD]:
        raise StateDamaged("its checksum is wrong")
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as exc:
        raise StateDamaged("its parts can't be read") from exc


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER = msgspec.msgpack.Decoder(Saved)
