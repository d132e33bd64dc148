"""The posterior over change times and odds shifts, on a grid that is laid where it lives.

Each cell takes part in the shift with probability `PARTS`, so that cells which don't shift speak against a shift there and
not against the shift. What a cell adds, given what all others say of change time and size, is its e-value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.likelihood import Counts, Surface, sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHIFT_SCALE: Final = 1.2
"""The prior of the log odds shift is normal around 0 with this deviation: tuned once (benchmarks/drift/effects.py)."""
WIDEST_SHIFT: Final = 6.0
PARTS: Final = (0.1, 0.5, 1.0)
"""The part of the cells that share the shift is one of these, each as likely; with a single cell it is all."""

_FIRST_SHIFTS: Final[Floats] = np.linspace(-WIDEST_SHIFT, WIDEST_SHIFT, 25)
_MOST_SHIFTS: Final = 56
_MUCH: Final = 0.05
_BETWEEN: Final = (0.5, 0.25, 0.75)
_FIRST_CHANGES: Final = 48
_MOST_CHANGES: Final = 240
_ROUNDS: Final = 16
_NEGLIGIBLE: Final = 12.0
# A standard normal, in steps: the baseline's uncertainty within a point of the grid.
_STEPS: Final[Floats] = np.linspace(-2.8, 2.8, 9)
_STEP_WEIGHTS: Final[Floats] = np.exp(-0.5 * _STEPS**2) / np.exp(-0.5 * _STEPS**2).sum()
_QUANTILES: Final[Floats] = np.array([0.5, 0.025, 0.975])
_KEPT_MASS: Final = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Change times [T'] and shifts [D], what the counts say there, and the prior's probabilities, [T', D], in logarithms."""

    changes: Ints
    shifts: Floats
    surface: Surface
    log_prior: Floats
    log_bayes: Floats

    @classmethod
    def of(cls, changes: Ints, shifts: Floats, surface: Surface, log_lengths: Floats) -> _Grid:
        """`log_lengths` [T]: the log prior of all change times."""
        widths = np.diff(shifts, prepend=shifts[0], append=shifts[-1])
        density = np.exp(-0.5 * (shifts / SHIFT_SCALE) ** 2) / (SHIFT_SCALE * np.sqrt(2.0 * np.pi))
        log_shifts = np.log((widths[1:] + widths[:-1]) / 2.0 * density)
        return cls(
            changes=changes,
            shifts=shifts,
            surface=surface,
            log_prior=_nearest(changes, log_lengths)[:, None] + log_shifts,
            log_bayes=_mean([_shared(surface.log_bayes, part).sum(axis=1) for part in _parts(surface)]),
        )

    def finer(self, counts: Counts, changes: Ints, shifts: Floats, *, log_lengths: Floats) -> _Grid:
        """With more change times and more shifts, none of which is there already."""
        surface, all_shifts, all_changes = self.surface, self.shifts, self.changes
        if shifts.size:
            order = np.argsort(np.r_[all_shifts, shifts])
            surface = surface.joined(counts.surface(all_changes, shifts), 2, order)
            all_shifts = np.r_[all_shifts, shifts][order]
        if changes.size:
            order = np.argsort(np.r_[all_changes, changes])
            surface = surface.joined(counts.surface(changes, all_shifts), 0, order)
            all_changes = np.r_[all_changes, changes][order]
        return _Grid.of(all_changes, all_shifts, surface, log_lengths)

    @property
    def log_posterior(self) -> Floats:
        """[T', D], not normalised."""
        return self.log_prior + self.log_bayes

    def by_change(self) -> Floats:
        """The log likelihood of the change times, [T'], shifts integrated out."""
        lengths = _log_sum(self.log_prior, axis=1)
        return _log_sum(self.log_posterior, axis=1) - lengths

    def more_shifts(self) -> Floats:
        """Shifts in between, where much of the posterior is between two."""
        by_shift = self.by_shift()
        mass = np.exp(by_shift - by_shift.max())
        mass /= mass.sum()
        between = np.flatnonzero((mass[1:] + mass[:-1]) / 2.0 > _MUCH)
        low, high = self.shifts[between], self.shifts[between + 1]
        return np.concatenate([low + (high - low) * part for part in _BETWEEN])

    def more_changes(self) -> Ints:
        """Change times between those that matter, the likeliest first."""
        likelihood = self.by_change()
        reach = np.maximum(likelihood[1:], likelihood[:-1])
        wide = (np.diff(self.changes) > 1) & (reach > likelihood.max() - _NEGLIGIBLE)
        between = np.flatnonzero(wide)
        between = between[np.argsort(-reach[between], kind="stable")]
        low, high = self.changes[between], self.changes[between + 1]
        if (high - low).sum() <= _MOST_CHANGES - len(self.changes):
            more = [np.arange(one + 1, two) for one, two in zip(low, high, strict=True)]
            return np.concatenate([*more, np.zeros(0, dtype=np.int64)])
        # The middle of the likeliest, then its quarters, then those of the next.
        found = (low[:, None] + (high - low)[:, None] * np.array(_BETWEEN)).astype(np.int64).ravel()
        first_of_each = np.sort(np.unique(found, return_index=True)[1])
        new: Ints = found[first_of_each]
        return new[~np.isin(new, self.changes)]

    def by_shift(self) -> Floats:
        """The log posterior of the shifts, [D], not normalised."""
        return _log_sum(self.log_posterior, axis=0)

    def with_prior(self, log_prior: Floats) -> _Grid:
        """The same with another log prior of all change times, [T]."""
        return _Grid.of(self.changes, self.shifts, self.surface, log_prior)

    def log_without_each(self) -> Floats:
        """The log posterior that each cell's others have, [T', C, D], not normalised."""
        cells = self.surface.log_bayes
        others: list[Floats] = []
        for part in _parts(self.surface):
            shared = _shared(cells, part)
            others.append(shared.sum(axis=1, keepdims=True) - shared)
        return self.log_prior[:, None, :] + _mean(others)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The posterior of a shift in `counts`. `weights`: the probabilities of the grid's points, [T', D]."""

    counts: Counts
    grid: _Grid
    weights: Floats

    @classmethod
    def of(cls, counts: Counts, log_lengths: Floats) -> Posterior:
        """`log_lengths` [T]: the log prior of the change times, which are the beginnings of the T buckets."""
        changes = _spread(len(log_lengths))
        grid = _Grid.of(changes, _FIRST_SHIFTS, counts.surface(changes, _FIRST_SHIFTS), log_lengths)
        for _ in range(_ROUNDS):
            shifts = grid.more_shifts()[: _MOST_SHIFTS - len(grid.shifts)]
            changes = grid.more_changes()[: _MOST_CHANGES - len(grid.changes)]
            if not shifts.size and not changes.size:
                break
            grid = grid.finer(counts, changes, shifts, log_lengths=log_lengths)
        weights = np.exp(grid.log_posterior - grid.log_posterior.max())
        return cls(counts=counts, grid=grid, weights=weights / weights.sum())

    def log_changes(self, buckets: int) -> Floats:
        """The log likelihood of each of the T change times, up to a constant; between those looked at, as between them."""
        return np.interp(np.arange(buckets), self.grid.changes, self.grid.by_change())

    def log_e_values(self, log_prior: Floats) -> tuple[Floats, float]:
        """Of each cell, [C], the log of its likelihood ratio averaged over what the other cells say of the shift: an e-value
        where cells don't depend on each other, because nothing of its own chose the weights. And the log Bayes factor of
        all together. `log_prior` [T]: of the change times."""
        grid = self.grid.with_prior(log_prior)
        others = grid.log_without_each()
        together = _log_sum(others + grid.surface.log_bayes, axis=(0, 2))
        everything = _log_sum(grid.log_posterior.ravel(), axis=0)
        return together - _log_sum(others, axis=(0, 2)), float(everything)

    def is_rise(self) -> bool:
        """Whether a rise is the likelier."""
        by_shift = self.weights.sum(axis=0)
        return bool(by_shift @ np.sign(self.grid.shifts) >= 0.0)

    def levels(self) -> Floats:
        """The posterior mean of the cells' log-odds before the change, season apart, [C]."""
        inside: Floats = np.einsum("td,tcd->c", self.weights, self.grid.surface.level)
        return inside * self.counts.sign[:, 0]

    def odds_ratio(self) -> Floats:
        """Median, 2.5 % and 97.5 % quantile of the odds ratio, [3]."""
        until = np.cumsum(self.weights.sum(axis=0))[:-1]  # the probability up to half-way to the next shift
        middles = (self.grid.shifts[1:] + self.grid.shifts[:-1]) / 2.0
        quantiles: Floats = np.exp(np.interp(_QUANTILES, until, middles))
        return quantiles

    def rates(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Median, 2.5 % and 97.5 % quantile, [3] each, of the rate before, after, and of the change, for `weights` [T, C] events,
        not all 0."""
        total = weights.sum()
        ends: list[tuple[Floats, Floats]] = []
        for shifts in (np.zeros(1), self.grid.shifts):
            positives, slope = self.counts.expected(weights, self.grid.surface, shifts)
            rate = np.clip(positives.sum(axis=1) / total, 1e-300, 1.0 - 1e-15)
            spread = np.sqrt((slope**2 * self.grid.surface.variance).sum(axis=1)) / total
            ends.append((np.log(rate) - np.log1p(-rate), spread / (rate * (1.0 - rate))))
        flat = self.weights.ravel()
        likeliest = np.argsort(-flat, kind="stable")
        likeliest = likeliest[: int(np.searchsorted(np.cumsum(flat[likeliest]), _KEPT_MASS)) + 1]
        mass = (flat[likeliest][:, None] * _STEP_WEIGHTS).ravel()
        before, after = (
            sigmoid(middle.ravel()[likeliest][:, None] + spread.ravel()[likeliest][:, None] * _STEPS)
            for middle, spread in ends
        )
        return _quantiles(before, mass), _quantiles(after, mass), _quantiles(after - before, mass)


def _nearest(changes: Ints, log_prior: Floats) -> Floats:
    """The log prior of `changes`, each with all change times that are nearest to it, [T']."""
    middles = (changes[1:] + changes[:-1] + 1) // 2
    prior: Floats = np.log(np.add.reduceat(np.exp(log_prior), np.r_[0, middles]))
    return prior


def _parts(surface: Surface) -> tuple[float, ...]:
    return PARTS if surface.log_bayes.shape[1] > 1 else (1.0,)


def _shared(log_bayes: Floats, part: float) -> Floats:
    """The log Bayes factor of a cell that takes part with probability `part`."""
    if part == 1.0:
        return log_bayes
    mixed: Floats = np.logaddexp(np.log1p(-part), np.log(part) + log_bayes)
    return mixed


def _mean(logs: list[Floats]) -> Floats:
    """The log of the mean of what these are the logs of."""
    total = logs[0]
    for more in logs[1:]:
        total = np.logaddexp(total, more)
    mean: Floats = total - np.log(len(logs))
    return mean


def _log_sum(logs: Floats, axis: int | tuple[int, ...]) -> Floats:
    """The log of the sum of what these are the logs of."""
    top = logs.max(axis=axis, keepdims=True)
    total: Floats = np.log(np.exp(logs - top).sum(axis=axis)) + top.squeeze(axis=axis)
    return total


def _spread(buckets: int) -> Ints:
    """Change times to begin with: all of a few, else the closer together the nearer to the end."""
    if buckets <= _FIRST_CHANGES:
        return np.arange(buckets)
    near = buckets - np.geomspace(1, buckets, _FIRST_CHANGES // 2)
    even = np.linspace(0, buckets - 1, _FIRST_CHANGES // 2)
    chosen: Ints = np.unique(np.r_[near, even].astype(np.int64))
    return chosen


def _quantiles(values: Floats, mass: Floats) -> Floats:
    values = values.ravel()
    rising = np.argsort(values, kind="stable")
    weights = mass[rising] / mass.sum()
    return np.interp(_QUANTILES, np.cumsum(weights) - weights / 2.0, values[rising])
