"""Waiting between tries: exponential, capped, with full jitter so that a fleet doesn't return in step."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from monitor.settings import RetrySettings


@dataclass(slots=True)
class Backoff:
    """Waits of one run of failures. Not shared between runs."""

    settings: RetrySettings
    attempt: int = 0
    rng: random.Random = field(default_factory=random.Random)

    def went_well(self, for_s: float) -> None:
        """What fails now comes after so long without a failure: where that is as long as the longest wait, what failed before has nothing to do
        with it."""
        if for_s >= self.settings.max_s:
            self.attempt = 0

    def next_s(self, at_least_s: float | None = None) -> float:
        """Seconds to wait now: uniform in [half, whole] of the doubled ceiling, never below `at_least_s`.

        Half rather than zero as the floor, because a worker has one stream: a wait of nothing is a busy loop.
        """
        ceiling = min(self.settings.max_s, self.settings.first_s * 2.0 ** min(self.attempt, 30))
        self.attempt += 1
        return max(self.rng.uniform(ceiling / 2, ceiling), at_least_s or 0.0)
