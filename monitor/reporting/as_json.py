"""The report as JSON: the document as it is (docs/report.md has its shape), ASCII alone, without the pictures' SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any

from monitor.reporting.document import Report


def render(report: Report) -> str:
    """One object, with a newline at its end."""
    return json.dumps(plain(report), ensure_ascii=True, indent=1) + "\n"


def plain(value: Any) -> Any:
    """Dataclasses as objects, moments in ISO 8601, what isn't finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if one.name != "svg"}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value
