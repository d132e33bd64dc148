"""What every probe keeps to: the fake, and the client of the real Triton with a tiny decoder and a tiny encoder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import numpy as np
import pytest

from monitor.adapters.probe_triton import TritonProbe, connect_probe
from monitor.audit.ports import Probe
from monitor.embedded.triton import TritonPart
from monitor.errors import Rejected
from monitor.settings import TritonSettings
from tests.contract.test_guard import HOSTILE
from tests.fakes.probe import FakeProbe
from tests.unit.probe import models
from triton_models.probe.model_folder import found_of, write

TEXTS: Final = ["Hello there", "a", "How do I bake bread at home? " * 40, "日本 é"]


@pytest.fixture(scope="module")
async def triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonPart]:
    folder = tmp_path_factory.mktemp("probes")
    decoder = models.decoder(folder / "decoder")
    encoder = models.encoder(folder / "encoder")
    write(
        folder / "models",
        found_of(str(decoder), device="cpu", projection="random-16-7", max_tokens=256),
        name="decoder",
    )
    write(folder / "models", found_of(str(encoder), device="cpu"), name="encoder")
    async with TritonPart(folder / "triton", folder / "models") as part:
        yield part


@pytest.fixture(scope="module", params=["fake", "decoder", "encoder"])
async def probe(request: pytest.FixtureRequest, triton: TritonPart) -> AsyncIterator[Probe]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            yield FakeProbe(cuts=frozenset({TEXTS[2]}))
        else:
            settings = TritonSettings(url=triton.address, deadline_s=60, max_batch=3)
            yield await stack.enter_async_context(await connect_probe(settings, model=request.param))


async def test_the_facts_name_all_that_states_hang_on(probe: Probe) -> None:
    facts = await probe.facts()
    assert {"layer_01", "layer_02"} <= set(facts.layers)
    assert ("layer_00" in facts.layers) == (facts.pooling == "mean")
    assert all((facts.model, facts.version, facts.tokenizer_hash, facts.projection, facts.dtype))
    assert (facts.template == "chat") == bool(facts.template_hash)
    if facts.model == "decoder":
        assert (facts.pooling, facts.template, facts.projection) == ("last", "chat", "random-16-7")
        assert (facts.dimensions, facts.max_tokens) == (16, 256)
    if facts.model == "encoder":
        assert (facts.pooling, facts.template, facts.projection) == ("mean", "raw", "none")
        assert (facts.dimensions, facts.max_tokens) == (32, 64)
    assert facts == await probe.facts()


async def test_states_are_as_the_facts_say_in_the_order_asked_and_the_same_again(probe: Probe) -> None:
    facts = await probe.facts()
    found = await probe.states(TEXTS, ["layer_02", "layer_01"])
    assert list(found.layers) == ["layer_02", "layer_01"]
    for states in found.layers.values():
        assert states.dtype == np.float32
        assert states.shape == (len(TEXTS), facts.dimensions)
        assert np.isfinite(states).all()
    assert found.truncated.tolist() == [False, False, True, False]
    again = await probe.states(TEXTS, ["layer_01"])
    assert np.array_equal(again.layers["layer_01"], found.layers["layer_01"])


async def test_a_text_has_the_same_state_alone_and_beside_longer_ones(probe: Probe) -> None:
    together = await probe.states(TEXTS, ["layer_02"])
    for place, text in enumerate(TEXTS):
        alone = (await probe.states([text], ["layer_02"])).layers["layer_02"][0]
        scale = max(1.0, float(np.abs(alone).max()))
        assert np.abs(together.layers["layer_02"][place] - alone).max() < 1e-5 * scale


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_no_text_is_too_hostile_to_read(probe: Probe, text: str) -> None:
    if not text.strip():
        with pytest.raises(Rejected, match="no_text"):
            await probe.states([text], ["layer_01"])
        return
    beside = await probe.states(["a", text, "b"], ["layer_01"])
    plain = await probe.states(["a", "b"], ["layer_01"])
    assert np.isfinite(beside.layers["layer_01"]).all()
    assert np.allclose(beside.layers["layer_01"][::2], plain.layers["layer_01"], atol=1e-4)


async def test_a_bad_request_fails_alone_and_says_why(probe: Probe) -> None:
    for texts, layers, reason in (
        ([], ["layer_01"], "no_text"),
        (["fine", ""], ["layer_01"], "no_text"),
        (["fine"], ["layer_09"], "unknown_layer"),
        (["fine"], [], "unknown_layer"),
    ):
        with pytest.raises(Rejected) as caught:
            await probe.states(texts, layers)
        assert caught.value.reason == reason
    assert (await probe.states(["fine"], ["layer_01"])).layers["layer_01"].shape[0] == 1


async def test_the_server_itself_refuses_a_layer_that_is_not_there_and_goes_on(triton: TritonPart) -> None:
    settings = TritonSettings(url=triton.address, deadline_s=60)
    async with await connect_probe(settings, model="encoder") as probe:
        (said,) = await probe._model.ask([(b"text", "layer_77")])
        assert said.is_refused
        (said,) = await probe._model.ask([(b"text", "layer_01")])
        assert said.states is not None
        assert "3 layers of 32" in (await probe.ping())["states"]
        assert isinstance(probe, TritonProbe)
