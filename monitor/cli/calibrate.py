"""`watchkeeper calibrate` and `calibrate show`: how the thresholds of the refusal tokens stand, and one of them explained."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from monitor.adapters.clickhouse import connect as connect_clickhouse
from monitor.adapters.logged_prompts import StoredPrompts
from monitor.cli.calibrate_shapes import CalibrationsDocument
from monitor.cli.calibrate_view import explained, overview
from monitor.cli.calibration_desk import held_of, open_log, policies_here
from monitor.cli.calibration_documents import calibration_document, calibration_line
from monitor.cli.calibration_files import form_of, write_file, write_plot
from monitor.cli.console import notes, output, print_json
from monitor.cli.parts import parts_here
from monitor.errors import Retryable
from monitor.recalibration import desk as steps
from monitor.recalibration.desk_settings import desk_of
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.ports import Held, Logs
from monitor.recalibration.rate_curve import RateCurve, rate_curves
from monitor.settings import Settings
from schemas.calibrations import Calibration

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Plot = Annotated[
    Path | None,
    typer.Option(help="Also write the curves as a picture: FILE.svg or FILE.png.", metavar="FILE"),
]


def calibrate(*, as_json: Json = False) -> None:
    """The newest calibration of each model's refusal tokens: its thresholds, what has become of it, and what happens next.

    Thresholds are proposed from logged refusal tokens, approved by a person or within limits, published, observed, and
    then kept or rolled back (docs/recalibration.md).

    Examples:
        watchkeeper calibrate
        watchkeeper calibrate show atlas --plot atlas.svg
    """
    settings = parts_here().settings
    document = asyncio.run(_overview(settings))
    if as_json:
        print_json(document)
    else:
        output().print(overview(document))


def show(
    model: Annotated[
        str | None, typer.Argument(help="The model; not needed where there is one.", metavar="MODEL")
    ] = None,
    *,
    plot: Plot = None,
    signed: Annotated[
        Path | None,
        typer.Option(
            help="Also write the signed record, for a serving side that follows a file (docs/serving.md).",
            metavar="FILE",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """The newest calibration of a model, explained: thresholds before and now, what they rest on, what is promised.

    The curve, drawn from the prompts that it was calibrated on, says which share of the prompts would have got the refusal
    token at every threshold, with the old and the new one marked.

    Examples:
        watchkeeper calibrate show
        watchkeeper calibrate show atlas --json | jq '.evidence[].guarantee'
    """
    if plot is not None:
        form_of(plot)
    settings = parts_here().settings
    with notes().status("reading calibrations and logged prompts…"):
        held, record, (curves, missing) = asyncio.run(_show(settings, model))
    document = calibration_document(
        held, curves, curves_missing=missing, needs_person=steps.needs_person(desk_of(settings, ""), held)
    )
    if as_json:
        print_json(document)
    else:
        console = output()
        console.print(explained(document, curves, console.width))
    if signed is not None:
        write_file(signed, record, "--signed")
    if plot is not None:
        write_plot(plot, held, curves, missing)


async def _overview(settings: Settings) -> CalibrationsDocument:
    policies = policies_here(settings)
    async with open_log(settings) as log:
        return overview_document(log.held, policies, settings)


def overview_document(
    held: Held, policies: Sequence[ModelPolicy], settings: Settings
) -> CalibrationsDocument:
    """How all of them stand."""
    desk = desk_of(settings, "")
    return CalibrationsDocument(
        calibrations=[
            calibration_line(one, steps.needs_person(desk, one) if one.state == "proposed" else ())
            for _, one in sorted(held.newest.items())
        ],
        without=sorted(one.model for one in policies if one.model not in held.newest),
        ignored=dict(Counter(str(one.reason) for one in held.distrusted)),
    )


async def _show(
    settings: Settings, model: str | None
) -> tuple[Calibration, bytes, tuple[Sequence[RateCurve], str]]:
    policies = policies_here(settings)
    async with open_log(settings) as log:
        held = held_of(model, log.held)
        record = log.topic.signed(held.model)
    return held, record, await _curves(settings, held, policies)


async def _curves(
    settings: Settings, held: Calibration, policies: Sequence[ModelPolicy]
) -> tuple[Sequence[RateCurve], str]:
    policy = next((one for one in policies if one.model == held.model), None)
    if policy is None:
        return (), "the policy file doesn't name the model, so that its logs can't be read"
    try:
        async with await connect_clickhouse(settings.clickhouse) as store:
            prompts = StoredPrompts(
                store, settings.kafka.chat_logs_topic, settings.recalibration.most_prompts
            )
            until = held.calls_until + timedelta(microseconds=1)
            logs = await prompts.logged(policy, held.calls_from, until)
    except Retryable as exc:
        return (), f"the logged prompts can't be read: {exc}"
    return curves_of(held, policy, logs)


def curves_of(held: Calibration, policy: ModelPolicy, logs: Logs) -> tuple[Sequence[RateCurve], str]:
    """Of the prompts that it was calibrated on, or why there are none."""
    if not logs.rows:
        return (), "the prompts that it was calibrated on aren't stored any more"
    window = steps.window_of(policy, held, logs)
    targets = {part.group: part.policy.target_rate for part in held.evidence}
    curves = rate_curves(window.sample, held.now, held.before, targets) if len(window.sample) else ()
    if not curves:
        return (), "; ".join(window.report()) or "no prompt is decided by a threshold"
    return curves, ""
