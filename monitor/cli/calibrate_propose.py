"""`watchkeeper calibrate propose`: look for thresholds now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.logged_prompts import StoredPrompts
from monitor.cli.alert_actions import login
from monitor.cli.calibrate import Json, Plot, curves_of
from monitor.cli.calibrate_shapes import ProposalDocument
from monitor.cli.calibrate_view import proposal_view
from monitor.cli.calibration_desk import decided_here, open_log, policies_here, policy_of
from monitor.cli.calibration_documents import calibration_document
from monitor.cli.calibration_files import form_of, write_plot
from monitor.cli.console import notes, output, print_json
from monitor.cli.exits import ExitCode
from monitor.cli.parts import parts_here
from monitor.recalibration import desk as steps
from monitor.recalibration.desk import Unchanged
from monitor.recalibration.desk_settings import desk_of, windows_at
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.ports import Logs
from monitor.recalibration.proposing import Declined
from monitor.recalibration.rate_curve import RateCurve
from monitor.settings import Settings
from schemas.calibrations import Calibration

By = Annotated[
    str | None,
    typer.Option(help="Who; kept with the calibration.", metavar="NAME", show_default="your login name"),
]


@dataclass(frozen=True)
class _Looked:
    """What came of it."""

    policy: ModelPolicy
    then: Logs
    found: Calibration | Declined | Unchanged
    missing: list[str]


def propose(
    model: Annotated[
        str | None,
        typer.Argument(help="The model; not needed where the policy file has one.", metavar="MODEL"),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and write nothing.")] = False,
    by: By = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Look for thresholds that do what the policy file wants, by the logged refusal tokens of the calibration window, and propose them.

    Nothing is in force by that: a proposal is approved first, by a person or within the limits that the settings state. Nothing is
    proposed where no threshold can be certified, where the prompts of now are unlike those of then, where pieces are missing in
    the logs, or while another calibration is under way. The exit status is 1 then, and nothing changes.

    Examples:
        watchkeeper calibrate propose --dry-run --plot curve.svg
        watchkeeper calibrate propose atlas
    """
    if plot is not None:
        form_of(plot)
    settings = parts_here().settings
    with notes().status("reading the logged prompts…"):
        looked = asyncio.run(_propose(settings, model, by=login() if by is None else by, dry_run=dry_run))
    found = looked.found
    outcome: Literal["proposed", "would_propose"] = "would_propose" if dry_run else "proposed"
    curves: Sequence[RateCurve] = ()
    why_none = ""
    if isinstance(found, Calibration):
        curves, why_none = curves_of(found, looked.policy, looked.then)
        needs = steps.needs_person(desk_of(settings, ""), found)
        document = ProposalDocument(
            model=looked.policy.model,
            outcome=outcome,
            reasons=[*_cut(looked.then)],
            not_identified=looked.missing,
            proposal=calibration_document(found, curves, curves_missing=why_none, needs_person=needs),
        )
    elif isinstance(found, Unchanged):
        reason = f"no rate would move by more than {found.least:.1%}: at most by {found.moves:.2%}"
        document = _nothing(looked, "unchanged", [reason])
    else:
        document = _nothing(looked, "declined", list(found.reasons))
    if as_json:
        print_json(document)
    else:
        console = output()
        console.print(proposal_view(document, curves, console.width))
    if plot is not None and isinstance(found, Calibration):
        write_plot(plot, found, curves, why_none)
    elif plot is not None:
        notes().print(f"--plot {plot}: not written, as nothing is proposed", style="yellow", markup=False)
    if isinstance(found, Declined):
        raise typer.Exit(ExitCode.PROBLEM)


async def _propose(settings: Settings, model: str | None, *, by: str, dry_run: bool) -> _Looked:
    policy = policy_of(model, policies_here(settings))
    desk = desk_of(settings, by)
    now = datetime.now(UTC)
    then_span, now_span = windows_at(settings.recalibration, now)
    async with open_log(settings) as log:
        held = log.held.newest.get(policy.model)
        async with await connect_clickhouse(settings.clickhouse) as store:
            prompts = StoredPrompts(
                store, settings.kafka.chat_logs_topic, settings.recalibration.most_prompts
            )
            present = await prompts.logged(policy, *now_span)
            then = await prompts.logged(policy, *then_span)
        with decided_here():
            found = await asyncio.to_thread(steps.propose, desk, policy, then, present, held, at=now)
            if isinstance(found, Calibration) and not dry_run:
                await log.topic.append(found)
    return _Looked(policy, then, found, steps.missing(policy, then if then.rows else present))


def _cut(logs: Logs) -> list[str]:
    if not logs.is_cut:
        return []
    return [f"only the newest {len(logs.rows):,} prompts were read (WATCHKEEPER_RECALIBRATION__MOST_PROMPTS)"]


def _nothing(
    looked: _Looked, outcome: Literal["unchanged", "declined"], reasons: list[str]
) -> ProposalDocument:
    return ProposalDocument(
        model=looked.policy.model,
        outcome=outcome,
        reasons=[*reasons, *_cut(looked.then)],
        not_identified=looked.missing,
        proposal=None,
    )
