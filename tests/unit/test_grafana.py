"""deploy/grafana: what Grafana is given fits together, and asks for what there is."""

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from starlette.routing import Route

from monitor.metrics import Metric
from monitor.settings import Settings, load
from monitor.web.app import build_app
from tests.grafana import (
    DASHBOARDS,
    INTERVAL_S,
    choice,
    dashboard,
    expand,
    prometheus_expressions,
    statements,
    variables,
)

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


def test_links_to_the_own_dashboard_are_pages_that_it_has() -> None:
    pages = {route.path for route in build_app(load({})).routes if isinstance(route, Route)}
    written = "".join((ROOT / f"deploy/grafana/dashboards/{name}.json").read_text("utf-8") for name in BOARDS)
    links = {link or "/" for link in re.findall(r'\$\{dashboard:raw\}([^"]*)"', written)}
    assert links == {"/", "/alerts?show=going", "/alerts/${__value.raw}", "/pipeline"}
    assert {link.partition("?")[0].replace("${__value.raw}", "{id}") for link in links} <= pages


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
    written = (
        "SELECT $__timeInterval(at) AS time, $__interval_s AS s FROM t WHERE $__timeFilter(at) "
        "AND $__conditionalAll(f(a) IN (${a:singlequote}), $a)"
    )
    assert expand(written, since=0, until=60, chosen={}) == (
        f"SELECT toStartOfInterval(toDateTime(at), INTERVAL {INTERVAL_S} second) AS time, {INTERVAL_S} AS s FROM t "
        "WHERE at >= toDateTime(0) AND at <= toDateTime(60) AND 1=1"
    )
    assert expand(written, since=0, until=60, chosen={"a": ["x", "o'r"]}).endswith(
        "AND f(a) IN ('x','o\\'r')"
    )
    assert [s for _, s in statements() if "$" in expand(s, since=0, until=60, chosen={})] == []


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_opens_on_a_sane_range_in_utc_and_keeps_itself_fresh(name: str) -> None:
    board = dashboard(name)
    assert (board["timezone"], board["refresh"], board["editable"]) == ("utc", "1m", False)
    assert board["time"] == {"from": "now-6h" if name == "pipeline" else "now-7d", "to": "now"}


@pytest.mark.parametrize("name", BOARDS)
def test_queries_are_marked_as_the_plugins_version_that_the_image_brings_reads_them(name: str) -> None:
    """Without the version, the plugin takes a query for one of its third version and translates it."""
    (version,) = re.findall(
        r"grafana-clickhouse-datasource (\S+)", (ROOT / "deploy/grafana/Dockerfile").read_text("utf-8")
    )
    board = dashboard(name)
    targets = [(panel["type"], target) for panel in board["panels"] for target in panel["targets"]]
    queries = [(kind, target) for kind, target in targets if "rawSql" in target]
    queries += [("annotation", one["target"]) for one in board["annotations"]["list"]]
    queries += [("variable", one["query"]) for one in variables(name)]
    for kind, query in queries:
        drawn = kind == "timeseries"
        assert (query["pluginVersion"], query["editorType"]) == (version, "sql")
        assert (query["format"], query["queryType"]) == ((0, "timeseries") if drawn else (1, "table"))


@pytest.mark.parametrize("name", BOARDS)
def test_a_graph_is_in_order_of_time_and_its_lines_are_named_after_what_they_are(name: str) -> None:
    """The plugin puts lines apart by the text column only where rows come in order of time, and names them `rate violence`."""
    for panel in dashboard(name)["panels"]:
        for target in panel["targets"]:
            if panel["type"] != "timeseries" or "rawSql" not in target:
                continue
            assert re.search(r" ORDER BY time(, \w+)?$", target["rawSql"]), panel["title"]
            labels = re.findall(r"AS time, toString\((\w+)\) AS \1,", target["rawSql"])
            named = panel["fieldConfig"]["defaults"].get("displayName")
            assert named == (f"${{__field.labels.{labels[0]}}}" if labels else None), panel["title"]
            if "FROM quarters" in target["rawSql"]:
                assert panel["interval"] == "15m", panel["title"]
                assert "ceil($__interval_s / 900) * 900" in target["rawSql"], panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_figures_have_a_unit(name: str) -> None:
    for panel in dashboard(name)["panels"]:
        if panel["type"] in ("stat", "timeseries"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_that_is_named_is_there(name: str) -> None:
    board = dashboard(name)
    known = {one["name"] for one in board["templating"]["list"]}
    named = set(re.findall(r"\$\{(\w+):", json.dumps(board))) | set(
        re.findall(r", \$(\w+)\)", json.dumps(board))
    )
    assert named == known
    for variable in variables(name):
        assert (variable["includeAll"], variable["multi"], variable["refresh"]) == (True, True, 2)
        assert variable["definition"] == variable["query"]["rawSql"]
        assert f"encodeURLComponent({variable['name']})" in variable["definition"]


def test_a_name_is_shown_as_it_is_and_asked_for_without_a_character_that_means_something_in_sql() -> None:
    (variable, *_) = variables("overview")
    assert choice("acme acme", variable) == ("acme", "acme")
    assert choice("a' b\\\nc a%27%20b%5C%0Ac", variable) == ("a' b\\\nc", "a%27%20b%5C%0Ac")
    assert all(
        f"$__conditionalAll(encodeURLComponent({name}) IN (${{{name}:singlequote}}), ${name})" in statement
        for _, statement in statements()
        for name in re.findall(r"\$\{(\w+):singlequote", statement)
    )


def test_an_alert_leads_to_where_compose_publishes_the_dashboard() -> None:
    (port,) = SERVICES["dashboard"]["ports"]
    ((host, published),) = re.findall(r"^([\d.]+):\$\{DASHBOARD_PORT:-(\d+)\}:8480$", port)
    for name in BOARDS:
        (place,) = [one for one in dashboard(name)["templating"]["list"] if one["type"] == "constant"]
        assert place["query"] == place["current"]["value"] == f"http://{host}:{published}"
    (alerts,) = [panel for panel in dashboard("overview")["panels"] if panel["title"] == "Alerts"]
    assert "${dashboard:raw}/alerts/${__value.raw}" in json.dumps(alerts)


def test_the_reader_may_run_a_query_for_as_long_as_the_plugin_asks() -> None:
    """clickhouse-go asks the server for the whole seconds left, and five; a server refuses a query that asks for more than it may."""
    users = ET.parse(ROOT / "deploy/clickhouse/users.d/watchkeeper.xml")
    most = users.findtext("profiles/reader/constraints/max_execution_time/max")
    assert most is not None
    assert int(SOURCES[0]["jsonData"]["queryTimeout"]) + 5 <= int(most)
    assert users.findtext("profiles/reader/readonly") == "2", "the plugin sends settings with every query"


def test_grafana_lets_nobody_in_without_a_password_and_installs_nothing_when_it_starts() -> None:
    service = SERVICES["grafana"]
    own = service["environment"]
    assert own["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_ADMIN_PASSWORD:?")
    assert (own["GF_AUTH_ANONYMOUS_ENABLED"], own["GF_USERS_ALLOW_SIGN_UP"]) == ("false", "false")
    assert own["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    home = Path(own["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (str(home.parent), home.stem) == ("/etc/watchkeeper/dashboards", "overview")
