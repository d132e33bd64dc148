"""A judgement as the row of a table: the answer's fields beside the others. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.judgements import Judgement


def judgement_row(value: bytes) -> bytes:
    """The row of a record of safety.judgements, as JSON. Raises msgspec.MsgspecError where it is none."""
    judgement = Judgement.from_bytes(value)
    row: dict[str, Any] = {
        name: getattr(judgement, name) for name in Judgement.__struct_fields__ if name != "answer"
    }
    return msgspec.json.encode(row | msgspec.structs.asdict(judgement.answer))
