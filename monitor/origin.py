"""Where a message stood when it was read first: what keeps its ids the same however often it is sent back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from schemas.topics import HEADER_ORIGIN

_PLACE: Final = re.compile(rb"[A-Za-z0-9._-]{1,249}/\d{1,10}/\d{1,18}")


def place(topic: str, partition: int, offset: int) -> str:
    """A place in the log, as it is written: `<topic>/<partition>/<offset>`."""
    return f"{topic}/{partition}/{offset}"


def origin_in(headers: Sequence[tuple[str, bytes]]) -> str:
    """The place that a message sent back names in its headers; "" where it names none, or no place."""
    for name, value in headers:
        if name == HEADER_ORIGIN and _PLACE.fullmatch(value):
            return value.decode("ascii")
    return ""


def event_id_stem(origin: str) -> str:
    """The event id of an exchange whose log names none, made of its message's place."""
    return origin.replace("/", "-")
