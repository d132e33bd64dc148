"""The alert that a day's shift makes, with evidence that is counted from the day's own exchanges: pages about it agree."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from monitor.drift.units import rate_text
from monitor.intervals import wilson
from schemas.alerts import Alert, alert_id
from schemas.events import Verdict
from schemas.evidence import Interval, MixSplit, Planning, Point, Stratum, WatchedBy
from schemas.taxonomy import BENIGN
from tests.unit.cli.alerts_fixture import evidence, shift

STEP: Final = timedelta(minutes=15)
BEFORE: Final = 24
AFTER: Final = 5
"""Steps from the change on until it was noticed."""


def shifted(verdicts: Iterable[Verdict], changed_at: datetime, now: datetime, fleet: str, note: str) -> Alert:
    """Over-refusal of northwind's atlas-mini, which rose at `changed_at`. `note` stands in the SQL."""
    cell = [
        one
        for one in verdicts
        if (one.tenant, one.model, one.category, one.status) == ("northwind", "atlas-mini", BENIGN, "ok")
    ]
    counts = [_counted(cell, changed_at + STEP * (n - 1)) for n in range(1 - BEFORE, AFTER + 1)]
    before, after = _summed(counts[:BEFORE]), _summed(counts[BEFORE:])
    (k0, n0), (k, n) = before, after
    p0, p = k0 / n0, k / n
    odds = (p / (1 - p)) / (p0 / (1 - p0))
    error = 1.96 * math.sqrt(1 / k + 1 / (n - k) + 1 / k0 + 1 / (n0 - k0))
    low, high = odds * math.exp(-error), odds * math.exp(error)
    width = 1.96 * math.sqrt(p * (1 - p) / n + p0 * (1 - p0) / n0)
    place = {"measure": "over_refusal", "tenant": "northwind", "model": "atlas-mini", "category": BENIGN}
    noticed_at = changed_at + STEP * AFTER
    rests_on = evidence(
        measure="over_refusal",
        window_begins_at=noticed_at - STEP,
        window_ends_at=noticed_at,
        k=float(k),
        n=float(n),
        expected=p0 * n,
        changed_at=changed_at,
        changed_from=changed_at - timedelta(minutes=6),
        changed_until=changed_at + timedelta(minutes=4),
        odds_ratio=Interval(odds, low, high),
        rate_before=Interval(p0, *wilson(k0, n0)),
        rate_after=Interval(p, *wilson(k, n)),
        rate_change=Interval(p - p0, p - p0 - width, p - p0 + width),
        strata=[
            Stratum(
                tenant="northwind",
                model="atlas-mini",
                category=BENIGN,
                k=float(k),
                n=float(n),
                expected=p0 * n,
                evidence=k * math.log(p / p0) + (n - k) * math.log((1 - p) / (1 - p0)),
                is_affected=True,
            )
        ],
        mix=MixSplit(p - p0, 0.0),
        also=[{**place, "measure": "refusal"}],
        series=[
            Point(changed_at + STEP * (at - BEFORE + 1), float(one_k), float(one_n), p0 * one_n)
            for at, (one_k, one_n) in enumerate(counts)
        ],
        planning=Planning(n0 / BEFORE * 96, {"x1.5": 90.0, "x2": 31.0, "x3": 9.0, "x0.5": 65.0}),
        watched_by=WatchedBy("guard_lite", "1", "0123456789abcdef", 0),
        query=f"SELECT *\nFROM verdicts\nWHERE tenant = 'northwind' AND model = 'atlas-mini' AND category = 'benign'{note}",
    )
    return shift(
        id=alert_id(fleet, "rate_shift", place, noticed_at),
        fleet=fleet,
        started_at=noticed_at,
        at=now,
        title=f"Over refusal of northwind / atlas-mini / benign rose from {rate_text('over_refusal', p0)} to "
        f"{rate_text('over_refusal', p)} (×{odds:.2g} odds, 95 % {low:.2g}–{high:.2g})",
        place=place,
        facts={"k": float(k), "n": float(n)},
        remedy=f"see what changed at {changed_at:%H:%M} UTC: a prompt, a model, a customer",
        drift=rests_on,
    )


def _counted(cell: Iterable[Verdict], begins: datetime) -> tuple[int, int]:
    """Refused, of the harmless that arrived in a step."""
    here = [one for one in cell if begins <= one.arrived_at < begins + STEP and not one.prompt_harmful]
    return sum(bool(one.refused) for one in here), len(here)


def _summed(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    found = list(counts)
    return sum(k for k, _ in found), sum(n for _, n in found)
