"""The report as one HTML file: nothing is fetched, every text is escaped, it prints with its headers repeated."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from monitor.reporting.document import Report
from monitor.reporting.said_queries import said_parameters

_TEMPLATE: Final = "report.html.j2"
_LONGEST_WORD: Final = 18
_MAY_BREAK: Final = re.compile(r"(?<=,) | (?=\()")
CONTENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""No script runs and nothing is fetched, whatever a text in it says."""


def render(report: Report) -> str:
    """The page, UTF-8."""
    return _template().render(report=report, policy=CONTENT_POLICY)


def _unbroken(text: str) -> Markup:
    """Figures, each on one line with its unit: broken after a comma and before a bracket alone."""
    parts = _MAY_BREAK.split(text)
    if len(parts) == 1 and len(text) > _LONGEST_WORD:
        return escape(text)
    return Markup(" ").join(Markup('<span class="together">{}</span>').format(part) for part in parts)


def _is_long(text: str) -> bool:
    """Whether a word of it may be broken anywhere, or it would widen a printed page."""
    return any(len(word) > _LONGEST_WORD for word in text.split())


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["parameters"] = said_parameters
    environment.filters["unbroken"] = _unbroken
    environment.filters["is_long"] = _is_long
    return environment


@cache
def _source() -> str:
    return (files("monitor.reporting") / "templates" / _TEMPLATE).read_text(encoding="utf-8")


def _template() -> Template:
    return _environment().from_string(_source())
