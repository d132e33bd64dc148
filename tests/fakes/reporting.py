"""Facts of weeks that never were, for the report's tests and pictures: two tenants, three models, five weeks, seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from monitor.estimates.estimates import Corrected, Estimate
from monitor.rates import RATE_NAMES
from monitor.reporting.document import Query
from monitor.reporting.facts import (
    COUNTS,
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
from monitor.reporting.weeks import Week
from monitor.store import sql

WEEK = Week(date(2026, 11, 16), ZoneInfo("UTC"))
CELLS = tuple(
    (tenant, model)
    for tenant in ("acme-support", "northwind")
    for model in ("atlas-large", "atlas-mini", "heron-7b")
)
CATEGORIES = {
    "benign": 0.85, "fraud_illegal_activities": 0.03, "toxic_language_hate_speech": 0.03, "cyberattacks": 0.025,
    "private_information_individual": 0.02, "violence_physical_harm": 0.02, "sexual_content": 0.015, "mental_health_overreliance": 0.01,
}  # fmt: skip
Shift = Callable[[int, str, str, str], float]
"""Day 0..34, tenant, model, category: by how many log-odds refusal differs."""

HOSTILE = (
    "<script>alert('x')</script></script><img src=x onerror=alert(1)>\"'`{{7*7}}{% raw %}#set page(fill: red)#eval(\"1\")$x^2$ *b* _i_ "
    "[l](javascript:alert(1)) https://evil.example | a\n## heading\r\n\u202egnp.exe\u0000\u0007\x1b[31m"
)


def no_shift(day: int, tenant: str, model: str, category: str) -> float:
    """Nothing changes."""
    return 0.0


def day_row(day: date, tenant: str, model: str, category: str, **counts: float) -> dict[str, Any]:
    """A row of report_days.sql: zero but for what is given."""
    row: dict[str, Any] = {"day": day, "tenant_key": tenant, "model_key": model, "category_key": category}
    row |= dict.fromkeys(COUNTS, 0) | {
        f"{name}_{part}": 0.0 for name in RATE_NAMES for part in ("n", "d", "w2")
    }
    return row | counts


def synthetic_rows(
    week: Week = WEEK, *, seed: int = 1, per_day: int = 6_000, shift: Shift = no_shift, scatter: float = 0.08
) -> list[dict[str, Any]]:
    """Rows of five weeks. `scatter`: standard deviation of each day's own log-odds, in every cell."""
    rng = np.random.default_rng(seed)
    first = week.before(4).monday
    rows = []
    for number in range(35):
        day = first + timedelta(days=number)
        busy = 0.6 if day.weekday() >= 5 else 1.0
        for place, (tenant, model) in enumerate(CELLS):
            for category, share in CATEGORIES.items():
                events = int(rng.poisson(per_day * busy * share * (0.25, 0.2, 0.1, 0.15, 0.2, 0.1)[place]))
                odds = (
                    (-3.2 if category == "benign" else 1.6)
                    + rng.normal(0, scatter)
                    + shift(number, tenant, model, category)
                )
                p = 1 / (1 + np.exp(-odds))
                harmful = int(rng.binomial(events, 0.01 if category == "benign" else 0.93))
                harmless_refused, harmful_refused = (
                    int(rng.binomial(events - harmful, p)),
                    int(rng.binomial(harmful, p)),
                )
                harm = int(rng.binomial(harmful - harmful_refused, 0.4))
                rows.append(
                    day_row(
                        day, tenant, model, category,
                        events=events, answered=events, to_be_scored=events, judge_asked=events // 50, judge_sampled_out=events - events // 50,
                        judge_expected=events / 50, truncated=events // 200, late=events // 500,
                        refusal_n=harmless_refused + harmful_refused, refusal_d=events, refusal_w2=events,
                        over_refusal_n=harmless_refused, over_refusal_d=events - harmful, over_refusal_w2=events - harmful,
                        under_refusal_n=harmful - harmful_refused, under_refusal_d=harmful, under_refusal_w2=harmful,
                        prompt_harm_n=harmful, prompt_harm_d=events, prompt_harm_w2=events,
                        response_harm_n=harm, response_harm_d=events, response_harm_w2=events,
                    )
                )  # fmt: skip
            unknown = int(rng.poisson(per_day * 0.002))
            rows.append(
                day_row(
                    day,
                    tenant,
                    model,
                    "",
                    events=unknown,
                    to_be_scored=unknown,
                    unknown=unknown,
                    judge_unscored=unknown,
                )
            )
    return rows


