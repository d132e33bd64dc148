"""/metrics, /livez and /readyz as a worker serves them, from a loop that turns and from one that hangs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.embedded.free_ports import free_port
from monitor.errors import Misconfigured
from monitor.metrics import CONTENT_TYPE, Metric, Metrics
from monitor.settings import load
from monitor.version import watchkeeper_version
from tests.fakes.taker import FakeTaker
from tests.waiting import until
from workers.__main__ import EXIT_CRASHED, run, work
from workers.app import build_app
from workers.endpoints import PORTS_TRIED, Endpoints
from workers.gauges import Gauges
from workers.pulse import pulse
from workers.vitals import Vitals

FACTS: dict[str, str | int] = {"pid": os.getpid(), "version": "1.2.3"}


def get(url: str) -> tuple[int, Any]:
    """Status and JSON. Status 0 where nobody listens."""
    try:
        with urlopen(url, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())
    except URLError:
        return 0, None


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def vitals() -> Vitals:
    made = Vitals(["Kafka"], live_within_s=30.0)
    made.reached("Kafka")
    return made


@pytest.fixture
def endpoints(vitals: Vitals, metrics: Metrics) -> Iterator[Endpoints]:
    made = Endpoints(vitals, metrics, FACTS)
    yield made
    made.close()


def taken(stack: ExitStack, port: int) -> None:
    """Somebody else listens there."""
    other = stack.enter_context(socket.socket())
    other.bind(("127.0.0.1", port))
    other.listen()


def test_each_page_says_who_answers_and_what_was_checked(endpoints: Endpoints, vitals: Vitals) -> None:
    endpoints.open("127.0.0.1", 0)
    vitals.watch([FakeTaker(last_turn_s=float("inf"), has_joined=False)])

    live, ready = get(f"{endpoints.url}/livez"), get(f"{endpoints.url}/readyz")
    assert (live[0], live[1] | {"checks": ...}) == (200, {"status": "live", **FACTS, "checks": ...})
    assert (ready[0], ready[1] | {"checks": ...}) == (503, {"status": "not ready", **FACTS, "checks": ...})
    assert [(check["name"], check["state"]) for check in ready[1]["checks"]] == [
        ("event_loop", "ok"),
        ("Kafka", "ok"),
        ("moderation", "waiting"),
    ]
    assert ready[1]["checks"][2]["facts"] == {
        "joined": False,
        "partitions": 1,
        "set_aside": 0,
        "halted": 0,
        "in_flight": 1,
    }
    vitals.watch([FakeTaker(last_turn_s=float("inf"))])
    assert get(f"{endpoints.url}/readyz")[0] == 200
    assert get(f"{endpoints.url}/") == (
        404,
        {"status": "not found", "pages": ["/metrics", "/livez", "/readyz"]},
    )


def test_metrics_are_what_prometheus_reads(endpoints: Endpoints, metrics: Metrics) -> None:
    endpoints.open("127.0.0.1", 0)
    metrics.count(Metric.VERDICTS_STORED, 7)
    with urlopen(f"{endpoints.url}/metrics", timeout=30) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    samples = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples}
    assert (kind, samples["watchkeeper_verdicts_stored_total"]) == (CONTENT_TYPE, 7)


async def test_a_loop_that_is_blocked_is_not_live_until_it_turns_again(metrics: Metrics) -> None:
    vitals = Vitals([], live_within_s=0.5)
    vitals.watch([FakeTaker(last_turn_s=float("inf"))])
    endpoints = Endpoints(vitals, metrics, FACTS)
    endpoints.open("127.0.0.1", 0)
    beating = asyncio.ensure_future(pulse(vitals, Gauges(metrics), every_s=0.02))
    seen: list[tuple[int, int, int]] = []
    may_go_on = threading.Event()

    def look() -> None:
        """From outside of the loop, as an orchestrator would, until both have failed."""
        pages = ("livez", "readyz", "metrics")
        try:
            while not may_go_on.is_set():
                live, ready = (get(f"{endpoints.url}/{page}")[0] for page in pages[:2])
                with urlopen(f"{endpoints.url}/metrics", timeout=30) as answer:
                    seen.append((live, ready, answer.status))
                if live == ready == 503:
                    return
        finally:
            may_go_on.set()

    async def status(page: str) -> int:
        return (await asyncio.to_thread(get, f"{endpoints.url}/{page}"))[0]

    async def is_live() -> bool:
        return await status("livez") == await status("readyz") == 200

    try:
        await until(is_live, "a live worker")
        looking = threading.Thread(target=look)
        looking.start()
        may_go_on.wait()  # the loop hangs here
        looking.join()
        await until(is_live, "a worker that lives again")
    finally:
        beating.cancel()
        endpoints.close()
    assert seen[-1] == (503, 503, 200)


def test_a_port_that_is_taken_is_left_for_the_next_free_one(endpoints: Endpoints) -> None:
    with ExitStack() as stack:
        port = free_port()
        taken(stack, port)
        endpoints.open("127.0.0.1", port)
        used = int(endpoints.url.rpartition(":")[2])
        assert port < used <= port + PORTS_TRIED
        assert get(f"{endpoints.url}/livez")[0] == 200


def test_an_address_that_is_not_ours_is_told_with_the_settings_to_change(endpoints: Endpoints) -> None:
    with pytest.raises(Misconfigured, match="WATCHKEEPER_WORKER__HTTP_HOST"):
        endpoints.open("192.0.2.1", 0)  # for documentation: nobody has it
    with pytest.raises(Misconfigured, match="WATCHKEEPER_WORKER__HTTP_HOST"):
        endpoints.open("no-such-host.invalid", 0)


def test_closing_twice_or_unopened_does_no_harm(endpoints: Endpoints) -> None:
    endpoints.close()
    endpoints.open("127.0.0.1", 0)
    url = endpoints.url
    endpoints.close()
    endpoints.close()
    assert get(f"{url}/livez") == (0, None)


@pytest.fixture
async def worker_without_kafka() -> AsyncIterator[str]:
    """Where a worker serves whose broker isn't there."""
    port = free_port()
    settings = load(
        {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": f"127.0.0.1:{free_port()}",
            "WATCHKEEPER_WORKER__HTTP_PORT": str(port),
            "WATCHKEEPER_RETRY__MAX_S": "0.2",
        }
    )
    stop = asyncio.Event()
    running = asyncio.ensure_future(run(settings, ["storage"], stop))
    yield f"http://127.0.0.1:{port}"
    stop.set()
    assert await running == 0


