"""The report as Markdown (GitHub's): texts from strangers are escaped, so that none of them makes markup or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from monitor.reporting.document import Paragraph, Picture, Report, Table
from monitor.reporting.said_queries import said_parameters

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&$@])")
_LINK: Final = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")


def render(report: Report) -> str:
    """The text, UTF-8, with a newline at its end."""
    return "\n".join(_lines(report)) + "\n"


def escaped(text: str) -> str:
    """Plain text as Markdown shows it: nothing in it is markup, and nothing becomes a link by itself."""
    shown = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    shown = _LINK.sub(lambda found: f"{found[0]}\u2060", shown)
    # At the beginning of a line a number with a dot, a dash or a plus would begin a list.
    return re.sub(
        r"^(\d+)([.)])|^([-+=])",
        lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}",
        shown,
    )


def _lines(report: Report) -> Iterator[str]:
    yield f"# {escaped(report.title)}"
    yield ""
    yield escaped(report.subtitle)
    yield ""
    yield "## What changed"
    yield ""
    for number, finding in enumerate(report.findings, start=1):
        yield f"{number}. {escaped(finding.text)}"
    if report.findings:
        yield ""
        yield escaped(report.summary)
    else:
        yield f"**{escaped(report.summary)}**"
    yield ""
    for note in report.notes:
        yield f"> {escaped(note.text)}"
        yield ">"
    yield ""
    for section in report.sections:
        yield f"## {escaped(section.title)}"
        yield ""
        for block in section.blocks:
            match block:
                case Paragraph():
                    yield escaped(block.text)
                    yield ""
                case Table():
                    yield from _table(block)
                case Picture():
                    yield f"### {escaped(block.title)}"
                    yield ""
                    yield from _table(block.data, is_titled=False)
    yield "## Queries"
    yield ""
    yield (
        "Every figure comes from one of these, run on ClickHouse with the parameters that stand above it, as `clickhouse-client` "
        "takes them: moments in UTC, an empty tenant or model for all of them."
    )
    yield ""
    for query in report.queries:
        yield f"### {escaped(query.name)}"
        yield ""
        yield escaped(said_parameters(query.parameters)).replace("--", "\\-\\-")
        yield ""
        yield from ("    " + line for line in query.text.splitlines())
        yield ""
    yield f"Made by Watchkeeper {escaped(report.version)} on {report.made_at:%Y-%m-%d %H:%M} UTC."


def _table(table: Table, *, is_titled: bool = True) -> Iterator[str]:
    if is_titled:
        yield f"### {escaped(table.title)}"
        yield ""
    if table.note:
        yield escaped(table.note)
        yield ""
    yield "| " + " | ".join(escaped(column.title) for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.is_number else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(escaped(cell.text) for cell in row) + " |"
    yield ""
    if table.queries:
        yield f"From {', '.join(escaped(name) for name in table.queries)}."
        yield ""
