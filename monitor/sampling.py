"""Which exchanges are scored when not all are: by a hash of the event id, so that a retry decides the same."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_SPAN: Final = float(1 << 64)


def is_sampled(event_id: str, probability: float) -> bool:
    """True for about `probability` of all ids, the same for one id always and everywhere.

    Samples are nested: an id taken at 0.1 is taken at 0.2 as well.
    """
    if probability >= 1.0:
        return True
    digest = blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"wk-sampling").digest()
    return int.from_bytes(digest, "big") / _SPAN < probability
