"""`watchkeeper report`: the weekly safety report, as a page, a text, a record or a PDF."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status
from rich.text import Text

from monitor.adapters.clickhouse import connect
from monitor.cli.console import notes
from monitor.cli.parts import parts_here
from monitor.errors import Misconfigured
from monitor.reporting import as_pdf
from monitor.reporting.document import Report
from monitor.reporting.formats import FORMATS, Format, file_name, rendered
from monitor.reporting.gathering import STEPS
from monitor.reporting.making import make
from monitor.reporting.weeks import Week, read_week
from monitor.settings import Settings
from monitor.time_zones import read_zone


def report(
    *,
    week: Annotated[
        str, typer.Option(help="An ISO week as 2026-W47, or this, or last.", metavar="WEEK")
    ] = "last",
    tenant: Annotated[str | None, typer.Option(help="Of this tenant alone.", metavar="NAME")] = None,
    model: Annotated[str | None, typer.Option(help="Of this model alone.", metavar="NAME")] = None,
    time_zone: Annotated[
        str,
        typer.Option(
            help="Where days begin at midnight: a name as IANA writes it, like Europe/Berlin.", metavar="ZONE"
        ),
    ] = "UTC",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="html, md, json or pdf.",
            metavar="FORMAT",
            show_default="by the ending of --out, else html",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Write it there: a file, or a folder (there is one, or it ends in a slash).",
            metavar="PATH",
            show_default="stdout",
        ),
    ] = None,
) -> None:
    """What happened to safety in a week: what changed, by how much, how surely, and all that it rests on.

    Opens with the three to five things that changed and matter, most important first. Then volume and coverage; refusal,
    over-refusal, under-refusal and harm by category, against the week before and the mean of four, with intervals and marks
    where a change is significant; alerts; the quality of refusals; audits; calibrations; the judge; the data; examples, redacted as
    the policy has it. Weeks are by when exchanges happened. One file holds all of it, and fetches nothing. docs/report.md says how
    the figures are made; every one names the query that it comes from.

    Examples:
        watchkeeper report --out report.html
        watchkeeper report --time-zone Europe/Berlin --out reports/
        watchkeeper report --week 2026-W47 --out reports/
        watchkeeper report --week this --tenant acme-support --format md
        watchkeeper report --format pdf --out report.pdf
        watchkeeper report --format json | jq -r '.findings[].text'
    """
    now = datetime.now(UTC)
    zone = read_zone(time_zone)
    wanted = read_week(week, zone, now)
    path = None if out is None else Path(out)
    chosen = read_format(form, path)
    if chosen == "pdf":
        as_pdf.require()
        if out is None and sys.stdout.isatty():
            raise Misconfigured("a PDF is nothing for a terminal", "name a file with --out, or pipe it")
    settings = parts_here().settings
    with ExitStack() as stack:
        tell = _progress(stack)
        made = asyncio.run(_made(settings, wanted, now, tenant=tenant, model=model, tell=tell))
        tell(STEPS, "writing it down")
        content = rendered(made, chosen)
    if out is None or path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    written = write(content, path_of(out, file_name(made, chosen)))
    notes().print(
        Text("✓ ", style="green").append(f"{made.week} → {written}", style="default"), soft_wrap=True
    )
    for number, finding in enumerate(made.findings, start=1):
        notes().print(Text(f"{number}. {finding.text}"), soft_wrap=True)
    notes().print(Text(made.summary), soft_wrap=True)


async def _made(
    settings: Settings,
    week: Week,
    now: datetime,
    *,
    tenant: str | None,
    model: str | None,
    tell: Callable[[int, str], None],
) -> Report:
    async with await connect(settings.clickhouse) as store:
        fleet = settings.kafka.group_prefix
        return await make(store, week, fleet=fleet, now=now, tenant=tenant, model=model, tell=tell)


def path_of(out: str, name: str) -> Path:
    """Where a file of that name goes that is to be written to `out`: into it, where it is a folder or written as one."""
    return Path(out) / name if out.endswith(("/", os.sep)) or Path(out).is_dir() else Path(out)


def read_format(form: str | None, out: Path | None) -> Format:
    """The format that is asked for. Raises Misconfigured."""
    if form is None:
        ending = "" if out is None else out.suffix.lower().removeprefix(".")
        return next(
            (one for one in FORMATS if one == {"markdown": "md", "htm": "html"}.get(ending, ending)), "html"
        )
    chosen = next((one for one in FORMATS if one == form.strip().lower()), None)
    if chosen is None:
        raise Misconfigured(f"--format {form!r} is no format", f"choose one of {', '.join(FORMATS)}")
    return chosen


def write(content: bytes, path: Path) -> Path:
    """The file, whole or not at all; what is no file (a pipe, /dev/stdout) is written to, and a link stays one. Raises
    Misconfigured where it can't be written."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return path
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".report-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(draft).chmod(0o644)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except BrokenPipeError:
        raise
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
        if isinstance(exc, FileExistsError | NotADirectoryError):
            why = "a file lies where its folder would be"
        raise Misconfigured(f"{path} can't be written: {why}", "name another path with --out") from exc
    return path


def _progress(stack: ExitStack) -> Callable[[int, str], None]:
    """On a terminal a line that says what is asked; nothing elsewhere."""
    console = notes()
    if not console.is_terminal:
        return _silent
    status = stack.enter_context(Status("", console=console))
    return lambda step, doing: status.update(f"{step} of {STEPS}: {doing}")


def _silent(step: int, doing: str) -> None:
    """Progress that nobody sees."""
