"""Where an answer begins: the position whose token is decided about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """`after_id`: the id of a token (the end of a model's thinking) that the answer begins behind; None: behind the prompt.
    `prefix_tokens`: how many tokens stand between that and the answer, because the server forces them."""

    after_id: int | None = None
    prefix_tokens: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a negative number."""
        if self.prefix_tokens < 0 or (self.after_id is not None and self.after_id < 0):
            raise ValueError("a token's id, and a number of tokens, are not negative")
