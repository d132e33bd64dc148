"""`watchkeeper check`: every part asked, with the remedy for each that isn't well."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from monitor.checking.parts import all_checks
from monitor.checking.store import store_checks
from monitor.cli.check_view import check_view
from monitor.cli.console import notes, output, print_json
from monitor.cli.exits import ExitCode
from monitor.cli.parts import parts_here
from monitor.cli.shapes import CheckDocument


def check(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
) -> None:
    """Ask every part whether it is well, and say what to do if not.

    Kafka: the brokers, the topics with their partitions and limits. Triton: live, ready, and serving a guard with the
    tensors that we agreed on. ClickHouse: the schema's version. Workers: who is there, what waits, and which part each
    role waits for. Audits, where they are on: the probe, and the files of anchors. Alerts: those that fire. Channels: whether each has its secrets and an address that it may use. All are asked, side by side, whichever fails; it takes seconds. Exit code 1 if something failed.

    Examples:
        watchkeeper check
        watchkeeper check --json | jq '.checks[] | select(.state != "ok")'
    """
    settings = parts_here().settings
    with notes().status("asking Kafka, Triton and ClickHouse…"):
        checks = asyncio.run(all_checks(settings, lambda: store_checks(settings.clickhouse)))
    healthy = all(one.state != "failed" for one in checks)
    if as_json:
        print_json(CheckDocument(healthy=healthy, checks=checks))
    else:
        output().print(check_view(checks))
    if not healthy:
        raise typer.Exit(ExitCode.PROBLEM)
