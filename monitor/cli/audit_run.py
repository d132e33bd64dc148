"""`watchkeeper audit run`: one audit now, by the workers, or in this process."""

from __future__ import annotations

import asyncio
import getpass
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from monitor.adapters.audits import record_of
from monitor.adapters.clickhouse import connect
from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.audit_settings import listed
from monitor.cli.audit_here import Here, audited_here
from monitor.cli.audit_show import Shown, looked_up, plot_format, tell
from monitor.cli.console import notes
from monitor.cli.exits import ExitCode
from monitor.cli.failures import Interrupted
from monitor.cli.parts import parts_here
from monitor.cli.times import parse_span
from monitor.errors import Misconfigured, Retryable
from monitor.ports import OutRecord
from monitor.settings import Settings, variable
from schemas.audits import AuditRequest, audit_id_of_request

LOOK_EVERY_S: Final = 1.0


def run(
    *,
    model: Annotated[
        str | None,
        typer.Option(
            help="The audited model's name.", metavar="NAME", show_default="WATCHKEEPER_AUDIT__MODEL"
        ),
    ] = None,
    anchor_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="On what: the matched pairs that come along, a sample of live traffic, or a file in LITMUS format.",
            metavar="FILE|matched|live",
            show_default="the first of WATCHKEEPER_AUDIT__ANCHOR_SETS",
        ),
    ] = None,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="In this process, with the probe alone: nothing is stored, and nothing is compared with.",
        ),
    ] = False,
    wait: Annotated[
        str, typer.Option(help="Wait so long for the workers: 90s, 30m, 2h.", metavar="LENGTH")
    ] = "2h",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw J by layer, J over time and the anchors on a plane.",
            metavar="FILE.svg|png",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Audit a model's inside now: how far its hidden states of safe prompts lie from those of unsafe ones.

    The workers do it, one audit at a time, behind live traffic; this command waits and prints what they found, compared with the audit before.
    They audit the model and the anchor sets of their settings. With `--here` any file of anchors can be tried: the same measures by the same
    probe, on a reference of their own, so the values can't be compared with stored ones. Exits with 1 where the audit was refused.

    Examples:
        watchkeeper audit run
        watchkeeper audit run --set live --plot audit.svg
        watchkeeper audit run --here --set litmus.jsonl --json | jq '.axioms'
    """
    if plot is not None:
        plot_format(plot)
    wait_s = parse_span(wait, option="--wait").total_seconds()
    settings = parts_here().settings
    audit = settings.audit
    name = model or audit.model or audit.probe_model
    chosen = anchor_set or next(iter(listed(audit.anchor_sets)), "matched")
    if here:
        made = asyncio.run(_here(settings, name, chosen))
        layer = made.shown.layer if made.axioms else ""
        tell(made.shown, as_json=as_json, plot=plot, axioms=made.axioms, axioms_layer=layer)
        return
    check_target(settings, name, chosen)
    shown = asyncio.run(_by_workers(settings, name, chosen, wait_s))
    is_refused = shown.record.state == "refused"
    tell(shown, as_json=as_json, plot=None if is_refused else plot)
    if is_refused:
        raise typer.Exit(ExitCode.PROBLEM)


def check_target(settings: Settings, model: str, anchor_set: str) -> None:
    """Raises Misconfigured for what the workers, with these settings, would leave out."""
    audit = settings.audit
    if not audit.enabled:
        raise Misconfigured(
            f"audits are off: {variable('audit', 'enabled')} isn't set",
            "set it for the workers and here (docs/audit.md), or add --here to audit in this process",
        )
    if model != (audit.model or audit.probe_model):
        raise Misconfigured(
            f"the workers audit {(audit.model or audit.probe_model)!r}, not {model!r}",
            f"correct --model, or {variable('audit', 'model')}",
        )
    if anchor_set not in listed(audit.anchor_sets):
        raise Misconfigured(
            f"the workers audit on {', '.join(listed(audit.anchor_sets))}, not on {anchor_set!r}",
            f"add it to {variable('audit', 'anchor_sets')} of the workers and here, or add --here",
        )


async def _here(settings: Settings, model: str, anchor_set: str) -> Here:
    with _progress() as progress:
        task = progress.add_task("probing texts", total=None)

        def say(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return await audited_here(settings, model, anchor_set, say=say)


async def _by_workers(settings: Settings, model: str, anchor_set: str, wait_s: float) -> Shown:
    kafka = settings.kafka
    request = AuditRequest(
        id=secrets.token_hex(8),
        fleet=kafka.group_prefix,
        model=model,
        anchor_set=anchor_set,
        at=datetime.now(UTC),
        by=_login(),
    )
    id_ = audit_id_of_request(request.fleet, request.id)
    async with await connect(settings.clickhouse) as store:
        async with KafkaAdmin.connect(kafka) as admin:
            await admin.require_topic(kafka.audit_requests_topic)
        outbox = await KafkaOutbox.connect(kafka)
        try:
            await outbox.publish(
                kafka.audit_requests_topic, 0, [OutRecord(request.id.encode(), request.to_bytes())]
            )
        finally:
            await outbox.aclose()
        notes().print(Text("Asked for audit ").append(id_[:8], style="cyan"), soft_wrap=True)
        try:
            with notes().status("waiting for the workers: they probe the texts behind live traffic"):
                async with asyncio.timeout(wait_s):
                    while True:
                        record = await record_of(store, request.fleet, id_)
                        if record is not None:
                            break
                        await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError as exc:
            raise Retryable(
                f"the workers haven't finished audit {id_[:8]} within {wait_s:,.0f} s; it goes on without this command: "
                f"`watchkeeper audit show {id_[:8]}` shows it when it is made"
            ) from exc
        except asyncio.CancelledError as exc:
            raise Interrupted(
                f"the audit goes on: `watchkeeper audit show {id_[:8]}` shows it when it is made"
            ) from exc
        return await looked_up(store, request.fleet, record)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes(),
        transient=True,
    )


def _login() -> str:
    try:
        return getpass.getuser()[:200]
    except (KeyError, OSError):
        return ""
