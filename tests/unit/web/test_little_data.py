"""Pages of a store that holds nothing, one exchange, or nothing that the guard could answer."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.applications import Starlette

from tests.unit.web.apps import app, client
from tests.unit.web.stores import Comes

COUNTS = [
    "events",
    "to_be_scored",
    "answered",
    "responded",
    "refused_n",
    "harmless",
    "harmless_refused",
    "harmful",
    "harmful_refused",
    "harmful_prompts",
    "harmful_responses",
]


def holding(category: str = "", **counts: int) -> Starlette:
    """A dashboard whose store counts this, in this hour; nothing where no counts are given. Its alerts are read."""
    made = app()
    made.state.site.book._alerts.clear()
    made.state.site.book.trouble = ""
    tile = int(datetime.now(UTC).timestamp() // 3600)
    cell = {
        "tile": tile,
        "model_key": "atlas",
        "category_key": category,
        **dict.fromkeys(COUNTS, 0),
        **counts,
    }
    made.state.site.store.connect = Comes(
        {
            "dashboard_cells_by_event": [cell] if counts else [],
            "watch_last_window": [{"ends_at": datetime.now(UTC)}] if counts else [],
            "dashboard_coverage": [
                {"windows": 1, "messages": sum(counts.values()), "dead_letters": 0, "events": 1}
            ],
        }
    ).connect
    return made


async def test_an_empty_store_says_what_brings_the_first_exchange() -> None:
    async with client(holding()) as web:
        page = (await web.get("/")).text
        assert "Nothing is watched yet" in page
        assert "watchkeeper replay FILE" in page
        assert "All is well" not in page
        assert "No exchange is stored" in (await web.get("/events")).text
        assert "None of these is stored" in (await web.get("/events?kind=refused")).text
        assert "No alert in the last 30 days" in (await web.get("/alerts")).text


async def test_one_exchange_has_a_rate_with_all_its_doubt() -> None:
    one = holding("benign", events=1, to_be_scored=1, answered=1, responded=1, harmless=1)
    async with client(one) as web:
        page = (await web.get("/")).text
        assert "All is well" in page
        assert "0 % to 79 %" in page
        assert "watchkeeper replay FILE" not in page
        assert (await web.get("/cell?category=benign&model=atlas")).status_code == 200


async def test_unknowns_alone_are_no_rate_and_said_to_be_unanswered() -> None:
    async with client(holding(events=40, to_be_scored=40)) as web:
        page = (await web.get("/")).text
        assert "40 exchanges, but none that counts for this rate" in page
        assert "How many the guard didn&#39;t answer" in page or "How many the guard didn't answer" in page
        assert "91 % to 100 %" in (await web.get("/?measure=coverage")).text
