"""The report's questions to the store, and its answers as facts. Each is kept with its text and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from monitor.corrected import correct_patterns
from monitor.estimates.estimates import Corrected
from monitor.rates import Queries
from monitor.reporting.document import Query
from monitor.reporting.facts import (
    MOST_CATEGORIES,
    MOST_MODELS,
    MOST_TENANTS,
    AuditValue,
    CalibrationNow,
    Example,
    Facts,
    Grid,
    Guard,
    JudgedWhy,
    Letters,
    Quality,
    Reach,
    Told,
)
from monitor.reporting.weeks import WEEKS_BEFORE, Week
from monitor.store import sql

EXAMPLES_A_KIND: Final = 5
EXAMPLE_CHARS: Final = 400
AUDIT_WEEKS: Final = 12
STEPS: Final = 11
"""Questions that are asked: what progress counts by."""


def quiet(step: int, doing: str) -> None:
    """Progress that nobody looks at."""


class _Asking:
    """Runs queries and keeps what was run."""

    def __init__(self, store: Queries, tell: Callable[[int, str], None]) -> None:
        self._store = store
        self._tell = tell
        self.done: list[Query] = []

    async def rows(self, name: str, doing: str, **parameters: Any) -> list[dict[str, Any]]:
        self._tell(len(self.done), doing)
        rows = await self._store.query(name, **parameters)
        self.done.append(Query(name, sql.query(name), parameters, len(rows)))
        return rows


async def gather(
    store: Queries,
    week: Week,
    *,
    fleet: str,
    now: datetime,
    tenant: str | None = None,
    model: str | None = None,
    tell: Callable[[int, str], None] = quiet,
) -> Facts:
    """The facts of a week. `tell` is called before each question with its number, from 0 of STEPS. Raises as `Queries` does."""
    asking = _Asking(store, tell)
    only: dict[str, Any] = {"tenant": tenant or "", "model": model or ""}
    inside: dict[str, Any] = {"since": week.since, "until": week.until, **only}
    (reach,) = await asking.rows("report_reach", "how far the counts reach")
    days = await asking.rows(
        "report_days",
        "counts of five weeks",
        since=week.before(WEEKS_BEFORE).since,
        until=week.until,
        zone=week.zone_name,
        week=week.since,
        tenants=MOST_TENANTS,
        models=MOST_MODELS,
        categories=MOST_CATEGORIES,
        **only,
    )
    guards = await asking.rows("report_guards", "guards and calibrations", **inside)
    alerts = await asking.rows("report_alerts", "alerts", fleet=fleet, **inside)
    letters = await asking.rows(
        "report_dead_letters", "bad messages", before=week.before().since, since=week.since, until=week.until
    )
    judged = await asking.rows("report_judged", "the judge", **inside)
    patterns = await asking.rows("report_patterns", "corrections by the judge", **inside)
    quality = await asking.rows("report_refusal_quality", "the quality of refusals", **inside)
    examples = await asking.rows(
        "report_examples", "examples", each=EXAMPLES_A_KIND, chars=EXAMPLE_CHARS, **inside
    )
    audits = await asking.rows(
        "report_audits",
        "audits",
        fleet=fleet,
        since=week.before(AUDIT_WEEKS).since,
        until=week.until,
        model=model or "",
    )
    calibrations = await asking.rows(
        "report_calibrations",
        "calibrations",
        fleet=fleet,
        since=week.since,
        until=week.until,
        model=model or "",
    )
    return Facts(
        week=week,
        asked_at=now,
        tenant=tenant,
        model=model,
        fleet=fleet,
        grid=Grid(week, days),
        reach=reach_of(reach),
        guards=tuple(map(_guard, guards)),
        alerts=tuple(map(_told, alerts)),
        letters=tuple(Letters(row["why"], int(row["now"]), int(row["before"])) for row in letters),
        judged=tuple(JudgedWhy(**_of(JudgedWhy, row)) for row in judged),
        corrected=corrected_of(patterns),
        corrected_by_category=corrected_by_category_of(patterns),
        quality=tuple(Quality(**_of(Quality, row)) for row in quality),
        examples=tuple(map(_example, examples)),
        audits=tuple(map(_audit, audits)),
        calibrations=tuple(map(_calibration, calibrations)),
        queries=tuple(asking.done),
    )


def reach_of(row: Mapping[str, Any]) -> Reach:
    """A row of report_reach.sql."""
    return Reach(_utc(row["computed_until"]), int(row["waiting"]), _utc(row["newest_arrived_at"]))


def corrected_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Corrected, ...]:
    """The rates that rows of report_patterns.sql give, in the order of RATE_NAMES; nothing where there are no rows."""
    cells = correct_patterns([{**row, "category_key": None} for row in rows])
    return next(iter(cells.values()), ())


def corrected_by_category_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Corrected, ...]]:
    """The same of each category."""
    return {category or "": rates for (_, _, _, category), rates in correct_patterns(rows).items()}


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _sure(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _of(kind: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of that class that the row has, by name."""
    return {name: row[name] for name in kind.__slots__}


def _guard(row: Mapping[str, Any]) -> Guard:
    return Guard(
        row["guard"],
        row["version"],
        int(row["calibration"]),
        int(row["events"]),
        _sure(row["first_at"]),
        _sure(row["last_at"]),
    )


def _told(row: Mapping[str, Any]) -> Told:
    evidence: Any = None
    if row["evidence"]:
        try:
            evidence = msgspec.json.decode(row["evidence"])
        except msgspec.DecodeError:
            evidence = None  # a newer release's: its title says what it is about
    return Told(
        id=row["id"],
        kind=row["kind"],
        severity=row["severity"],
        state=row["state"],
        started_at=_sure(row["started_at"]),
        ended_at=_utc(row["ended_at"]),
        title=row["title"],
        place=dict(row["place"]),
        remedy=row["remedy"],
        evidence=evidence if isinstance(evidence, dict) else None,
    )


def _audit(row: Mapping[str, Any]) -> AuditValue:
    given = {name: row[name] for name in ("audit_id", "series", "model_version", "value", "low", "high")}
    changed = {name: row[name] for name in ("before", "change_low", "change_high", "change_p", "has_changed")}
    return AuditValue(
        at=_sure(row["at"]),
        model=row["model_key"],
        anchor_set=row["set_key"],
        state=row["outcome"],
        reason=row["why"],
        layer=row["layer_key"],
        measure=row["measure_key"],
        **given,
        **changed,
    )


def _calibration(row: Mapping[str, Any]) -> CalibrationNow:
    try:
        evidence: Any = msgspec.json.decode(row["evidence"] or b"[]")
    except msgspec.DecodeError:
        evidence = []
    groups = [one for one in evidence if isinstance(one, dict)] if isinstance(evidence, list) else []
    return CalibrationNow(
        model=row["model"],
        version=int(row["version"]),
        state=row["state_now"],
        at=_sure(row["at"]),
        by=row["by"],
        reason=row["reason"],
        rule=row["rule_now"],
        thresholds=dict(row["thresholds"]),
        published_at=_utc(row["published_at"]),
        guarantees=tuple(
            f"{one.get('group') or 'all'}: {one.get('guarantee', '')} ({one.get('n', 0):,} prompts)"
            for one in groups
        ),
    )


def _example(row: Mapping[str, Any]) -> Example:
    return Example(
        kind=row["kind"],
        event_id=row["event_id"],
        at=_sure(row["occurred_at"]),
        tenant=row["tenant"],
        model=row["model"],
        category=row["category"],
        sureness=float(row["sureness"]),
        policy=row["policy"],
        prompt=row["prompt"],
        response=row["response"],
    )
