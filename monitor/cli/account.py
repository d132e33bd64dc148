"""`watchkeeper account`: produced = stored + dead-lettered + sampled-out + pending."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from monitor.account_findings import findings
from monitor.accounting import Account
from monitor.cli.account_view import account_view
from monitor.cli.console import notes, output, print_json
from monitor.cli.exits import ExitCode
from monitor.cli.parts import parts_here
from monitor.cli.shapes import AccountDocument
from monitor.cli.stock_taking import take_account
from monitor.settings import Settings

_POLL_S: Final = 0.5
_EXITS: Final = {"unbalanced": ExitCode.PROBLEM, "unproven": ExitCode.UNPROVEN}


def account(
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the log to count offsets without a message, however many.")
    ] = False,
    wait: Annotated[
        float, typer.Option(help="Wait so many seconds for what is on the way.", min=0, metavar="SECONDS")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove that nothing was lost: every message and every exchange, counted in the log, by the workers, in the store.

    Messages, by partition, from the broker's offsets and the ledger that the workers commit with theirs:
    produced = handled + pending + expired + unproven + lost.

    Exchanges found in them, from the ledger and the rows in the store:
    found = stored + repeats + sampled out + dead-lettered + pending + lost.

    Chat logs are counted whether they came live or as backfill. Only "lost" is what is left over; everything else is
    counted where it is. While verdicts are on their way, "lost" is a lower bound; once none is pending it is exact. Exit
    code 1 if anything is lost, 4 if something can't be proved.

    Examples:
        watchkeeper account
        watchkeeper account --wait 60
        watchkeeper account --json | jq .state
    """
    settings = parts_here().settings
    with notes().status("counting…"):
        taken = asyncio.run(_settled(settings, wait_s=wait, verify=verify))
    if as_json:
        print_json(account_document(taken))
    else:
        output().print(account_view(taken))
    if taken.state in _EXITS:
        raise typer.Exit(_EXITS[taken.state])


def account_document(taken: Account) -> AccountDocument:
    """The account as --json prints it."""
    return AccountDocument(
        state=taken.state,
        chat_logs=taken.chat_logs,
        backfill=taken.backfill,
        verdicts=taken.verdicts,
        findings=list(findings(taken)),
    )


async def _settled(settings: Settings, *, wait_s: float, verify: bool) -> Account:
    """The account once nothing is on the way any more, or as it is after `wait_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        taken = await take_account(settings, verify=verify)
        if taken.state != "on the way" or loop.time() >= deadline:
            return taken
        await asyncio.sleep(_POLL_S)
