"""How streams stand, for people and dashboards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitor.drift.detection import Detection
from monitor.drift.streams import Ints, StreamKey
from schemas.evidence import Planning


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream of a cell. `a`, `b`: its baseline's Beta counts; `rate`: a / (a + b), for the volume exchanges an hour.
    `ratio`: M / A, an alarm at 1. `events`: of its own, ever. `seen_at`: end of the last window with data."""

    key: StreamKey
    state: Literal["learning", "armed", "firing", "stale"]
    a: float
    b: float
    rate: float
    ratio: float
    events: float
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class PlanRow:
    """After how many hours which odds ratio is noticed in a stream, on average, at the traffic of its last day."""

    key: StreamKey
    rate: float
    events_per_day: float
    noticed_after_h: dict[str, float]


def views_of(detection: Detection) -> Sequence[StreamView]:
    """All streams."""
    return ()


def plan_rows(detection: Detection) -> tuple[PlanRow, ...]:
    """All armed streams."""
    return ()


def planning_of(detection: Detection, rows: Ints, place: StreamKey) -> Planning | None:
    """The plan of the streams that an alert tells, together; None where nothing is known of it."""
    return None
