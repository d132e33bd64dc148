"""News to many pages at once."""

from __future__ import annotations

import asyncio
import re

from monitor.web.hub import REMEMBERED, WAITING, Hub
from tests.unit.web.apps import app, client
from tests.waiting import until


async def heads(hub: Hub, last: str, count: int) -> list[str]:
    found = []
    stream = hub.stream(last, heartbeat_s=5)
    async for part in stream:
        found += [line[7:] for line in part.decode().splitlines() if line.startswith("event: ")]
        if len(found) >= count:
            break
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    return found


async def test_a_stream_greets_then_tells_and_is_gone_when_it_is_closed() -> None:
    hub = Hub(most=2)
    with hub.subscribed() as queue:
        hub.publish("changed", what="rates")
        assert (queue.get_nowait().data, hub.streams, hub.is_full) == ({"what": "rates"}, 1, False)
    assert hub.streams == 0


async def test_who_comes_back_gets_what_was_missed() -> None:
    hub = Hub(most=2)
    for number in range(5):
        hub.publish("alert", id=str(number))

    assert [news.data["id"] for news in hub.since(f"{hub.epoch}-2")] == ["2", "3", "4"]
    assert hub.since(f"{hub.epoch}-5") == []
    assert await heads(hub, f"{hub.epoch}-3", 3) == ["hello", "alert", "alert"]


def test_who_was_away_too_long_or_knows_another_process_looks_at_everything() -> None:
    hub = Hub(most=2)
    for number in range(REMEMBERED + 10):
        hub.publish("alert", id=str(number))

    for last in (f"{hub.epoch}-1", "other-3", "nonsense", f"{hub.epoch}-x", "-", "²-²"):
        assert [news.topic for news in hub.since(last)] == ["anew"], last


async def test_a_page_that_does_not_read_is_told_so_and_holds_up_nobody() -> None:
    hub = Hub(most=200)
    with hub.subscribed() as slow, hub.subscribed() as quick:
        for number in range(WAITING):
            hub.publish("alert", id=str(number))
        while not quick.empty():
            quick.get_nowait()
        hub.publish("alert", id="last")

        assert [slow.get_nowait().topic for _ in range(slow.qsize())] == ["anew"]
        assert quick.get_nowait().data == {"id": "last"}


async def test_a_hundred_pages_get_the_same_news_at_once() -> None:
    hub = Hub(most=100)
    readers = [asyncio.create_task(heads(hub, "", 2)) for _ in range(100)]
    await until(lambda: hub.is_full, "a hundred streams")
    hub.publish("changed", what="alerts")

    assert await asyncio.gather(*readers) == [["hello", "changed"]] * 100
    assert hub.streams == 0


async def test_a_quiet_stream_beats() -> None:
    stream = Hub(most=1).stream(heartbeat_s=0.001)
    await anext(stream)

    assert await anext(stream) == b": still here\n\n"
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_what_comes_between_the_making_of_a_page_and_its_stream_is_told() -> None:
    made = app()
    async with client(made) as web:
        found = re.search(r'<body data-seen="([^"]+)">', (await web.get("/alerts")).text)
    assert found is not None
    hub: Hub = made.state.site.hub
    hub.publish("changed", what="alerts")

    assert [news.data for news in hub.since(found.group(1))] == [{"what": "alerts"}]
    assert hub.since(hub.position) == []


async def test_a_position_that_is_none_makes_a_page_look_at_everything() -> None:
    hub = Hub(1)
    for given in (
        "x",
        "-1",
        f"{hub.epoch}-",
        f"{hub.epoch}--1",
        f"{hub.epoch}-99999999999999999999",
        "\r\nid: 1",
    ):
        assert [news.topic for news in hub.since(given)] == ["anew"], given
