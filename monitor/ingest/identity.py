"""Names from outside (ids, tenants, models, conversations) made safe to be keys, labels and columns.

A name is kept as it is, unless it is too long or holds characters that can't be seen: then "sha256:<hex>" of its
UTF-8 bytes stands for it, the same on every delivery. A number is its decimal string. Anything else is no name.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

EVENT_ID_CHARS: Final = 256
NAME_CHARS: Final = 200
UNKNOWN_MODEL: Final = "unknown"

# A fixed set, not str.isprintable: what is printable changes with Python's Unicode version, and an id may not.
# C0, DEL, C1, soft hyphen, zero-width, bidirectional, line and paragraph separators, BOM.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def event_id(value: object) -> str:
    """An event id of at most 256 characters, or "" where the value names nothing."""
    return _name(value, EVENT_ID_CHARS)


def name(value: object) -> str:
    """A tenant, model or conversation id of at most 200 characters, or "" where the value names nothing."""
    return _name(value, NAME_CHARS)


def digest(raw: bytes) -> str:
    """What stands for a name that can't be kept."""
    return f"sha256:{sha256(raw).hexdigest()}"


def _name(value: object, limit: int) -> str:
    if type(value) is str:
        if len(value) <= limit and (value.isprintable() if value.isascii() else not _UNSEEN.search(value)):
            return value
        return digest(value.encode())
    if type(value) is int:
        return str(value)
    return ""
