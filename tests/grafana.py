"""What deploy/grafana/dashboards asks, with Grafana's macros expanded as the ClickHouse plugin does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

DASHBOARDS: Final = sorted((Path(__file__).resolve().parents[1] / "deploy/grafana/dashboards").glob("*.json"))
# What Grafana proposes for about a fortnight: no multiple of a quarter of an hour.
INTERVAL_S: Final = 1200


def dashboard(name: str) -> dict[str, Any]:
    """One dashboard."""
    (path,) = (one for one in DASHBOARDS if one.stem == name)
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def statements() -> list[tuple[str, str]]:
    """Every SQL statement of panels, annotations and variables, with where it stands."""
    found = []
    for path in DASHBOARDS:
        board = dashboard(path.stem)
        for panel in board["panels"]:
            found += [
                (f"{path.stem}: {panel['title']} {target['refId']}", target["rawSql"])
                for target in panel["targets"]
                if "rawSql" in target
            ]
        found += [
            (f"{path.stem}: {one['name']}", one["target"]["rawSql"]) for one in board["annotations"]["list"]
        ]
        found += [
            (f"{path.stem}: variable {one['name']}", one["query"]["rawSql"]) for one in variables(path.stem)
        ]
    return found


def variables(name: str) -> list[dict[str, Any]]:
    """The variables of a dashboard that a person chooses from what a query finds."""
    return [one for one in dashboard(name)["templating"]["list"] if one["type"] == "query"]


def prometheus_expressions() -> list[str]:
    """Every expression for Prometheus."""
    return [
        target["expr"]
        for path in DASHBOARDS
        for panel in dashboard(path.stem)["panels"]
        for target in panel["targets"]
        if "expr" in target
    ]


def expand(statement: str, *, since: int, until: int, chosen: Mapping[str, Sequence[str]]) -> str:
    """The statement as ClickHouse gets it. `since`, `until`: seconds since 1970; `chosen`: the values that are chosen of a variable,
    all where it isn't there. First what the plugin and Grafana do in the browser, then the macros of the plugin's server side."""

    def either(match: re.Match[str]) -> str:
        return match[1] if match[2] in chosen else "1=1"

    def quoted(match: re.Match[str]) -> str:
        """Grafana escapes quotes and nothing else: a backslash in a value would end the text early."""
        return ",".join("'" + value.replace("'", "\\'") + "'" for value in chosen[match[1]])

    text = re.sub(r"\$__conditionalAll\((.+? IN \(\$\{\w+:singlequote\}\)), \$(\w+)\)", either, statement)
    text = re.sub(r"\$\{(\w+):singlequote\}", quoted, text)
    text = re.sub(
        r"\$__timeFilter\((\w+)\)", rf"\1 >= toDateTime({since}) AND \1 <= toDateTime({until})", text
    )
    text = re.sub(
        r"\$__timeInterval\((\w+)\)",
        rf"toStartOfInterval(toDateTime(\1), INTERVAL {INTERVAL_S} second)",
        text,
    )
    text = text.replace("$__interval_s", str(INTERVAL_S))
    return text.replace("$__fromTime", f"toDateTime({since})").replace("$__toTime", f"toDateTime({until})")


def choice(found: str, variable: Mapping[str, Any]) -> tuple[str, str]:
    """What a person sees of an option of the variable, and the value it stands for in SQL; `found`: what the variable's query found."""
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    match = pattern.fullmatch(found)
    if match is None:
        raise ValueError(f"the variable {variable['name']} offers nothing for what its query found")
    return match["text"], match["value"]
