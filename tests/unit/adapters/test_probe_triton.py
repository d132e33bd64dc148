"""The probe's client: small calls behind live traffic, and no state that an audit couldn't trust."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
import pytest

from monitor.adapters.probe_triton import TritonProbe, connect_probe
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.settings import TritonSettings
from tests.fakes.probe_server import ProbeServer, probe_config

LAYERS = ("layer_02", "layer_00")


@pytest.fixture
async def server() -> AsyncIterator[ProbeServer]:
    async with ProbeServer() as server:
        yield server


@pytest.fixture
async def probe(server: ProbeServer) -> AsyncIterator[TritonProbe]:
    async def at_once(_seconds: float) -> None: ...

    settings = TritonSettings(url=server.address, max_batch=4, attempts=2, max_text_chars=100)
    async with await connect_probe(settings, sleep=at_once) as probe:
        yield probe


async def test_states_come_in_order_in_small_calls_one_at_a_time_behind_live_traffic(
    server: ProbeServer, probe: TritonProbe
) -> None:
    texts = ["a" * (n + 1) for n in range(10)]
    found = await probe.states(texts, LAYERS)
    assert list(found.layers) == list(LAYERS)
    assert found.layers["layer_02"][:, 0].tolist() == [n + 3 for n in range(10)]
    assert found.layers["layer_00"].shape == (10, 4)
    assert sorted(map(len, server.requests)) == [2, 4, 4]
    assert (server.most_in_flight, set(server.priorities)) == (1, {2})
    assert set(server.queue_timeout_us) == {10_000_000}


async def test_what_was_cut_here_or_there_is_said(probe: TritonProbe) -> None:
    found = await probe.states(["fine", "long", "x" * 200], LAYERS)
    assert found.truncated.tolist() == [False, True, True]
    assert found.layers["layer_00"][2, 0] == 100


async def test_the_facts_are_those_of_the_config_and_follow_it(
    server: ProbeServer, probe: TritonProbe
) -> None:
    facts = await probe.facts()
    assert (facts.layers, facts.dimensions) == (("layer_00", "layer_01", "layer_02"), 4)
    assert (facts.pooling, facts.template, facts.projection) == ("mean", "raw", "none")
    server.config = probe_config(dimensions="8", mark="n" * 16)
    server.mark, server.gives = "n" * 16, 8
    with pytest.raises(Rejected, match="changed_shape"):
        await probe.states(["text"], LAYERS)
    assert (await probe.facts()).dimensions == 8
    assert (await probe.states(["text"], LAYERS)).layers["layer_00"].shape == (1, 8)
    assert "3 layers of 8" in (await probe.ping())["states"]


def no_states(response: Any) -> None:
    response.outputs[0].name = "other"


def half_the_states(response: Any) -> None:
    response.raw_output_contents[0] = response.raw_output_contents[0][
        : len(response.raw_output_contents[0]) // 2
    ]


def no_marks(response: Any) -> None:
    response.raw_output_contents[2] = b""


@pytest.mark.parametrize(
    ("distort", "mark"),
    [(no_states, "m" * 16), (half_the_states, "m" * 16), (no_marks, "m" * 16), (None, "another probe")],
)
async def test_states_that_are_not_this_probes_are_refused(
    server: ProbeServer, probe: TritonProbe, distort: Callable[[Any], None] | None, mark: str
) -> None:
    server.distort, server.mark = distort, mark
    with pytest.raises(Rejected) as caught:
        await probe.states(["a secret text"], LAYERS)
    assert caught.value.reason == "changed_shape"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "layers", "reason"),
    [
        ([], LAYERS, "no_text"),
        (["fine", " \n"], LAYERS, "no_text"),
        (["fine"], (), "unknown_layer"),
        (["fine"], ("layer_03",), "unknown_layer"),
        (["fine", "a nan"], LAYERS, "not_finite"),
        (["fine", "poison", "fine too"], LAYERS, "refused_text"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_its_reason(
    server: ProbeServer, probe: TritonProbe, texts: list[str], layers: tuple[str, ...], reason: str
) -> None:
    server.poison = {b"poison": grpc.StatusCode.INTERNAL}
    with pytest.raises(Rejected) as caught:
        await probe.states(texts, layers)
    assert caught.value.reason == reason
    assert "poison" not in str(caught.value)


async def test_a_lone_surrogate_and_any_sign_is_sent_as_text(server: ProbeServer, probe: TritonProbe) -> None:
    await probe.states(["\ud800 日本 \x00"], LAYERS)
    assert server.requests == [["? 日本 \x00".encode()]]


async def test_a_probe_that_is_away_is_asked_again_later(server: ProbeServer, probe: TritonProbe) -> None:
    server.broken = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(Retryable):
        await probe.states(["text"], LAYERS)


async def test_a_model_that_is_no_probe_is_misconfigured() -> None:
    spoiled = probe_config(dimensions="many")
    del spoiled.output[0]
    async with ProbeServer(config=spoiled) as server:
        with pytest.raises(
            Misconfigured, match=r"output states is missing.*dimensions and max_tokens are no numbers"
        ):
            await connect_probe(TritonSettings(url=server.address))
    async with ProbeServer() as server:
        with pytest.raises(Misconfigured, match="WATCHKEEPER_AUDIT__PROBE_MODEL"):
            await connect_probe(TritonSettings(url=server.address), model="other")
