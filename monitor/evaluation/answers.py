"""What a guard answered on labelled rows: one record a row, without its texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from monitor.ports import Score


class Row(msgspec.Struct, frozen=True, gc=False):
    """One labelled exchange, as a line of the data has it; None means not labelled, never no."""

    source: str
    prompt: str
    response: str | None
    prompt_harmful: bool | None
    response_harmful: bool | None
    refusal: bool | None
    category: str | None

    @property
    def has_label(self) -> bool:
        """Whether any question can be asked of it. What is asked of a response needs one."""
        return (
            self.prompt_harmful is not None
            or self.category is not None
            or (self.response is not None and (self.refusal is not None or self.response_harmful is not None))
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """Labels and answer of one row. `prompt_key` is the same for equal prompts: 16 bytes of a hash, so that a file of any
    length can be held."""

    source: str
    prompt_key: bytes
    has_response: bool
    prompt_harmful: bool | None
    response_harmful: bool | None
    refusal: bool | None
    category: str | None
    score: Score


@dataclass(slots=True)
class Answers:
    """All that was answered, and how many rows were not, by status."""

    rows: list[Answered] = field(default_factory=list)
    unanswered: dict[str, int] = field(default_factory=dict)
    truncated: int = 0

    def add(self, row: Row, score: Score) -> None:
        """Keep one answer; one whose status isn't ok is counted, and in no figure."""
        if score.status != "ok":
            self.unanswered[score.status] = self.unanswered.get(score.status, 0) + 1
            return
        self.truncated += score.truncated
        key = blake2b(row.prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self.rows.append(
            Answered(
                row.source,
                key,
                row.response is not None,
                row.prompt_harmful,
                row.response_harmful,
                row.refusal,
                row.category,
                score,
            )
        )