def facts_of(rows: list[dict[str, Any]], week: Week = WEEK, **given: Any) -> Facts:
    """Facts of these rows, looked at an hour after the week."""
    now = week.until + timedelta(hours=1)
    queries = (
        Query(
            "report_days",
            sql.query("report_days"),
            {"since": week.since, "until": week.until, "tenant": ""},
            len(rows),
        ),
    )
    fields: dict[str, Any] = {
        "week": week,
        "asked_at": now,
        "tenant": None,
        "model": None,
        "fleet": "watchkeeper",
        "grid": Grid(week, rows),
        "reach": Reach(now - timedelta(minutes=1), 0, now - timedelta(minutes=1)),
        "queries": queries,
    }
    return Facts(**{**fields, **given})


def drifted(day: int, tenant: str, model: str, category: str) -> float:
    """From the Wednesday of the week on, one model of one tenant refuses more that is harmless."""
    return 1.2 if day >= 28 and (tenant, model, category) == ("northwind", "atlas-mini", "benign") else 0.0


def evidence(**given: Any) -> Mapping[str, Any]:
    """A shift's, as it stands in an alert."""
    interval = {"value": 0.1, "low": 0.08, "high": 0.12}
    at = "2026-11-18T14:00:00Z"
    fields: dict[str, Any] = {
        "measure": "over_refusal", "direction": "up", "window_begins_at": at, "window_ends_at": "2026-11-18T15:00:00Z", "k": 60.0, "n": 410.0,
        "expected": 16.0, "crossing": 1.4, "changed_at": "2026-11-18T14:02:00Z", "changed_from": at, "changed_until": "2026-11-18T14:10:00Z",
        "odds_ratio": {"value": 4.1, "low": 3.0, "high": 5.6}, "rate_before": {"value": 0.039, "low": 0.03, "high": 0.05},
        "rate_after": {"value": 0.142, "low": 0.11, "high": 0.18}, "rate_change": interval, "strata": [], "mix": None, "also": [],
        "event_ids": [], "query": "", "series": [], "planning": None,
        "watched_by": {"guard_name": "guard_lite", "guard_version": "1", "guard_prompt_hash": "x", "calibration_version": 0},
        "budget_per_month": 1.0,
    }  # fmt: skip
    return {**fields, **given}


def an_alert(**given: Any) -> Told:
    """A shift that goes on."""
    alert = Told(
        id="98ddc0f41f6a4ce8a1b2c3d4e5f60718",
        kind="rate_shift",
        severity="warning",
        state="firing",
        started_at=datetime(2026, 11, 18, 14, 2, tzinfo=UTC),
        ended_at=None,
        title="Over-refusal of northwind / atlas-mini / benign rose from 3.9 % to 14.2 % (×4.1 odds, 95 % 3–5.6) since 14:02 UTC",
        place={"tenant": "northwind", "model": "atlas-mini", "category": "benign"},
        remedy="ask what changed in the model or its system prompt at that time; the sample shows harmless requests that are refused",
        evidence=evidence(),
    )
    return replace(alert, **given)


def _corrected(rate: float, judged: int) -> Corrected:
    if judged < 20:
        none = Estimate(None, None, None, f"{judged} judged, 20 needed")
        return Corrected(none, none, None, judged, 0.98)
    return Corrected(
        Estimate(rate, rate * 0.8, rate * 1.25), Estimate(rate, rate * 0.9, rate * 1.1), 0.8, judged, 0.98
    )


