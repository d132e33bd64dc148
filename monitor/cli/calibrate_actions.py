"""`watchkeeper calibrate approve | rollback`: what a person does with a calibration."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.alerts.actions import MOST_NOTE_CHARS
from monitor.cli.alert_actions import login
from monitor.cli.calibrate import Json
from monitor.cli.calibrate_propose import By
from monitor.cli.calibrate_shapes import StepDocument
from monitor.cli.calibrate_view import step_view
from monitor.cli.calibration_desk import decided_here, held_of, open_log
from monitor.cli.console import output, print_json
from monitor.cli.parts import parts_here
from monitor.errors import Misconfigured
from monitor.recalibration import desk as steps
from monitor.settings import Settings
from monitor.wording.visible import visible
from schemas.calibrations import Calibration

_Model = Annotated[
    str | None, typer.Argument(help="The model; not needed where there is one.", metavar="MODEL")
]
_Version = Annotated[
    int | None,
    typer.Option(
        help="The version that is meant; an error where it isn't the newest any more.",
        min=1,
        metavar="N",
        show_default="the newest",
    ),
]
_Note = Annotated[
    str, typer.Option(help="Why; kept with the calibration.", metavar="TEXT", show_default=False)
]


def approve(
    model: _Model = None,
    *,
    version: _Version = None,
    publish: Annotated[
        bool,
        typer.Option("--publish", help="Put it in force at once, without waiting for the workers."),
    ] = False,
    note: _Note = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Approve a proposal: the workers publish it, observe it, and keep it or roll it back.

    Look at it first: `watchkeeper calibrate show`. Where the workers' recalibration is off, --publish puts it in force, and nobody
    observes it.

    Examples:
        watchkeeper calibrate approve atlas --version 3 --note reviewed
    """
    _check_note(note)
    settings = parts_here().settings
    who = login() if by is None else by
    document = asyncio.run(_approve(settings, model, version, note=note, by=who, is_published=publish))
    _say(document, as_json=as_json)


def rollback(
    model: _Model = None,
    *,
    version: _Version = None,
    note: _Note = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Roll a calibration back: what was before it is in force again. A proposal is turned down by it.

    Whoever serves the model follows within seconds. The thresholds before it travel with the record, so that nothing
    else is needed.

    Examples:
        watchkeeper calibrate rollback atlas --note "complaints since noon"
    """
    _check_note(note)
    settings = parts_here().settings
    who = login() if by is None else by
    document = asyncio.run(_roll_back(settings, model, version, note=note, by=who))
    _say(document, as_json=as_json)


async def _approve(
    settings: Settings, model: str | None, version: int | None, *, note: str, by: str, is_published: bool
) -> StepDocument:
    async with open_log(settings) as log:
        held = chosen(held_of(model, log.held), version)
        now = datetime.now(UTC)
        new = held
        if held.state != "approved" or not is_published:
            with decided_here():
                new = steps.approve(held, by=by, at=now, reason=note)
                await log.topic.append(new)
        if is_published:
            with decided_here():
                new = steps.publish(new, by=by, at=datetime.now(UTC), reason=note)
                await log.topic.append(new)
    enabled = settings.recalibration.enabled
    if is_published:
        what = "It is in force: what serves the model follows within seconds." + (
            " The workers observe it." if enabled else " Nobody observes it: recalibration is off here."
        )
    elif enabled:
        what = "The workers publish it within seconds, and observe it."
    else:
        what = (
            "The workers publish it, if recalibration is on there; by the settings here it is off. "
            "--publish puts it in force without them."
        )
    return _document(new, note, what)


async def _roll_back(
    settings: Settings, model: str | None, version: int | None, *, note: str, by: str
) -> StepDocument:
    async with open_log(settings) as log:
        held = chosen(held_of(model, log.held), version)
        reason = note or "by hand"
        with decided_here():
            new = steps.roll_back(held, by=by, at=datetime.now(UTC), reason=reason)
            await log.topic.append(new)
    if held.published_at is None:
        return _document(new, note, "It was never in force; nothing changes for what serves the model.")
    before = "no rule: the model chooses by itself" if held.before is None else "the thresholds before it"
    return _document(new, note, f"What serves the model goes back within seconds, to {before}.")


def chosen(held: Calibration, version: int | None) -> Calibration:
    """The one that is meant. Raises Misconfigured where another is the newest."""
    if version is not None and held.version != version:
        raise Misconfigured(
            f"version {version} of {visible(held.model)!r} isn't the newest: that is {held.version} ({held.state})",
            "look at it with `watchkeeper calibrate show`, and decide about that one",
        )
    return held


def _check_note(note: str) -> None:
    if len(note) > MOST_NOTE_CHARS:
        raise Misconfigured(
            f"--note has {len(note):,} characters, more than {MOST_NOTE_CHARS:,}", "say it shorter"
        )


def _document(new: Calibration, note: str, what_happens: str) -> StepDocument:
    return StepDocument(
        model=new.model,
        version=new.version,
        state=new.state,
        by=new.by,
        note=note,
        at=new.at,
        what_happens=what_happens,
    )


def _say(document: StepDocument, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        output().print(step_view(document))
