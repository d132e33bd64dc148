"""deploy/clickhouse: who may do what on the server of docker-compose.yml."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

import yaml

from monitor.settings import Settings
from monitor.store import sql

ROOT: Final = Path(__file__).resolve().parents[3]
USERS: Final = ET.parse(ROOT / "deploy/clickhouse/users.d/watchkeeper.xml").getroot()
SERVER: Final = ET.parse(ROOT / "deploy/clickhouse/config.d/watchkeeper.xml").getroot()
SERVICES: Final[dict[str, dict[str, Any]]] = yaml.safe_load(
    (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]
DATABASE: Final = Settings().clickhouse.database


def people() -> dict[str, ET.Element]:
    """The users that the file makes."""
    return {user.tag: user for user in USERS.find("users") or () if user.get("remove") is None}


def grants(user: str) -> set[str]:
    """PRIVILEGE ON PLACE, one each."""
    found = set()
    for query in people()[user].findall("grants/query"):
        privileges, _, place = (query.text or "").removeprefix("GRANT ").partition(" ON ")
        found |= {f"{privilege} ON {place}" for privilege in privileges.split(", ")}
    return found


def test_nobody_gets_in_without_a_password_and_none_is_in_the_open() -> None:
    users = USERS.find("users")
    assert users is not None
    assert [user.tag for user in users if user.get("remove") == "1"] == ["default"]
    required = {
        name: value
        for name, value in SERVICES["clickhouse"]["environment"].items()
        if value.startswith("${") and ":?" in value
    }
    for name, user in people().items():
        (password,) = (child for child in user if child.tag.startswith("password"))
        assert (password.tag, password.text) == ("password", None), name
        assert password.get("from_env") in required, (
            f"{name}: without the variable its password would be empty"
        )


def test_the_workers_are_the_user_that_has_what_they_need_and_drops_no_table() -> None:
    assert SERVICES["workers"]["environment"]["WATCHKEEPER_CLICKHOUSE__USER"] == "watchkeeper"
    assert grants("watchkeeper") == {"SELECT ON system.*"} | {
        f"{privilege} ON {DATABASE}.*"
        for privilege in (
            *("SHOW", "SELECT", "INSERT", "ALTER", "OPTIMIZE"),
            *("CREATE DATABASE", "CREATE TABLE", "CREATE VIEW", "DROP VIEW"),
        )
    }
    verbs = {tuple(migration.statement.split()[:2]) for migration in sql.migrations()}
    assert verbs == {
        *(("CREATE", "TABLE"), ("CREATE", "VIEW"), ("CREATE", "MATERIALIZED"), ("CREATE", "OR")),
        ("ALTER", "TABLE"),
    }


def test_readers_read_the_database_and_nothing_else() -> None:
    assert grants("reader") == {f"SHOW ON {DATABASE}.*", f"SELECT ON {DATABASE}.*"}
    assert USERS.findtext("profiles/reader/readonly") == "2"


def test_every_user_has_a_profile_that_bounds_its_queries_below_the_server() -> None:
    whole = int(SERVER.findtext("max_server_memory_usage") or 0)
    for user in people().values():
        profile = USERS.find(f"profiles/{user.findtext('profile')}")
        assert profile is not None
        assert 0 < int(profile.findtext("max_memory_usage") or 0) <= whole / 2
        assert int(profile.findtext("max_execution_time") or 0) >= Settings().clickhouse.timeout_s


def test_the_server_fits_its_container_and_speaks_http_alone() -> None:
    memory = SERVICES["clickhouse"]["deploy"]["resources"]["limits"]["memory"]
    assert int(SERVER.findtext("max_server_memory_usage") or 0) <= 0.8 * int(memory.removesuffix("g")) * 10**9
    removed = {child.tag for child in SERVER if child.get("remove") == "1" and child.tag.endswith("_port")}
    assert removed == {"tcp_port", "mysql_port", "postgresql_port", "interserver_http_port"}
    assert SERVER.findtext("listen_host") == "0.0.0.0"
