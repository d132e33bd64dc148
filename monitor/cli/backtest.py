"""`watchkeeper backtest`: history replayed with other budgets, to choose the settings by what they would have told."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, get_args

import typer
from pydantic import ValidationError

from monitor.adapters.clickhouse import connect
from monitor.adapters.control import alert_log
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.past_windows import By, PastWindows
from monitor.adapters.windows import WatchTables
from monitor.cli.alerts_shapes import EvidenceDocument
from monitor.cli.backtest_view import backtest_view
from monitor.cli.console import notes, output, print_json
from monitor.cli.drift_shapes import BacktestDocument, FindingLine, ToldLine, TrialLine
from monitor.cli.parts import parts_here
from monitor.cli.times import SYNTAX, parse_span, parse_time
from monitor.drift.measures import Measure
from monitor.drift.policy import MONTH_S, DriftPolicy, policy_of
from monitor.drift.remembering import Memory
from monitor.drift.replaying import Finding, Ledger, Told, compare
from monitor.drift.watch import Watch
from monitor.drift_settings import DriftSettings
from monitor.errors import Misconfigured, Retryable
from monitor.kafka_settings import KafkaSettings
from monitor.settings import Settings
from monitor.wording.figures import duration

MOST_BUDGETS: Final = 6
_COUNTED_S: Final = 60.0
"""Windows that are counted from rows are so long, unless asked otherwise."""
_SHORT: Final = timedelta(days=1)
_SAY_EVERY: Final = 50


def backtest(
    *,
    since: Annotated[str, typer.Option(help=f"Begin there: {SYNTAX}.", metavar="TIME")] = "30d",
    until: Annotated[str, typer.Option(help="End there.", metavar="TIME")] = "now",
    budget: Annotated[
        str | None,
        typer.Option(
            help="False alarms a month, at most; several to compare: 1,2,5.",
            metavar="N",
            show_default="the setting",
        ),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(
            help="How the budget is shared out: measure=parts, separated by commas.",
            metavar="SHARES",
            show_default="the setting",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Windows of this length: 5s, 1m, 5m. Longer ones replay faster.",
            metavar="LENGTH",
            show_default="as they closed, 1m where counted",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="By `arrival`, or by when exchanges `occurred` (for replayed logs).", metavar="TIME"
        ),
    ] = "arrival",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Replay history with another budget or other shares: what would have fired, and how soon, beside what did fire.

    The way to choose `WATCHKEEPER_DRIFT__BUDGET_PER_MONTH`: a larger budget notices shifts sooner and cries wolf more often.
    Reads the windows that the watch has closed, and where there are none (before it was switched on), counts the stored
    verdicts. Every trial begins without knowledge and learns from the beginning of the history, so give it a few weeks.
    Changes nothing and sends nothing.

    Examples:
        watchkeeper backtest --since 30d --budget 1,2,5
        watchkeeper backtest --since 7d --shares refusal=1,response_harm=1
        watchkeeper backtest --by occurred --since 2026-03-01 --until 2026-03-08
    """
    now = datetime.now(UTC)
    begin, end = parse_time(since, now, option="--since"), parse_time(until, now, option="--until")
    if begin >= end:
        raise Misconfigured(f"--since {since!r} isn't before --until {until!r}", "give an earlier --since")
    if by not in get_args(By):
        raise Misconfigured(f"--by {by!r} is neither arrival nor occurred", "write one of them")
    width = _width(window)
    if budget is not None:
        read_budgets(budget)  # a mistake is told before anything is asked
    settings = parts_here().settings
    policies = read_policies(settings.drift, budget, shares)
    plan = _Plan(
        settings, policies, begin, min(end, now), "arrival" if by == "arrival" else "occurred", width
    )
    document = asyncio.run(_run(plan))
    if as_json:
        print_json(document)
    else:
        output().print(backtest_view(document))


