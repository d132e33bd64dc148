"""Files of labels: JSON lines with an id and any of `refusal`, `prompt_harmful`, `response_harmful` (0, 1, true, false,
or null where there is none)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from monitor.agreement import LABELS, Label
from monitor.cli.chat_log_lines import find_sources, read_lines
from monitor.errors import Misconfigured

_MAX_LINE_BYTES: Final = 16_777_216


class _Row(msgspec.Struct):
    id: str
    refusal: Any = None
    prompt_harmful: Any = None
    response_harmful: Any = None


_DECODER: Final = msgspec.json.Decoder(_Row)
_VALUES: Final[dict[object, bool]] = {0: False, 1: True}
"""Also false and true, which equal them."""


def read_labels(files: Sequence[str]) -> tuple[list[str], dict[Label, dict[str, bool]]]:
    """All ids, and for each label the ids that carry it. Raises Misconfigured naming file, line and what is wrong."""
    ids: dict[str, str] = {}
    labels: dict[Label, dict[str, bool]] = {label: {} for label in LABELS}
    for source in find_sources(files):
        for line in read_lines(source, _MAX_LINE_BYTES):
            if not line.text.strip():
                continue
            place = f"{source.name}, line {line.number}"
            try:
                row = _DECODER.decode(line.text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
                raise Misconfigured(
                    f"{place} is no label: a JSON object with a text `id` is expected ({type(exc).__name__})",
                    "give files of labels; chat logs are sent with `watchkeeper replay`",
                ) from exc
            if row.id in ids:
                raise Misconfigured(f"{place} has the id of {ids[row.id]}", "give each id once")
            ids[row.id] = place
            for label in LABELS:
                value = getattr(row, label)
                if value is None:
                    continue
                if not isinstance(value, (bool, int, float)) or value not in _VALUES:
                    raise Misconfigured(
                        f"{place}: `{label}` is neither 0, 1, true, false nor null", "correct that line"
                    )
                labels[label][row.id] = _VALUES[value]
    return list(ids), labels
