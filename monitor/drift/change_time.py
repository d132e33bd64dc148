"""When a change happened: of the beginnings of buckets, the smallest set that holds it with a given probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MASS: Final = 0.95


@dataclass(frozen=True, slots=True)
class ChangeTime:
    """Microseconds since 1970. `at`: half the probability lies before. `bucket`: the first that is wholly after `at`."""

    bucket: int
    at: int
    since: int
    until: int


def log_lengths(begins_at: Ints, ends_at: Ints) -> Floats:
    """The log prior of "bucket t is the first after the change", [T]: proportional to the time in which it may have fallen,
    which is from the beginning of the bucket before."""
    lengths = np.diff(begins_at, prepend=2 * begins_at[0] - ends_at[0]).astype(np.float64)
    logs: Floats = np.log(lengths / lengths.sum())
    return logs


def log_recency(begins_at: Ints, ends_at: Ints) -> Floats:
    """The log prior by which cells are compared, [T]: as likely to have begun in the last minute as in the last hour but that
    minute, and so on (1 / age). It is for "did this cell shift too, now that there was an alarm": with a prior as long as the
    history, weeks in which nothing happened would speak against what began an hour ago."""
    before = np.r_[2 * begins_at[0] - ends_at[0], begins_at[:-1]]
    least = float(ends_at[-1] - begins_at[-1])
    ages, younger = ends_at[-1] - before + least, ends_at[-1] - begins_at + least
    folds = np.log(ages.astype(np.float64)) - np.log(younger.astype(np.float64))
    logs: Floats = np.log(folds / folds.sum())
    return logs


def change_time(log_posterior: Floats, log_prior: Floats, begins_at: Ints, ends_at: Ints) -> ChangeTime:
    """From the log posterior [T], up to a constant, that each bucket is the first after the change.

    A change within a bucket makes this one or the next the first, whichever fits better. So the set is told from the beginning
    of the bucket before its first to the end of its last.
    """
    weights = np.exp(log_posterior - log_posterior.max())
    weights /= weights.sum()
    densest = np.argsort(log_prior - log_posterior, kind="stable")
    enough = int(np.searchsorted(np.cumsum(weights[densest]), MASS))
    chosen = densest[: enough + 1]
    bucket = int(np.searchsorted(np.cumsum(weights), 0.5))
    first, last = max(int(chosen.min()) - 1, 0), int(chosen.max())
    return ChangeTime(
        bucket=bucket, at=int(begins_at[bucket]), since=int(begins_at[first]), until=int(ends_at[last])
    )
