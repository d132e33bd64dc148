"""Detectors to compare with. Where they look at windows of 2,000 events, these hold the reference's last ones first."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.drift.cells import Cell, Floats
from benchmarks.drift.detectors import PRIOR, Arrays

SPAN: Final = 2_000


def _entropy(k: Floats, n: Floats) -> Floats:
    """Log-likelihood of k of n at its best rate, 0 where it is none or all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = k * np.log(k / n) + (n - k) * np.log1p(-k / n)
    return np.where((k > 0) & (k < n), whole, 0.0)


class Focus(Arrays):
    """The generalised likelihood ratio over all change times and all rates after, exactly (FOCuS: Romano, Eckley, Fearnhead
    and Rigaill, JMLR 24:81, 2023, for Bernoulli): of the change times only the corners of the convex hull of the positives over the
    events can be the best. The rate before is the reference's.
    """

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = float(cell.window)
        self.rate = (known + PRIOR) / (cell.reference + 2 * PRIOR)
        self.known = known
        self.reference = float(cell.reference)
        copies = len(known)
        self.n = 0.0
        self.k = np.zeros(copies)
        # Of both sides (a rise, a fall): corners as events and positives, and how many there are.
        self.corners_n = np.zeros((copies, 2, 64))
        self.corners_k = np.zeros((copies, 2, 64))
        self.count = np.ones((copies, 2), np.int64)

    def take(self, k: Floats) -> Floats:
        self.n += self.window
        self.k = self.k + k
        width = int(self.count.max())
        n, positives = self.corners_n[:, :, :width], self.corners_k[:, :, :width]
        gains = np.where(np.arange(width) < self.count[:, :, None], self._gain(n, positives), 0.0)
        best: Floats = gains.max(axis=(1, 2))
        for side, sign in enumerate((1.0, -1.0)):
            self._add(side, sign)
        return best

    def _gain(self, n: Floats, k: Floats) -> Floats:
        """Log-likelihood ratio of a change after `n` events with `k` positives, against none, [m, 2, corners]."""
        since_n, since_k = self.n - n, self.k[:, None, None] - k
        rate = self.rate[:, None, None]
        gain = _entropy(since_k, since_n) - since_k * np.log(rate) - (since_n - since_k) * np.log1p(-rate)
        return np.where((since_k / since_n > rate) == np.array([True, False])[:, None], gain, 0.0)

    def _add(self, side: int, sign: float) -> None:
        """The point now as a corner, without those that it hides."""
        n, k, count = self.corners_n[:, side], self.corners_k[:, side], self.count[:, side]
        of = np.arange(len(count))
        while True:
            of = of[count[of] >= 2]  # a corner between two
            last, before = count[of] - 1, count[of] - 2
            into = (k[of, last] - k[of, before]) * (self.n - n[of, last])
            out = (self.k[of] - k[of, last]) * (n[of, last] - n[of, before])
            of = of[sign * (into - out) >= 0]
            if not len(of):
                break
            count[of] -= 1
        every = np.arange(len(count))
        if count.max() == n.shape[1]:
            raise OverflowError("more corners than are kept")
        n[every, count] = self.n
        k[every, count] = self.k
        count += 1


class FocusLearning(Focus):
    """The same with the rate before unknown: the best of all that came before the change, reference and all."""

    def _gain(self, n: Floats, k: Floats) -> Floats:
        k = k + self.known[:, None, None]
        all_n, all_k = self.n + self.reference, (self.k + self.known)[:, None, None]
        n = n + self.reference
        since_n, since_k = all_n - n, all_k - k
        gain = _entropy(since_k, since_n) + _entropy(k, n) - _entropy(all_k, np.full_like(all_k, all_n))
        return np.where((since_k * n > k * since_n) == np.array([True, False])[:, None], gain, 0.0)


class SlidingZ(Arrays):
    """The z-test of the last 2,000 events against the reference, after each window."""

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.reference = cell.reference
        self.known = known
        self.places = SPAN // cell.window
        # The window's first 2,000 events are as the reference's: drawn as its last ones would be.
        self.held = np.zeros((len(known), self.places))
        left, size = known.copy(), cell.reference
        for place in range(self.places):
            drawn = chance.hypergeometric(left.astype(np.int64), size - left.astype(np.int64), cell.window)
            self.held[:, place] = drawn
            left, size = left - drawn, size - cell.window
        self.sum = self.held.sum(axis=1)
        self.place = 0

    def take(self, k: Floats) -> Floats:
        self.sum = self.sum + k - self.held[:, self.place]
        self.held[:, self.place] = k
        self.place = (self.place + 1) % self.places
        return two_rates(self.sum, SPAN, self.known, reference=self.reference)


