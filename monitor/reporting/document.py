"""The report as a document, before it is a page: sections of sentences, tables and pictures. Every format is made of this one value.

All texts are plain: no markup in any of them means anything. A table or picture names the queries that its figures come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

SCHEMA_VERSION: Final = 1

Tone = Literal["", "worse", "better", "changed", "quiet", "warning"]
"""How a text is shown, never all that says it: worse and better are changes of a harm or of help, both significant; `changed`
one that is neither; quiet: less important; warning: what the reader must know to read the figures right."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` is what people read; `value` the figure behind it, for programs."""

    text: str
    value: float | str | None = None
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`is_number`: its cells stand right."""

    title: str
    is_number: bool = True


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One or some sentences."""

    text: str
    tone: Tone = ""
    queries: tuple[str, ...] = ()
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the row."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    queries: tuple[str, ...]
    note: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Picture:
    """`svg`: one element, its texts as text. `alt` says what it shows to who doesn't see it; `data` holds the same figures."""

    id: str
    title: str
    alt: str
    svg: str
    data: Table
    queries: tuple[str, ...]
    kind: Literal["picture"] = "picture"


Block = Paragraph | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """Never without a block: what there is nothing of is said with its reason."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that changed and matters. `weight`: about how many exchanges it surely concerns, by which findings are ranked."""

    kind: str
    text: str
    weight: float
    queries: tuple[str, ...] = ()
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that was run, with its parameters."""

    name: str
    text: str
    parameters: Mapping[str, Any]
    rows: int


@dataclass(frozen=True, slots=True)
class Report:
    """A week, told. `notes`: what limits all of it (an unfinished week, late data). `findings` most important first."""

    title: str
    subtitle: str
    week: str
    time_zone: str
    since: datetime
    until: datetime
    tenant: str | None
    model: str | None
    made_at: datetime
    version: str
    summary: str
    findings: tuple[Finding, ...]
    notes: tuple[Paragraph, ...]
    sections: tuple[Section, ...]
    queries: tuple[Query, ...]
    schema_version: int = field(default=SCHEMA_VERSION)

    def section(self, wanted: str) -> Section:
        """The section of that id. Raises KeyError."""
        for section in self.sections:
            if section.id == wanted:
                return section
        raise KeyError(wanted)
