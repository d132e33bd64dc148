"""The workers of a stack see its settings and its addresses, whatever the environment says."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from monitor.embedded.workers import WorkersPart, worker_environment
from monitor.kafka_settings import KafkaSettings
from monitor.settings import Settings, load
from workers.page_server import Page, PageServer

ADDRESSES = {
    "WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:21001",
    "WATCHKEEPER_TRITON__URL": "127.0.0.1:21002",
    "WATCHKEEPER_CLICKHOUSE__URL": "http://127.0.0.1:21003",
}


def _as_workers_see(environ: dict[str, str]) -> Settings:
    """What `load` makes of the environment in the worker process, over whatever was there before."""
    return load({**environ, **worker_environment(load(environ), ADDRESSES)})


def test_the_settings_reach_the_workers_with_the_stacks_addresses() -> None:
    given = {
        "WATCHKEEPER_MODERATION__REFUSAL_THRESHOLD": "0.7",
        "WATCHKEEPER_PRIVACY__HASH_KEY": "secret",
        "WATCHKEEPER_KAFKA__CREATE_TOPICS": "true",
        "WATCHKEEPER_KAFKA__BOOTSTRAP": "production:9092",
    }
    assert _as_workers_see(given) == load({**given, **ADDRESSES})


def test_what_is_for_other_servers_is_left_out() -> None:
    given = {
        "WATCHKEEPER_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "WATCHKEEPER_KAFKA__SASL_USERNAME": "user",
        "WATCHKEEPER_KAFKA__SASL_PASSWORD": "password",
        "WATCHKEEPER_KAFKA__REPLICATION": "3",
        "WATCHKEEPER_TRITON__TLS": "true",
        "WATCHKEEPER_CLICKHOUSE__USER": "writer",
        "WATCHKEEPER_CLICKHOUSE__PASSWORD": "password",
    }
    seen = _as_workers_see(given)
    assert seen == load(ADDRESSES)
    assert seen.kafka == KafkaSettings(bootstrap="127.0.0.1:21001")


async def test_the_workers_serve_on_loopback_at_the_parts_port_whatever_the_settings_say(
    tmp_path: Path,
) -> None:
    given = {"WATCHKEEPER_WORKER__SERVE_HTTP": "false", "WATCHKEEPER_WORKER__HTTP_HOST": "0.0.0.0"}
    part = WorkersPart(tmp_path, given)
    seen = load((await part._command()).environment).worker
    assert (seen.serve_http, f"http://{seen.http_host}:{seen.http_port}") == (True, part.address)


NOBODY = None  # the id of a process that was never started


@pytest.mark.parametrize(
    ("told", "is_ready"),
    [
        ({"pid": NOBODY, "checks": [{"state": "ok"}]}, True),
        ({"pid": NOBODY, "checks": [{"state": "ok"}, {"state": "waiting"}]}, False),
        ({"pid": NOBODY, "checks": [{"state": "ok"}, {"state": "failed"}]}, True),  # a person has to help
        ({"pid": 1, "checks": [{"state": "ok"}]}, False),  # another process took the port
        ("another program", False),
    ],
)
async def test_the_workers_are_there_once_they_wait_for_nothing(
    tmp_path: Path, told: Any, *, is_ready: bool
) -> None:
    def page(path: str) -> Page:
        return Page(HTTPStatus.SERVICE_UNAVAILABLE, "application/json", json.dumps(told).encode())

    server = PageServer("127.0.0.1", 0, page)
    server.start()
    try:
        part = WorkersPart(tmp_path, {}, ports={"http": server.port})
        assert await part._probe() is is_ready
    finally:
        server.close()
    assert await part._probe() is False