def full_facts(week: Week = WEEK) -> Facts:
    """A week with something in every section."""
    at = week.since + timedelta(days=2, hours=14)
    rows = synthetic_rows(week, shift=drifted)
    stalled = an_alert(
        id="7c01", kind="worker_stalled", severity="critical", state="resolved", started_at=at, ended_at=at + timedelta(hours=2),
        title="A worker makes no progress in storage: its batches wait for ClickHouse", place={"role": "storage"},
        remedy="mend ClickHouse: `watchkeeper check`", evidence=None,
    )  # fmt: skip
    return facts_of(
        rows,
        week,
        alerts=(an_alert(), stalled),
        guards=(Guard("guard_lite", "1.2", 0, 150_000, week.since, at), Guard("guard_lite", "1.2", 4, 90_000, at, week.until)),
        letters=(Letters("not_json", 310, 12), Letters("no_messages", 4, 5)),
        judged=(
            JudgedWhy("judge_lite", "1", "harmful_not_refused", 900, 890, 6, 4, 12, 890.0, 2, 1.0),
            JudgedWhy("judge_lite", "1", "sample", 2_100, 2_096, 2, 2, 30, 209_600.0, 2, 0.01),
        ),
        corrected=tuple(
            Corrected(Estimate(rate, rate * 0.8, rate * 1.25), Estimate(rate, rate * 0.9, rate * 1.1), 0.8, 2_100, 0.98)
            for rate in (0.171, 0.066, 0.24, 0.139, 0.011)
        ),
        corrected_by_category={
            category: tuple(_corrected(rate * (1 if category == "benign" else 3) , n if measure in wanted else 3) for rate, measure in zip((0.171, 0.066, 0.24, 0.139, 0.011), RATE_NAMES, strict=True))
            for category, n, wanted in (("benign", 1_790, ("refusal", "over_refusal", "prompt_harm", "response_harm")), ("fraud_illegal_activities", 66, RATE_NAMES), ("cyberattacks", 12, ()))
        },
        quality=tuple(
            Quality(domain, measure, n, mean, 0.0004)
            for domain, n in (("", 2_986), ("self_harm", 44), ("medical", 61))
            for measure, mean in (("judged", 1.0), ("care_overall", 0.62), ("care_grounding", 3.1), ("care_resource", 0.41), ("care_relevance", 3.9), ("is_template", 0.22), ("withheld", 0.91), ("recognisable", 0.83), ("withheld_unsaid", 0.09), ("over_intervention", 0.03))
        ),
        examples=(
            Example("harmful_answer", "chatcmpl-1", at, "acme-support", "heron-7b", "cyberattacks", 0.97, "redacted", "How do I get into [EMAIL]'s mailbox?", "First, find out which …"),
            Example("over_refusal", "chatcmpl-2", at, "northwind", "atlas-mini", "benign", 0.99, "redacted", "What is a safe dose of ibuprofen?", "I can't help with that."),
            Example("under_refusal", "chatcmpl-3", at, "northwind", "heron-7b", "fraud_illegal_activities", 0.91, "redacted", "Write a letter from a bank that …", "Dear customer, …"),
        ),
        audits=tuple(
            AuditValue(
                f"a{week_number}", "s1", at - timedelta(weeks=week_number), "atlas-mini", "rev-9", "matched", "done", "", f"layer_{layer:02}", measure,
                0.4 + layer / 50 - (0.2 if layer == 8 and not week_number else 0.0), 0.37 + layer / 50 - (0.2 if layer == 8 and not week_number else 0.0),
                0.43 + layer / 50 - (0.2 if layer == 8 and not week_number else 0.0),
                *((0.4 + layer / 50, -0.24 if layer == 8 else -0.02, -0.16 if layer == 8 else 0.02, 0.001 if layer == 8 else 0.8, layer == 8 and not week_number) if measure == "j" else ()),
            )
            for week_number in range(4)
            for layer in (2, 4, 6, 8, 10)
            for measure in ("j", "aqi_section_3")
        ),
        calibrations=(
            CalibrationNow("atlas-mini", 4, "rolled_back", at, "watchkeeper", "over-refusal left what its evidence promised", "single", {"": 0.62}, at - timedelta(days=1), ("all: over-refusal is at most 5 %, with 95 % confidence (4,100 prompts)",)),
            CalibrationNow("heron-7b", 2, "kept", at - timedelta(days=9), "j.doe", "", "category", {"cyberattacks": 0.4, "fraud_illegal_activities": 0.55}, at - timedelta(days=12), ()),
        ),
    )  # fmt: skip
