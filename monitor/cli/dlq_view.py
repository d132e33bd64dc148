"""Dead letters, and what became of them, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from monitor.cli.console import output
from monitor.dead_letters import DeadLetter, ReplayPlan, Tally
from monitor.wording.visible import visible


def counts_table(tally: Tally) -> Table:
    """How many letters, by topic and reason."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("reason", "from"):
        table.add_column(name, overflow="fold")
    table.add_column("letters", justify="right")
    table.add_column("newest", no_wrap=True)
    for count in tally.counts():
        table.add_row(
            Text(count.reason, style="yellow"),
            Text(visible(count.topic) or "—"),
            f"{count.count:,}",
            _clock(count.newest_at),
        )
    return table


def letters_table(letters: Sequence[DeadLetter]) -> Table:
    """The letters, one row each."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("id", no_wrap=True, overflow="ellipsis")
    table.add_column("written", no_wrap=True)
    table.add_column("tries", justify="right")
    table.add_column("reason", overflow="fold")
    table.add_column("detail", ratio=1, overflow="fold")
    for letter in letters:
        table.add_row(
            Text(str(letter.id), style="cyan"),
            _clock(letter.written_at),
            str(letter.attempts),
            Text(letter.reason, style="yellow"),
            Text(visible(letter.detail), style="dim"),
        )
    return table


def say_plan(plan: ReplayPlan, *, dry_run: bool) -> None:
    """What was sent back (or, dry, would be), and what was left alone and why."""
    console = output()
    verb = "would be sent back" if dry_run else "sent back"
    if plan.letters and dry_run:
        console.print(letters_table(plan.letters))
    messages = "message" if len(plan.letters) == 1 else "messages"
    console.print(f"{len(plan.letters):,} {messages} {verb}.", style="green" if plan.letters else "yellow")
    if plan.same_message:
        console.print(
            f"{len(plan.same_message):,} further letters are about the same messages, which go back once.",
            style="dim",
        )
    if plan.exhausted:
        console.print(
            f"{len(plan.exhausted):,} were left alone: tried as often as --max-attempts allows. Look at them with "
            "`watchkeeper dlq show`, mend the cause, then raise --max-attempts.",
            style="yellow",
        )
    if plan.unreturnable:
        console.print(
            f"{len(plan.unreturnable):,} were left alone: their headers name no topic that Watchkeeper reads.",
            style="yellow",
        )


def _clock(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M:%S}"
