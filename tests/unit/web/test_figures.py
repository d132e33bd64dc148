"""What is counted, expected and shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.drift.measures import Measure
from monitor.drift.streams import StreamKey
from monitor.drift.views import StreamState, StreamView
from monitor.intervals import wilson
from monitor.web.asking import SPANS, Ask, BadQueryError, Span, number_of, read
from monitor.web.baselines import Baselines
from monitor.web.charts import rate_chart
from monitor.web.figures import Baseline, Counted, begin_of, counted, figure, series, tiles_of
from monitor.web.overview import overview, side_of, sparkline
from schemas.taxonomy import CATEGORIES

NOW = datetime(2026, 3, 3, 12, 7, tzinfo=UTC)
ROW = {
    "tile": 0, "model_key": "m", "category_key": "benign", "events": 10, "to_be_scored": 10, "answered": 9, "responded": 9,
    "refused_n": 3, "harmless": 8, "harmless_refused": 2, "harmful": 1, "harmful_refused": 1, "harmful_prompts": 1,
    "harmful_responses": 0,
}  # fmt: skip


def stream(
    k: float,
    n: float,
    *,
    model: str = "m",
    category: str | None = "benign",
    state: StreamState = "armed",
    **more: float,
) -> StreamView:
    key = StreamKey(Measure.REFUSAL, "cell", "t", model, category)
    return StreamView(key, state, k, n - k, k / n, 0.0, more.get("events", n), NOW, NOW)


def rows(*more: dict[str, object]) -> list[Counted]:
    return counted([{**ROW, **one} for one in more])


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"measure": "mix"}, "measure=mix is no rate"),
        ({"span": "9y"}, "span=9y is no stretch of time"),
        ({"category": "<script>"}, "is no category"),
        ({"tenant": "x" * 600}, "600 characters"),
        ({"model": "a\x00b"}, "is no name"),
        ({"measure": "y" * 500}, f"measure={'y' * 40}… is no rate"),
    ],
)
def test_an_address_that_asks_for_nothing_is_told_in_words(query: dict[str, str], told: str) -> None:
    with pytest.raises(BadQueryError) as caught:
        read(query)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-1", "1e3", "²", "x", "10000000000", "51"])
def test_a_number_is_one_within_its_bounds(text: str) -> None:
    with pytest.raises(BadQueryError):
        number_of({"limit": text}, "limit", 50, 50)


def test_an_address_says_what_it_was_read_from() -> None:
    ask = read({"tenant": "a&b=c", "category": "-", "span": "6h", "measure": "over_refusal"})

    assert (ask.tenant, ask.category, ask.span.by) == ("a&b=c", "", "event")
    assert ask.address() == "measure=over_refusal&span=6h&tenant=a%26b%3Dc&category=-"
    assert ask.address(span="24h") == "measure=over_refusal&span=24h&tenant=a%26b%3Dc&category=-"
    assert read({"tenant": ""}).tenant is None


def test_a_span_ends_with_the_tile_that_goes_on() -> None:
    for span in SPANS:
        since, until = Ask(measure=Measure.REFUSAL, span=span).bounds(NOW)
        assert since < NOW < until <= NOW + span.tile
        assert len(tiles_of(since, until, span.tile)) == span.length / span.tile


def test_a_rate_of_nothing_is_none() -> None:
    assert figure(0, 0).rate is None
    assert series([], Measure.REFUSAL, [1, 2]) == [figure(0, 0)] * 2
    assert series(rows({"tile": 2}, {"tile": 2, "model_key": "n"}, {"tile": 9}), Measure.REFUSAL, [1, 2])[
        1
    ] == figure(6, 18)


def test_a_baseline_is_of_its_streams_by_their_traffic() -> None:
    held = stream(20, 100, model="held", state="firing", events=900.0)
    found = Baselines(streams=(stream(10, 100), held))

    both = found.of(Measure.REFUSAL, None, None, "benign")
    assert both is not None
    assert (both.state, both.streams) == ("firing", 2)
    assert both.rate == pytest.approx((100 * 0.1 + 900 * 0.2) / 1000)
    one = found.of(Measure.REFUSAL, "t", "m", "benign")
    assert one is not None
    assert (one.state, one.streams) == ("armed", 1)
    assert one.rate == pytest.approx(0.1)
    assert one.a + one.b == pytest.approx(100)
    assert found.of(Measure.REFUSAL, "elsewhere", None, None) is None
    assert found.of(Measure.COVERAGE, None, None, None) is None
    assert Baselines(streams=(stream(1, 10),)).of(Measure.REFUSAL, None, None, None) is None


def test_the_band_is_wider_than_either_error_alone() -> None:
    base = Baseline(50, 950, "armed", 1)
    low, high = base.band(1000) or (0.0, 0.0)

    assert low < wilson(50, 1000)[0] < 0.05 < wilson(50, 1000)[1] < high
    assert base.band(0) is None


def test_only_what_is_outside_by_enough_is_marked() -> None:
    base = Baseline(50, 950, "armed", 1)

    assert side_of(figure(200, 1000), base) == "up"
    assert side_of(figure(5, 1000), base) == "down"
    assert side_of(figure(55, 1000), base) == ""
    assert side_of(figure(5, 10), base) == ""  # too few
    assert side_of(figure(61_000, 1_000_000), Baseline(5e7, 9.5e8, "armed", 1)) == ""  # certain, and small
    assert side_of(figure(0, 0), base) == side_of(figure(9, 100), None) == ""


def test_a_sparkline_has_no_line_over_a_gap() -> None:
    assert sparkline([0.0, 1.0, None, 0.5], 1.0) == ("0.0,18.5 33.3,1.5", "100.0,10.0 116.7,10.0")
    assert sparkline([], 1.0) == sparkline([None], 1.0) == ()


@pytest.mark.parametrize(
    "names", [[], ["m"], [f"model {n}" for n in range(30)], ['"><img src=x onerror=alert(1)>']]
)
def test_the_overview_has_every_category_whatever_there_is(names: list[str]) -> None:
    since, until = NOW - timedelta(hours=24), NOW
    ask = read({})
    tile = tiles_of(since, until, ask.span.tile)[3]
    found = overview(
        rows(*({"tile": tile, "model_key": name} for name in names)),
        ask,
        Baselines(streams=(stream(10, 100),)),
        since=since,
        until=until,
        firing={(name, "benign") for name in names[:1]},
    )

    assert [row.category for row in found.rows] == [None, *CATEGORIES]
    assert (len(found.models), found.more_models) == (min(len(names), 8), max(0, len(names) - 8))
    assert found.exchanges == 10 * len(names)
    assert sum(cell.fires for row in found.rows for cell in row.cells) == len(names[:1])


def test_only_unknowns_have_no_rate_and_a_coverage() -> None:
    nothing = dict.fromkeys(
        [name for name in ROW if name not in ("tile", "model_key", "category_key", "events", "to_be_scored")],
        0,
    )
    since, until = NOW - timedelta(hours=24), NOW
    ask = read({"measure": "coverage"})
    tile = tiles_of(since, until, ask.span.tile)[3]
    found = overview(
        rows({**nothing, "tile": tile, "category_key": ""}), ask, Baselines(), since=since, until=until
    )

    assert [
        (tile.measure.value, tile.figure.rate) for tile in found.tiles if tile.figure.rate is not None
    ] == [("coverage", 1.0)]
    assert [row.category for row in found.rows] == [None]


@pytest.mark.parametrize("change", ["2026-03-29T01:00", "2026-10-25T01:00"])
@pytest.mark.parametrize("span", SPANS, ids=lambda one: one.name)
def test_an_axis_goes_on_evenly_where_clocks_elsewhere_change(span: Span, change: str) -> None:
    """It is in UTC: around a change of Europe's clocks no hour is left out, and none is there twice."""
    ask = Ask(Measure.REFUSAL, span)
    since, until = ask.bounds(datetime.fromisoformat(change).replace(tzinfo=UTC) + span.length / 3)
    tiles = tiles_of(since, until, span.tile)
    times = [begin_of(tile, span.tile) for tile in tiles]
    chart = rate_chart(
        times, [("all", series([], Measure.REFUSAL, tiles))], None, is_long=span.length.days >= 2
    )

    assert times == [since + span.tile * number for number in range(len(tiles))]
    assert until - since == span.length
    assert len(set(chart["labels"])) == len(tiles) == span.length // span.tile
    assert chart["labels"] == sorted(chart["labels"]) or span.length.days < 2
    assert chart["clock"] == "UTC"
