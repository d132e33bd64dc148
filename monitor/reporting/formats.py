"""The formats that a report comes in."""

from __future__ import annotations

from typing import Final, Literal

from monitor.reporting import as_html, as_json, as_markdown, as_pdf
from monitor.reporting.document import Report

Format = Literal["html", "md", "json", "pdf"]
FORMATS: Final[tuple[Format, ...]] = ("html", "md", "json", "pdf")
CONTENT_TYPES: Final[dict[Format, str]] = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "pdf": "application/pdf",
}


def rendered(report: Report, form: Format) -> bytes:
    """The file's bytes. Raises Misconfigured for a PDF where Typst isn't installed."""
    match form:
        case "html":
            return as_html.render(report).encode()
        case "md":
            return as_markdown.render(report).encode()
        case "json":
            return as_json.render(report).encode()
        case "pdf":
            return as_pdf.render(report)


def file_name(report: Report, form: Format) -> str:
    """As in safety-report-2026-W47.html: nothing of a tenant's name, which may be anything."""
    return f"safety-report-{report.week}.{form}"
