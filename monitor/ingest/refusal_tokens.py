"""The refusal-token record that a serving side may log beside any exchange (docs/formats.md)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.errors import Rejected
from monitor.ingest.jsontext import parse
from monitor.ingest.outcomes import Outcomes
from schemas.refusal_tokens import RefusalToken

KEY: Final = "refusal_token"
_LARGEST_BYTES: Final = 16_384
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(RefusalToken)


def read(value: Any, out: Outcomes) -> RefusalToken | None:
    """The record, an object or its JSON text; None where there is none.

    A record that can't be used (unknown field, wrong type, over 16 KiB) costs the exchange nothing but the record:
    it is None, and counted in `out.bad_refusal_tokens`, so that it is not lost in silence.
    """
    if value is None:
        return None
    try:
        token = msgspec.convert(parse(value) if type(value) is str else value, RefusalToken)
        encoded = _ENCODER.encode(token)
        # What doesn't come back the same (an infinite logit) would be refused later, by the next process.
        if len(encoded) <= _LARGEST_BYTES and _DECODER.decode(encoded) == token:
            return token
    except (Rejected, msgspec.MsgspecError):
        pass
    out.bad_refusal_tokens += 1
    return None
