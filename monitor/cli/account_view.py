"""The account as a person reads it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.account_findings import findings
from monitor.accounting import Account, ExchangeAccount, MessageAccount, State, TopicAccount
from monitor.wording.visible import visible

_STYLES: dict[State, str] = {
    "balanced": "green",
    "on the way": "cyan",
    "unproven": "yellow",
    "unbalanced": "bold red",
}


def account_view(account: Account) -> Group:
    """The topics, the exchanges, one line that sums up, and what is wrong. No backfill, no lines about it."""
    sources = [account.chat_logs]
    if account.backfill.messages != MessageAccount():
        sources.append(account.backfill)
    rows: list[RenderableType] = [
        Text("Messages", style="bold"),
        messages_table([*sources, account.verdicts]),
        Text(),
        Text("Exchanges in the chat logs", style="bold"),
        exchanges_table(sources),
        Text(),
        summary(account),
    ]
    rows.extend(
        Padding(Text("✗ ", style="bold red").append(visible(finding), style="default"), (0, 0, 0, 2))
        for finding in findings(account)
    )
    return Group(*rows)


def messages_table(topics: list[TopicAccount]) -> Table:
    """A row a partition, and a total a topic. Columns that are nought everywhere and mean trouble are left out."""
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True, overflow="ellipsis", min_width=12)
    totals = [topic.messages for topic in topics]
    columns = ["produced", "handled", "pending", "dead"]
    columns += [name for name in ("empty", "before") if any(getattr(total, name) for total in totals)]
    columns += [
        name
        for name in ("expired", "unproven", "vanished", "lost")
        if name == "lost"
        or any(getattr(line.messages, name) for topic in topics for line in topic.partitions)
    ]
    for name in columns:
        table.add_column("of which dead" if name == "dead" else name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for topic in topics:
        for line in topic.partitions:
            table.add_row(
                Text(f"{visible(topic.topic)}/{line.partition}", style="dim"),
                *_figures(line.messages, columns),
                _state(line.messages.state),
            )
        table.add_row(
            Text(visible(topic.topic), style="bold"), *_figures(topic.messages, columns), Text(), style="bold"
        )
    return table


def exchanges_table(topics: list[TopicAccount]) -> Table:
    """A row a partition, and a total a topic."""
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True, overflow="ellipsis", min_width=12)
    columns = ["found", "stored", "repeats", "sampled_out", "dead", "pending", "lost"]
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for topic in topics:
        for line in topic.partitions:
            if line.exchanges is not None:
                table.add_row(
                    Text(f"{visible(topic.topic)}/{line.partition}", style="dim"),
                    *_figures(line.exchanges, columns),
                    _state(line.exchanges.state),
                )
        if topic.exchanges is not None:
            table.add_row(
                Text(visible(topic.topic), style="bold"),
                *_figures(topic.exchanges, columns),
                Text(),
                style="bold",
            )
    return table


def summary(account: Account) -> Text:
    """The equation in one line, of all chat logs."""
    exchanges, messages = account.exchanges, account.messages
    equation = (
        f"{messages.produced:,} message{'' if messages.produced == 1 else 's'} produced: {messages.handled:,} handled ({messages.dead:,} of them "
        f"dead-lettered), {messages.pending:,} pending. "
        f"{exchanges.found:,} exchanges = {exchanges.stored:,} stored + {exchanges.repeats:,} repeats + "
        f"{exchanges.sampled_out:,} sampled out + {exchanges.dead:,} dead-lettered + {exchanges.pending:,} pending"
    )
    state = account.state
    if state == "unbalanced" and exchanges.lost:
        equation += f" + {exchanges.lost:,} lost"
    words = {
        "balanced": "✓ Balanced. ",
        "on the way": "✓ Balanced so far, more is on the way. ",
        "unproven": "? Not proven. ",
        "unbalanced": "✗ Unbalanced. ",
    }
    return Text(words[state], style=_STYLES[state]).append(equation + ".", style="default")


def _figures(account: MessageAccount | ExchangeAccount, columns: list[str]) -> list[Text]:
    figures = []
    for name in columns:
        value = getattr(account, name)
        is_trouble = name in ("lost", "expired", "vanished") and value
        style = (
            "bold red" if is_trouble else "yellow" if name == "unproven" and value else "" if value else "dim"
        )
        figures.append(Text(f"{value:,}", style=style))
    return figures


def _state(state: State) -> Text:
    return Text(state, style=_STYLES[state])