@dataclass(frozen=True, slots=True)
class _Plan:
    settings: Settings
    policies: Sequence[DriftPolicy]
    since: datetime
    until: datetime
    by: By
    width: timedelta | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A watch of one policy, and what it tells."""

    policy: DriftPolicy
    watch: Watch
    ledger: Ledger

    @classmethod
    def of(cls, policy: DriftPolicy, fleet: str) -> Trial:
        """One that knows nothing yet."""
        return cls(policy, Watch.new(policy, fleet), Ledger())


def read_policies(settings: DriftSettings, budget: str | None, shares: str | None) -> list[DriftPolicy]:
    """A policy a budget, as the settings are otherwise. Raises Misconfigured."""
    given = settings if shares is None else settings.model_copy(update={"shares": shares})
    budgets = read_budgets(budget) if budget is not None else [settings.budget_per_month]
    try:
        # Anew, so that what a setting may be is what an option may be.
        checked = [DriftSettings(**{**given.model_dump(), "budget_per_month": one}) for one in budgets]
    except ValidationError as exc:
        raise Misconfigured(
            f"--budget {budget!r} can't be used", "give numbers above 0, at most 10000"
        ) from exc
    return [policy_of(one) for one in checked]


def for_history(policies: Sequence[DriftPolicy], length: timedelta) -> list[DriftPolicy]:
    """The policies for a history of this length: one that ends while all would still learn lets streams fire at once."""
    return [
        policy if length > timedelta(days=policy.learn_days + 1.0) else replace(policy, learn_days=0.0)
        for policy in policies
    ]


def read_budgets(text: str) -> list[float]:
    """The budgets in `1,2,5`, each once. Raises Misconfigured."""
    try:
        budgets = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        budgets = []
    if not budgets or not all(math.isfinite(one) and one > 0 for one in budgets):
        raise Misconfigured(f"--budget {text!r} is no list of numbers above 0", "write it as 2, or 1,2,5")
    if len(budgets) > MOST_BUDGETS:
        raise Misconfigured(
            f"--budget names {len(budgets)} budgets, more than {MOST_BUDGETS}", "compare fewer at once"
        )
    return list(dict.fromkeys(budgets))


def _width(text: str | None) -> timedelta | None:
    if text is None:
        return None
    width = parse_span(text, option="--window")
    if not timedelta(seconds=1) <= width <= timedelta(hours=1) or timedelta(days=1) % width:
        raise Misconfigured(
            f"--window {text!r} doesn't divide a day, or is longer than an hour", "write 5s, 1m, 5m or 1h"
        )
    return width


async def _run(plan: _Plan) -> BacktestDocument:
    settings = plan.settings
    fleet = settings.kafka.group_prefix
    async with await connect(settings.clickhouse) as store:
        tables = WatchTables(store, fleet, settings.kafka.chat_logs_topic)
        past = PastWindows(
            tables, plan.by, plan.width, timedelta(seconds=max(_COUNTED_S, settings.drift.window_s))
        )
        span = await past.range(plan.since, plan.until)
        if span is None:
            raise Misconfigured(
                f"no exchange {'arrived' if plan.by == 'arrival' else 'happened'} between {plan.since:%Y-%m-%d %H:%M} and "
                f"{plan.until:%Y-%m-%d %H:%M} UTC",
                "give an earlier --since; `--by occurred` for logs that were replayed (`watchkeeper rates` shows what there is)",
            )
        policies = for_history(plan.policies, span[1] - span[0])
        trials = [Trial.of(policy, fleet) for policy in policies]
        with notes().status("replaying…") as status:
            tally = await replay(
                past,
                trials,
                *span,
                on_progress=lambda at: status.update(f"replaying: {at:%Y-%m-%d %H:%M} UTC…"),
            )
    fired, note = (Ledger(), "") if plan.by == "occurred" else await _fired(settings.kafka, *span)
    return document_of(
        plan.by, tally, trials, fired=fired, closed=past.closed, remarks=[note] if note else []
    )


@dataclass(slots=True)
class Tally:
    """What was replayed."""

    since: datetime
    until: datetime
    windows: int = 0
    exchanges: int = 0


async def replay(
    past: PastWindows,
    trials: Sequence[Trial],
    since: datetime,
    until: datetime,
    *,
    on_progress: Callable[[datetime], None],
) -> Tally:
    """Give every window to every trial."""
    memory = Memory()
    tally = Tally(since, until)
    async for window in past.windows(since, until + timedelta(microseconds=1)):
        memory.take(window)
        for trial in trials:
            step = trial.watch.take(window)
            trial.ledger.add(trial.watch.finish(step, {need: memory.history(need) for need in step.needs}))
        tally.windows += 1
        tally.until = window.ends_at
        tally.exchanges += sum(row.events for row in window.rows)
        if tally.windows % _SAY_EVERY == 0:
            on_progress(window.ends_at)
            await asyncio.sleep(0)  # Ctrl-C and the spinner
    return tally


async def _fired(settings: KafkaSettings, since: datetime, until: datetime) -> tuple[Ledger, str]:
    """The shifts that did fire then, and what can't be said of them."""
    fired = Ledger()
    try:
        async with KafkaAdmin.connect(settings) as admin:
            log = await alert_log(admin, settings.alerts_topic, since)
    except (Retryable, Misconfigured) as exc:
        return fired, f"What did fire can't be read: {str(exc).partition(chr(10))[0]}."
    fired.add(
        alert
        for alert in log
        if alert.fleet == settings.group_prefix
        and alert.drift is not None
        and since <= alert.started_at <= until
    )
    return fired, ""


