"""Which prompts run together: by a budget of tokens, like with like, the short ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Load:
    """What batches held: `tokens` of the prompts and trees, and `padded`, with what filled the rows up. A shared beginning that
    was computed before counts in neither."""

    tokens: int = 0
    padded: int = 0

    @property
    def padding_share(self) -> float:
        """The part of the computed tokens that nobody asked for."""
        return 1 - self.tokens / self.padded if self.padded else 0.0

    def __add__(self, other: Load) -> Load:
        return Load(self.tokens + other.tokens, self.padded + other.padded)


BATCH_TOKENS: Final = 256
"""What starting one more batch costs, in tokens: reading a 7B model's weights once takes an H100 as long as computing some
200 tokens (14 GB at 3 TB/s against 14 GFLOP a token at 600 TFLOP/s). Less padding than this is cheaper than another batch."""


def plan(lengths: Sequence[int], *, budget: int, rows: int) -> list[list[int]]:
    """Indices in batches, of all plans that keep the limits the one that computes least, an added batch counted as
    BATCH_TOKENS.

    A batch times its longest row is at most `budget` tokens, but a row longer than that goes alone; it has at most `rows`
    rows. Batches come shortest first, so that what is short never waits for what is long.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    least, first = [0], [0]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        most = max(1, min(rows, budget // max(longest, 1), end))
        cost, start = min(
            (least[start] + (end - start) * longest + BATCH_TOKENS, start) for start in range(end - most, end)
        )
        least.append(cost)
        first.append(start)
    batches: list[list[int]] = []
    end = len(order)
    while end:
        batches.append(order[first[end] : end])
        end = first[end]
    return batches[::-1]


def load_of(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> Load:
    """What these batches hold."""
    tokens = sum(lengths[index] for batch in batches for index in batch)
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    return Load(tokens, padded)