async def test_a_worker_whose_broker_is_away_is_up_lives_and_is_not_ready(worker_without_kafka: str) -> None:
    async def kafka() -> Any:
        _, told = await asyncio.to_thread(get, f"{worker_without_kafka}/readyz")
        return next(
            (check for check in (told or {"checks": ()})["checks"] if check["facts"].get("error")), None
        )

    waiting = await until(kafka, "a check that says what is waited for")
    assert (waiting["name"], waiting["state"]) == ("Kafka", "waiting")
    status, told = await asyncio.to_thread(get, f"{worker_without_kafka}/readyz")
    assert (status, told["version"]) == (503, watchkeeper_version())
    assert [check["name"] for check in told["checks"]] == ["event_loop", "Kafka", "ClickHouse", "roles"]
    assert (await asyncio.to_thread(get, f"{worker_without_kafka}/livez"))[0] == 200


@pytest.mark.parametrize("crashes", [False, True])
async def test_a_worker_ends_when_it_is_asked_to_or_a_task_crashes_and_its_status_says_which(
    vitals: Vitals, *, crashes: bool
) -> None:
    app, stop = build_app(load({}), []), asyncio.Event()
    await app.start()
    working = asyncio.ensure_future(work(app, stop, vitals))
    if crashes:
        await app.agents.crash(RuntimeError("a defect"))
    else:
        stop.set()
    assert await working == (EXIT_CRASHED if crashes else 0)
    assert [check.name for check in vitals.ready()][-1] == "stopping"
