"""Whether a calibration window may be calibrated on: fresh, complete, large enough, and like the present one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitor.meaning import Word
from monitor.recalibration.exchangeability import compare
from monitor.recalibration.windows import Window


class Obstacle(Word):
    """Why logs are not calibrated on."""

    STALE = "stale", "The newest prompt is older than the limit."
    OVERLAP = (
        "overlap",
        "The present window begins before the calibration window ends: what they share can't differ.",
    )
    TOO_FEW = "too_few", "There are too few identified prompts."
    INCOMPLETE = (
        "incomplete",
        "Too many of the logs are not identified: those that are may be unlike the rest.",
    )
    DRIFTED = "drifted", "The prompts of now are unlike those of the calibration window."
    UNTESTABLE = "untestable", "There are too few prompts now to tell whether they are like those of then."


@dataclass(frozen=True, slots=True)
class Limits:
    """level: chance of a false "drifted". detectable: a distance between the distribution functions of a group that makes a
    tenth or more of the prompts, greater than this, must be one that the test can reject. Ages in seconds; shares 0..1."""

    max_age_s: float = 7 * 24 * 3600.0
    least_prompts: int = 100
    least_identified: float = 0.9
    level: float = 0.01
    detectable: float = 0.2

    def __post_init__(self) -> None:
        """Raise ValueError for a level, a share or an age that can't be."""
        if not (0 < self.level < 1 and 0 <= self.least_identified <= 1 and 0 < self.detectable <= 1):
            raise ValueError("level, least_identified and detectable are shares")
        if self.max_age_s <= 0 or self.least_prompts < 1:
            raise ValueError("max_age_s and least_prompts are positive")


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason, with its figures."""

    obstacle: Obstacle
    detail: str


def objections(then: Window, now: Window, *, at: datetime, limits: Limits) -> tuple[Objection, ...]:
    """Why the window `then` isn't to be calibrated on at the time `at`, given the present window `now`; empty if it may be.

    The windows must not share prompts: what they share is like itself, and hides what changed.
    """
    found = []
    if now.begins_at < then.ends_at:
        ends, begins = then.ends_at.isoformat(), now.begins_at.isoformat()
        found.append(Objection(Obstacle.OVERLAP, f"calibrated until {ends}, present from {begins}"))
    age = (at - then.ends_at).total_seconds()
    if age > limits.max_age_s:
        found.append(
            Objection(
                Obstacle.STALE,
                f"the newest prompt is {age / 3600:.1f} h old, at most {limits.max_age_s / 3600:.1f} h",
            )
        )
    if len(then.sample) < limits.least_prompts:
        found.append(
            Objection(
                Obstacle.TOO_FEW, f"{len(then.sample)} identified prompts, {limits.least_prompts} needed"
            )
        )
    for name, window in (("calibration", then), ("present", now)):
        if window.identified < limits.least_identified:
            report = window.report()
            found.append(
                Objection(
                    Obstacle.INCOMPLETE,
                    f"{window.identified:.0%} of the {name} window identified, {limits.least_identified:.0%} needed"
                    + (f"; {report[0]}" if report else ""),
                )
            )
    if not len(then.sample):
        return tuple(found)
    if not len(now.sample):
        found.append(Objection(Obstacle.UNTESTABLE, "no identified prompt now"))
        return tuple(found)
    return (*found, *_drift(then, now, limits))


def _drift(then: Window, now: Window, limits: Limits) -> list[Objection]:
    comparisons = compare(then.sample, now.sample, level=limits.level)
    each = limits.level / len(comparisons)
    found = [
        Objection(
            Obstacle.DRIFTED,
            f"{one.what}: {one.distance:.3f} apart, p = {one.p:.2g}, level {each:.2g}",
        )
        for one in comparisons
        if one.p <= each
    ]
    total = then.sample.weights.sum()
    for one in comparisons:
        is_large = then.sample.weights[then.sample.group == one.group].sum() >= 0.1 * total
        if one.of == "scores" and is_large and one.detectable > limits.detectable:
            found.append(
                Objection(
                    Obstacle.UNTESTABLE,
                    f"{one.what}: only a distance from {one.detectable:.2f} on would be seen, {limits.detectable:.2f} asked for",
                )
            )
    return found