class ChunkZ(Arrays):
    """The z-test of each 2,000 events against the reference, as NannyML and Evidently test chunks."""

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = cell.window
        self.reference = cell.reference
        self.known = known
        self.sum = np.zeros(len(known))
        self.n = 0

    def take(self, k: Floats) -> Floats:
        self.sum = self.sum + k
        self.n += self.window
        if self.n < SPAN:
            return np.full(len(k), -np.inf)
        found = two_rates(self.sum, SPAN, self.known, reference=self.reference)
        self.sum, self.n = np.zeros(len(k)), 0
        return found


def two_rates(k: Floats, n: int, known: Floats, *, reference: int) -> Floats:
    """|z| of k of n against `known` of `reference`, pooled."""
    pooled = (k + known) / (n + reference)
    spread = np.sqrt(np.maximum(pooled * (1.0 - pooled), 1e-12) * (1.0 / n + 1.0 / reference))
    found: Floats = np.abs(k / n - known / reference) / spread
    return found


class PageHinkley(Arrays):
    """Page-Hinkley on both sides as in river: its slack (0.005, whatever the rate), and its fading of what it summed up."""

    fading = 1.0 - 0.0001

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = float(cell.window)
        self.faded = self.fading**cell.window
        self.slack = self._slack(known / cell.reference)
        self.n = np.full(len(known), float(cell.reference))
        self.k = known
        self.up, self.low = np.zeros(len(known)), np.zeros(len(known))
        self.down, self.high = np.zeros(len(known)), np.zeros(len(known))

    def _slack(self, rate: Floats) -> Floats:
        return np.full(len(rate), 0.005)

    def take(self, k: Floats) -> Floats:
        self.n = self.n + self.window
        self.k = self.k + k
        dev = k - self.window * self.k / self.n
        self.up = self.faded * self.up + dev - self.window * self.slack
        self.down = self.faded * self.down + dev + self.window * self.slack
        self.low, self.high = np.minimum(self.low, self.up), np.maximum(self.high, self.down)
        return np.maximum(self.up - self.low, self.high - self.down)


class PageHinkleyScaled(PageHinkley):
    """The same at its best: without fading, and with a quarter of the reference's rate as the slack."""

    fading = 1.0

    def _slack(self, rate: Floats) -> Floats:
        return np.maximum(rate, 1e-6) / 4.0


class Ddm(Arrays):
    """DDM (Gama et al. 2004) as in river: how many s_min the error rate and its deviation are above their lowest sum."""

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = float(cell.window)
        self.n = np.full(len(known), float(cell.reference))
        self.k = known
        self.rate, self.spread = self._now()

    def _now(self) -> tuple[Floats, Floats]:
        rate = self.k / self.n
        return rate, np.sqrt(np.maximum(rate * (1.0 - rate), 1e-12) / self.n)

    def take(self, k: Floats) -> Floats:
        self.n = self.n + self.window
        self.k = self.k + k
        rate, spread = self._now()
        lower = rate + spread <= self.rate + self.spread
        self.rate, self.spread = np.where(lower, rate, self.rate), np.where(lower, spread, self.spread)
        return (rate + spread - self.rate) / self.spread


class HddmA(Arrays):
    """HDDM_A (Frias-Blanco et al. 2015) on both sides as in river.

    Its confidence also moves its cuts. They are made here at log(1 / confidence) = `bound`; `settled` in benchmarks/drift/tracks.py
    brings that and the threshold together.
    """

    bound = 5.0

    def __init__(self, cell: Cell, known: Floats, chance: np.random.Generator) -> None:
        self.window = float(cell.window)
        self.n = np.full(len(known), float(cell.reference))
        self.k = known
        self.low_n, self.low_k = self.n, self.k
        self.high_n, self.high_k = self.n, self.k

    @classmethod
    def of(cls, bound: float) -> type[HddmA]:
        """The same with another bound."""
        return type("HddmA", (cls,), {"bound": max(bound, 1e-3)})

    def take(self, k: Floats) -> Floats:
        self.n = self.n + self.window
        self.k = self.k + k
        mean, half = self.k / self.n, self.bound / 2.0
        slack = np.sqrt(half / self.n)
        lower = self.low_k / self.low_n + np.sqrt(half / self.low_n) >= mean + slack
        self.low_n, self.low_k = np.where(lower, self.n, self.low_n), np.where(lower, self.k, self.low_k)
        higher = self.high_k / self.high_n - np.sqrt(half / self.high_n) <= mean - slack
        self.high_n, self.high_k = (
            np.where(higher, self.n, self.high_n),
            np.where(higher, self.k, self.high_k),
        )
        return np.maximum(
            self._bound(mean - self.low_k / self.low_n, self.low_n),
            self._bound(self.high_k / self.high_n - mean, self.high_n),
        )

    def _bound(self, gap: Floats, cut: Floats) -> Floats:
        """log(1 / confidence) at which the gap is just a drift."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 2.0 * gap**2 * cut * self.n / (self.n - cut) - np.log(2.0)
        return np.where((self.n > cut) & (gap > 0), found, -np.inf)
