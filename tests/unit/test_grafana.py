"""deploy/grafana: what Grafana is given fits together, and asks for what there is."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from monitor.metrics import Metric
from monitor.settings import Settings
from tests.grafana import DASHBOARDS, dashboard, expand, prometheus_expressions, statements

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final[list[dict[str, Any]]] = yaml.safe_load(
    (ROOT / "deploy/grafana/provisioning/datasources/watchkeeper.yml").read_text(encoding="utf-8")
)["datasources"]
SERVICES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]
METRICS: Final = {metric.value.name: metric.value for metric in Metric}
BOARDS: Final = [path.stem for path in DASHBOARDS]


def places(value: object) -> list[dict[str, str]]:
    """Every `datasource` in a dashboard."""
    if isinstance(value, list):
        return [place for one in value for place in places(one)]
    if not isinstance(value, dict):
        return []
    own = [value["datasource"]] if isinstance(value.get("datasource"), dict) else []
    return own + [place for one in value.values() for place in places(one)]


def test_there_are_the_three_dashboards_where_grafana_looks_for_them() -> None:
    assert BOARDS == ["category", "overview", "pipeline"]
    (provider,) = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/dashboards/watchkeeper.yml").read_text(encoding="utf-8")
    )["providers"]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]


def test_the_data_sources_are_services_that_are_there_and_the_user_can_only_read() -> None:
    clickhouse, prometheus = SOURCES
    own = clickhouse["jsonData"]
    assert own["host"] in SERVICES
    assert (own["username"], own["protocol"], own["port"]) == ("reader", "http", 8123)
    assert own["defaultDatabase"] == Settings().clickhouse.database
    (variable,) = re.findall(r"\$\{(\w+)\}", clickhouse["secureJsonData"]["password"])
    assert variable in SERVICES["grafana"]["environment"]
    assert re.match(r"http://(\w+):9090$", prometheus["url"])


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_names_only_data_sources_that_are_provisioned(name: str) -> None:
    known = {(source["type"], source["uid"]) for source in SOURCES}
    used = {(place["type"], place["uid"]) for place in places(dashboard(name))}

    assert used
    assert used <= known


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_says_what_it_shows_and_none_lies_on_another(name: str) -> None:
    panels = dashboard(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_names_and_links_are_of_dashboards_that_are_there() -> None:
    uids = [dashboard(name)["uid"] for name in BOARDS]
    assert uids == [f"watchkeeper-{name}" for name in BOARDS]
    assert all("watchkeeper" in dashboard(name)["tags"] for name in BOARDS)


@pytest.mark.parametrize("expression", prometheus_expressions())
def test_every_metric_that_is_asked_for_is_one_of_ours_with_these_labels(expression: str) -> None:
    asked = re.findall(r"(watchkeeper_[a-z_]+)(?:\{([a-z_]+))?", expression)
    assert asked
    for name, label in asked:
        spec = METRICS.get(name) or METRICS[re.sub(r"_(bucket|sum|count)$", "", name)]
        assert (spec.name != name) == (spec.kind == "histogram"), expression
        assert ("rate(" in expression) == (spec.kind in ("counter", "histogram")), expression
        labels = {one.key for one in spec.labels} | {"le"}
        grouped = set(itertools.chain(*(by.split(", ") for by in re.findall(r"by \(([^)]*)\)", expression))))
        assert (grouped | ({label} - {""})) <= labels, expression


def test_no_alert_rules_are_grafanas() -> None:
    assert SERVICES["grafana"]["environment"]["GF_UNIFIED_ALERTING_ENABLED"] == "false"
    assert not list((ROOT / "deploy/grafana").rglob("*alerting*"))
    assert "alert" not in json.dumps(
        [p for name in BOARDS for p in dashboard(name)["panels"] if "alert" in p]
    )


def test_grafanas_macros_are_expanded_and_none_is_left() -> None:
    written = "SELECT $__timeInterval(at) AS time FROM t WHERE $__timeFilter(at) AND $__conditionalAll(a IN (${a:singlequote}), $a)"
    assert expand(written, since=0, until=60, chosen={}) == (
        "SELECT toStartOfInterval(toDateTime(at), INTERVAL 900 second) AS time FROM t "
        "WHERE at >= toDateTime(0) AND at <= toDateTime(60) AND 1=1"
    )
    assert expand(written, since=0, until=60, chosen={"a": ["x", "o'r"]}).endswith("AND a IN ('x','o\\'r')")
    assert [s for _, s in statements() if "$" in expand(s, since=0, until=60, chosen={})] == []