def document_of(
    by: By,
    tally: Tally,
    trials: Sequence[Trial],
    *,
    fired: Ledger,
    closed: int,
    remarks: Sequence[str] = (),
) -> BacktestDocument:
    """What the trials say, beside what did fire."""
    found = compare([*(trial.ledger for trial in trials), fired])
    by_all = [one for one in found if all(one.by_replay[:-1])]
    days = (tally.until - tally.since) / timedelta(days=1)
    lines = [_trial(trial, number, by_all, days) for number, trial in enumerate(trials)]
    return BacktestDocument(
        since=tally.since,
        until=tally.until,
        by=by,
        windows=tally.windows,
        closed_windows=min(closed, tally.windows),
        exchanges=tally.exchanges,
        shares={measure.value: share for measure in Measure if (share := trials[0].policy.share(measure))},
        trials=lines,
        findings=[_finding(one) for one in found],
        notes=[*_limits(lines, days, trials[0].policy), *_acknowledged(fired), *remarks],
    )


def _trial(trial: Trial, number: int, by_all: Sequence[Finding], days: float) -> TrialLine:
    shifts = trial.ledger.shifts
    waits = [told.noticed_after for one in by_all if (told := one.by_replay[number]) is not None]
    states = sum((Counter(states) for states in trial.watch.streams_by_state().values()), Counter[str]())
    return TrialLine(
        budget_per_month=trial.policy.budget_per_month,
        alerts=len(shifts),
        per_month=len(shifts) / days * MONTH_S / 86_400 if days >= 1 else None,
        by_kind=dict(Counter(told.first.kind for told in shifts)),
        noticed_after_s=statistics.median(wait.total_seconds() for wait in waits if wait is not None)
        if any(wait is not None for wait in waits)
        else None,
        armed=sum(count for state, count in states.items() if state != "learning"),
        learning=states["learning"],
    )


def _limits(lines: Sequence[TrialLine], days: float, policy: DriftPolicy) -> list[str]:
    limits = []
    if not any(line.armed for line in lines):
        limits.append(
            f"Nothing could fire: no stream has had the {policy.learn_events:,.0f} events that it learns from first "
            "(WATCHKEEPER_DRIFT__LEARN_EVENTS). Give an earlier --since, or wait for more traffic."
        )
    if not policy.learn_days:
        limits.append(
            "Streams fire as soon as they have their events (WATCHKEEPER_DRIFT__LEARN_DAYS counts for longer histories): the "
            "rhythm of the day may be told as a shift."
        )
    if days < 1:
        limits.append(
            f"{duration(timedelta(days=days))} of history: that says what is noticed, not how many alerts a month brings."
        )
    elif days < 14:
        limits.append(
            f"{days:.0f} days of history: how many alerts a month brings is a rough figure, and the season of the week isn't known yet."
        )
    return limits


def _acknowledged(fired: Ledger) -> list[str]:
    count = sum(told.last.state == "acknowledged" for told in fired.shifts)
    if not count:
        return []
    return [
        f"{count:,} of the alerts that did fire were acknowledged; a replay acknowledges nothing, and fires on."
    ]


def _finding(finding: Finding) -> FindingLine:
    *trials, fired = finding.by_replay
    return FindingLine(
        kind=finding.kind,
        place=finding.place,
        told=[told_line(told) if told else None for told in trials],
        fired=told_line(fired) if fired else None,
    )


def told_line(told: Told) -> ToldLine:
    """What `--json` prints of an alert of a replay."""
    evidence = told.first.drift
    wait = told.noticed_after
    return ToldLine(
        at=told.first.started_at,
        changed_at=evidence.changed_at if evidence else None,
        noticed_after_s=wait.total_seconds() if wait is not None else None,
        place=told.first.place,
        title=told.first.title,
        state=told.last.state,
        drift=EvidenceDocument.model_validate(evidence) if evidence else None,
    )
