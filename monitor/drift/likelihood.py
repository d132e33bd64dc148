"""How well each change time and each odds shift explains the counts, with the baseline's uncertainty integrated out.

In a cell with log-odds x and season offset o_t, k_t of n_t is binomial with log-odds x + o_t before the change and
x + o_t + shift from it on; x has the baseline's Beta(a, b). All counts, a and b too, are divided by phi. The sums over
time, sum n_t softplus(x + o_t), are replaced by c softplus(x + s) + constant, which has their value and their first two
derivatives at the cell's centre: the same function where the season doesn't vary, or where positives are rare. What is
left is an integral over x in one dimension for each change time and shift, taken by Laplace's approximation; against
exact quadrature the log Bayes factors are right to 0.05 (tests/unit/drift/test_likelihood.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEWTON_STEPS: Final = 5
_LONGEST_STEP: Final = 3.0
_TINY: Final = 1e-300


def softplus(x: Floats) -> Floats:
    """log(1 + e^x)."""
    value: Floats = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return value


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    value: Floats = 1.0 / (1.0 + np.exp(np.minimum(-x, 700.0)))
    return value


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """c softplus(x + s) + constant. Its value at the centre is `value`, where the mean of sigmoid(x + s) is `q`."""

    c: Floats
    s: Floats
    constant: Floats

    @classmethod
    def of(cls, sums: Floats, centre: Floats) -> _Form:
        """That with the value, and the sums of n sigmoid and of n sigmoid^2, that `sums` [3, ...] has at `centre`."""
        value, first, squares = sums
        q = np.divide(squares, first, out=np.full_like(first, 0.5), where=first > 0)
        q = np.clip(q, _TINY, 1.0 - 1e-12)
        c = first / q
        return cls(c=c, s=np.log(q) - np.log1p(-q) - centre, constant=value + c * np.log1p(-q))

    def at(self, x: Floats) -> Floats:
        return self.c * softplus(x + self.s) + self.constant


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Of each change time, cell and shift, [T', C, D]: `log_bayes` is the log Bayes factor against no change; the cell's
    log-odds have the posterior mean `level` and variance `variance`."""

    log_bayes: Floats
    level: Floats
    variance: Floats

    def joined(self, other: Surface, axis: int, order: Ints) -> Surface:
        """Both, one after the other along `axis`, and then in `order`."""
        return Surface(
            *(
                np.concatenate((getattr(self, name), getattr(other, name)), axis=axis).take(order, axis=axis)
                for name in ("log_bayes", "level", "variance")
            )
        )


