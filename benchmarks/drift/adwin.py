"""ADWIN (Bifet and Gavalda 2007) as river has it, for many streams at once: until its first alarm the sizes of its buckets are
those of every stream, so that only their sums are kept for each. tests/unit/drift/test_benchmark.py holds it to river's.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.drift.cells import Cell, Floats
from benchmarks.drift.detectors import Kept

BUCKETS: Final = 5
LEAST: Final = 5


class Adwin:
    """The statistic is log(1 / delta) at which a cut is just found. The reference is in its window, and it can't fire on it.

    `block`: events in the smallest bucket (1 in river's). `every`: windows between looks (river looks every 32 events).
    """

    def __init__(self, copies: int, *, block: int, every: int) -> None:
        self.block = block
        self.every = every
        self.rows: list[list[Floats]] = [[]]
        self.sum = np.zeros(copies)
        self.n = 0
        self.looks = 0

    @classmethod
    def knowing(cls, cell: Cell, known: Floats, chance: np.random.Generator) -> Adwin:
        """Copies with their references in the window, in blocks of at most half an expected positive."""
        block = max(1, cell.window // 4)
        made = cls(len(known), block=block, every=max(1, 4 // cell.window))
        made.window = cell.window
        made.chance = chance
        left, size = known.astype(np.int64), cell.reference
        for _ in range(cell.reference // block):
            drawn = chance.hypergeometric(left, size - left, block)
            made.insert(drawn.astype(np.float64))
            left, size = left - drawn, size - block
        return made

    window: int
    chance: np.random.Generator

    def take(self, k: Floats) -> Floats:
        left, size = k.astype(np.int64), self.window
        for _ in range(self.window // self.block):
            drawn = self.chance.hypergeometric(left, size - left, self.block) if size > self.block else left
            self.insert(drawn.astype(np.float64))
            left, size = left - drawn, size - self.block
        self.looks += 1
        return self.evidence() if self.looks % self.every == 0 else np.full(len(k), -np.inf)

    def insert(self, k: Floats) -> None:
        """One block with `k` [m] positives."""
        self.rows[0].append(k)
        self.sum = self.sum + k
        self.n += self.block
        for place, row in enumerate(self.rows):
            if len(row) <= BUCKETS:
                break
            if place + 1 == len(self.rows):
                self.rows.append([])
            self.rows[place + 1].append(row[0] + row[1])
            del row[:2]

    def evidence(self) -> Floats:
        """log(1 / delta) of the clearest cut, [m]."""
        sizes = [self.block << place for place in reversed(range(len(self.rows))) for _ in self.rows[place]]
        sums = [bucket for row in reversed(self.rows) for bucket in row]
        old_n = np.cumsum(np.array(sizes, np.float64))[:-1]
        old_k = np.cumsum(np.array(sums), axis=0)[:-1]
        new_n, new_k = self.n - old_n, self.sum - old_k
        usable = (old_n >= LEAST) & (new_n >= LEAST)
        old_n, new_n, old_k, new_k = old_n[usable], new_n[usable], old_k[usable], new_k[usable]
        gap = np.abs(old_k / old_n[:, None] - new_k / new_n[:, None])
        recip = (1.0 / (old_n - LEAST + 1.0) + 1.0 / (new_n - LEAST + 1.0))[:, None]
        rate = self.sum / self.n
        # |gap| = sqrt(2 m v x) + 2/3 m x, for x = log(2 log(width) / delta)
        linear = np.sqrt(2.0 * recip * rate * (1.0 - rate))
        slope = 2.0 / 3.0 * recip
        root = (np.sqrt(linear**2 + 4.0 * slope * gap) - linear) / (2.0 * slope)
        found: Floats = (root**2).max(axis=0) - np.log(2.0 * np.log(self.n))
        return found

    def keep(self, kept: Kept) -> None:
        self.sum = self.sum[kept]
        self.rows = [[bucket[kept] for bucket in row] for row in self.rows]
