"""What a run cost, and what ratio the cores allow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of `workers` processes. `*_s` but `wall_s` is CPU time (None where the system doesn't say)."""

    workers: int
    events: int
    wall_s: float
    workers_s: float
    broker_s: float | None
    others_s: float | None

    @property
    def per_s(self) -> float:
        """Events a second."""
        return self.events / self.wall_s


def idle_limit(one: Run, two: Run, cores: int, *, are_shared: bool) -> float | None:
    """The ratio that CPU time alone allows if nothing else ran: a run can't end before each worker has done its share,
    nor before all cores together have done what is on them."""
    longest_s = [_least_s(run, cores, are_shared=are_shared) for run in (one, two)]
    if longest_s[0] is None or longest_s[1] is None:
        return None
    return longest_s[0] / longest_s[1]


def _least_s(run: Run, cores: int, *, are_shared: bool) -> float | None:
    if not are_shared:
        return max(run.workers_s / run.workers, run.workers_s / cores)
    if run.broker_s is None:
        return None
    return max(run.workers_s / run.workers, (run.workers_s + run.broker_s) / cores)


def loaded_limit(one: Run, two: Run, cores: int) -> float | None:
    """The ratio to the first run as it was that shared cores allow the second, with all that ran on them meanwhile."""
    if two.broker_s is None or two.others_s is None:
        return None
    least_s = max(two.workers_s / two.workers, (two.workers_s + two.broker_s + two.others_s) / cores)
    return one.wall_s / least_s
