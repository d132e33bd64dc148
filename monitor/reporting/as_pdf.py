"""The report as PDF, set by Typst from a template of ours. The document reaches it as data, so no text of it is ever Typst's code; nothing
is fetched, and the fonts are those in Matplotlib's and Typst's wheels."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Literal

from monitor.errors import Misconfigured
from monitor.reporting.as_json import plain
from monitor.reporting.document import Picture, Report
from monitor.reporting.said_queries import said_parameters

_TEMPLATE: Final = "report.typ"


def render(report: Report) -> bytes:
    """The PDF. Raises Misconfigured where Typst isn't installed."""
    (pdf,) = _set(report, "pdf")
    return pdf


def pages(report: Report, *, dots_per_inch: float = 80.0) -> list[bytes]:
    """The pages as PNG, to look at. Raises as `render`."""
    return _set(report, "png", dots_per_inch)


def require() -> None:
    """Raises Misconfigured where Typst isn't installed: before anything is asked."""
    try:
        import typst  # noqa: F401
    except ImportError:
        raise Misconfigured(
            "a report as PDF needs Typst, which isn't installed",
            "pip install 'watchkeeper[pdf]', or take --format html and print it",
        ) from None


def _set(report: Report, form: Literal["pdf", "png"], dots_per_inch: float | None = None) -> list[bytes]:
    require()
    import matplotlib as mpl
    import typst

    with as_file(files("monitor.reporting") / "templates" / _TEMPLATE) as template:
        made: bytes | list[bytes] = typst.compile(
            template,
            format=form,
            ppi=dots_per_inch,
            font_paths=[Path(mpl.get_data_path()) / "fonts" / "ttf"],
            ignore_system_fonts=True,
            sys_inputs={"report": json.dumps(_data(report))},
        )
    return made if isinstance(made, list) else [made]


def _data(report: Report) -> dict[str, Any]:
    data: dict[str, Any] = plain(report)
    for section, shown in zip(report.sections, data["sections"], strict=True):
        for block, drawn in zip(section.blocks, shown["blocks"], strict=True):
            if isinstance(block, Picture):
                drawn["svg"] = block.svg
    for query, shown in zip(report.queries, data["queries"], strict=True):
        shown["said"] = said_parameters(query.parameters)
    data["made"] = f"{report.made_at:%Y-%m-%d %H:%M} UTC"
    return data