class Counts:
    """The counts of T buckets in C cells, ready to be asked for any change times and shifts.

    `k`, `n`, `offset` [T, C]; `a`, `b`, `phi` [C]. Where positives are the rule, what isn't positive is counted, which is the
    same and keeps the forms exact; `sign` [C, 1] is -1 there, and the cell's log-odds and shifts are turned round inside.
    """

    def __init__(self, k: Floats, n: Floats, offset: Floats, *, a: Floats, b: Floats, phi: Floats) -> None:
        turned = a + k.sum(axis=0) > b + (n - k).sum(axis=0)
        self.sign: Floats = np.where(turned, -1.0, 1.0)[:, None]
        self._k: Floats = np.where(turned, n - k, k) / phi
        self._n: Floats = n / phi
        self._a: Floats = np.where(turned, b, a) / phi
        self._b: Floats = np.where(turned, a, b) / phi
        offset = np.where(turned, -offset, offset)
        # Buckets of one stretch share their offsets: functions of them are needed once a stretch.
        starts = np.flatnonzero(np.r_[True, np.any(np.diff(offset, axis=0) != 0.0, axis=1)])
        self._stretch: Ints = np.searchsorted(starts, np.arange(len(k)), side="right") - 1
        self._offset: Floats = offset[starts]
        self._k_from: Floats = _from_each(self._k)
        self._n_from: Floats = _from_each(self._n)
        self._stretch_end: Ints = np.r_[starts[1:], len(k)]
        self._stretch_n: Floats = np.add.reduceat(self._n, starts, axis=0)
        self.centre: Floats = self._level_without_change()

    def _level_without_change(self) -> Floats:
        """The posterior mode of the cells' log-odds if nothing changed, [C]."""
        x: Floats = np.log(self._a) - np.log(self._b)
        target = self._a + self._k_from[0]
        for _ in range(12):
            own, seen = sigmoid(x), sigmoid(x + self._offset)
            total = (self._a + self._b) * own + (self._stretch_n * seen).sum(axis=0)
            slope = (self._a + self._b) * own * (1 - own) + (self._stretch_n * seen * (1 - seen)).sum(axis=0)
            x = x - np.clip(np.log(total / target) * total / slope, -_LONGEST_STEP, _LONGEST_STEP)
        return x

    def _sums(self, changes: Ints, shifts: Floats) -> Floats:
        """Of n softplus, n sigmoid and n sigmoid^2 at the centre and `shifts` [D], from each of `changes` [T'] on,
        [3, T', C, D]."""
        stretch = self._stretch[changes]
        rest = (self._n_from[changes] - self._n_from[self._stretch_end[stretch]])[:, :, None]
        first = int(stretch.min())  # what lies before all the changes isn't in any of the sums
        stretch = stretch - first
        x = (self.centre + self._offset[first:])[:, :, None] + self.sign * shifts
        share = sigmoid(x)
        weights = self._stretch_n[first:, :, None]

        def total(values: Floats) -> Floats:
            sums: Floats = _from_each(weights * values)[stretch + 1] + rest * values[stretch]
            return sums

        return np.stack((total(softplus(x)), total(share), total(share * share)))

    def surface(self, changes: Ints, shifts: Floats) -> Surface:
        """What the counts say of a change at the beginning of each of the buckets `changes` [T'] by `shifts` [D]."""
        centre = self.centre[:, None]
        unshifted = np.zeros(1)
        own = sigmoid(centre)
        prior = (self._a + self._b)[:, None] * np.stack((softplus(centre), own, own * own))
        everything = prior[:, None] + self._sums(np.zeros(1, dtype=np.int64), unshifted)
        before = _Form.of(np.maximum(everything - self._sums(changes, unshifted), 0.0), centre)
        after = _Form.of(self._sums(changes, shifts), centre)
        target = (self._a + self._k_from[0])[:, None]
        gained = self._k_from[changes][:, :, None] * (self.sign * shifts)
        log_changed, level, slope = _laplace(target, before, after, centre)
        nothing = _Form(c=np.zeros(1), s=np.zeros(1), constant=np.zeros(1))
        log_same, _, _ = _laplace(target, _Form.of(everything, centre), nothing, centre)
        return Surface(log_bayes=log_changed + gained - log_same, level=level, variance=1.0 / slope)

    def expected(self, weights: Floats, surface: Surface, shifts: Floats) -> tuple[Floats, Floats]:
        """Positives that `weights` [T, C] events would have with `shifts` [D] or [1], and the derivative of that by the cell's
        log-odds, [T', C, D] each."""
        starts = np.r_[0, self._stretch_end[:-1]]
        grouped = np.add.reduceat(weights, starts, axis=0)
        counted = grouped.any(axis=1)
        grouped = grouped[counted][:, :, None]
        x = (self.centre + self._offset[counted])[:, :, None] + self.sign * shifts
        share = sigmoid(x)
        sums = np.stack([(grouped * f).sum(axis=0)[None] for f in (softplus(x), share, share * share)])
        form = _Form.of(sums, self.centre[:, None])
        at = sigmoid(surface.level + form.s)
        total = grouped.sum(axis=0)
        positives = np.clip(form.c * at, 0.0, total)
        return np.where(self.sign < 0, total - positives, positives), form.c * at * (1.0 - at)


def _from_each(values: Floats) -> Floats:
    """Sums over the first axis from each place to the end, and 0 at last: one longer."""
    sums = np.zeros((len(values) + 1, *values.shape[1:]))
    if values[0].size < 64:
        np.cumsum(values[::-1], axis=0, out=sums[:-1][::-1])
        return sums
    for place in range(len(values) - 1, -1, -1):  # numpy's own walks across the rows: four times slower
        np.add(sums[place + 1], values[place], out=sums[place])
    return sums


def _laplace(target: Floats, before: _Form, after: _Form, centre: Floats) -> tuple[Floats, Floats, Floats]:
    """The log integral over x of exp(target x - before(x) - after(x)) but for a constant, its mode, and minus the second
    derivative there. Newton's method on the logarithm of the expected count, which is nearly linear where positives are rare."""
    shape = np.broadcast_shapes(before.c.shape, after.c.shape)
    x = np.broadcast_to(centre, shape)
    slope = np.ones(shape)
    for step in range(_NEWTON_STEPS):
        one, two = sigmoid(x + before.s), sigmoid(x + after.s)
        first, second = before.c * one, after.c * two
        total = first + second
        slope = np.maximum(first * (1.0 - one) + second * (1.0 - two), _TINY)
        if step < _NEWTON_STEPS - 1:
            x = x - np.clip(np.log(total / target) * total / slope, -_LONGEST_STEP, _LONGEST_STEP)
    return target * x - before.at(x) - after.at(x) - 0.5 * np.log(slope), x, slope
