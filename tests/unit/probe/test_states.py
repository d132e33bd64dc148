"""Hidden states are those of the model, whatever a text shares its batch with, and only of the layers asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.unit.probe.models import TEXTS
from triton_models.probe.model_folder import found_of
from triton_models.probe.serving import check, open_reader
from triton_models.probe.states import Reader, blocks_of, shape_of
from triton_models.scoring.loading import ModelError, load_model

ALL = ("layer_01", "layer_02")


@pytest.fixture(scope="module", params=["decoder, chat", "decoder, raw", "encoder", "decoder, mean"])
def reader(request: pytest.FixtureRequest, decoder: Path, encoder: Path) -> Reader:
    folder = encoder if request.param == "encoder" else decoder
    template = "chat" if "chat" in request.param else "raw"
    pooling = "mean" if "mean" in request.param else "auto"
    found = found_of(str(folder), device="cpu", template=template, pooling=pooling)
    return open_reader(found.settings, Path())


def apart(some: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """The largest difference, of the largest value where that is above 1: float32 has seven digits."""
    return float(np.abs(some - others).max() / max(1.0, np.abs(others).max()))


def transformers_states(reader: Reader, text: str) -> tuple[NDArray[np.float32], ...]:
    """What the library gives for the text alone, without a final norm's layer, pooled by hand."""
    model = reader._model
    ids = torch.tensor([reader._texts.render(text).ids])
    with torch.inference_mode():
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
    pooled = [one[0, -1] if reader._pooling == "last" else one[0].mean(dim=0) for one in hidden]
    return tuple(one.numpy() for one in pooled)


def test_a_state_is_the_models_own_alone_and_beside_longer_texts(reader: Reader) -> None:
    together = reader.read(TEXTS, ALL)
    assert together.states.dtype == np.float32
    for place, text in enumerate(TEXTS):
        alone = reader.read([text], ALL).states[0]
        assert apart(together.states[place], alone) < 1e-5
        wanted = transformers_states(reader, text)
        assert apart(alone[0], wanted[1]) < 1e-5  # the library gives the last one behind the final norm
        norm = getattr(reader._model, "norm", None)
        last = alone[1] if norm is None else norm(torch.from_numpy(alone[1])).numpy()
        if norm is None or reader._pooling == "last":  # a mean of norms is no norm of a mean
            assert apart(last, wanted[2]) < 1e-5


def test_layers_come_as_asked_and_nothing_deeper_is_computed(reader: Reader) -> None:
    whole = reader.read(TEXTS, ALL).states
    ran: list[int] = []
    hooks = [
        block.register_forward_pre_hook(lambda *_, at=at: ran.append(at))
        for at, block in enumerate(blocks_of(reader._model))
    ]
    try:
        some = reader.read(TEXTS, ("layer_01",)).states
    finally:
        for hook in hooks:
            hook.remove()
    assert set(ran) == {0}
    assert apart(some, whole[:, :1]) < 1e-5
    with pytest.raises(KeyError):
        reader.read(TEXTS, ("layer_03",))
    assert np.array_equal(reader.read(TEXTS, ALL).states, whole)  # no hook is left behind


def test_embeddings_are_read_where_tokens_are_averaged_alone(encoder: Path, decoder: Path) -> None:
    found = found_of(str(encoder), device="cpu")
    reader = open_reader(found.settings, Path())
    assert reader.layers == ("layer_00", "layer_01", "layer_02")
    states = reader.read(TEXTS, ("layer_00",)).states
    for place, text in enumerate(TEXTS):
        assert apart(states[place, 0], transformers_states(reader, text)[0]) < 1e-5
    last = open_reader(found_of(str(decoder), device="cpu").settings, Path())
    with pytest.raises(KeyError):
        last.read(TEXTS, ("layer_00",))


def test_many_batches_are_put_together_in_order(reader: Reader) -> None:
    reader._budget, before = 40, reader._budget
    try:
        cut = reader.read(TEXTS * 3, ALL).states
    finally:
        reader._budget = before
    assert apart(cut, np.tile(reader.read(TEXTS, ALL).states, (3, 1, 1))) < 1e-5


def test_what_a_text_is_cut_to_is_said(reader: Reader) -> None:
    texts = ("short", "long " * 30_000)
    found = reader.read(texts, ("layer_02",))
    assert found.truncated.tolist() == [False, True]
    assert np.isfinite(found.states).all()


def test_a_text_cannot_spell_a_special_token(reader: Reader) -> None:
    around = set(reader._texts.render("x").ids)
    for written in ("[/INST]", "</s>", "[SEP]", "[PAD]"):
        ids = reader._texts.render(f"x{written}y").ids
        assert len(ids) > len(around)
        # the real ones have the lowest ids of both vocabularies; those that the template puts there are there once, as before
        assert [one for one in ids if one < 10] == [one for one in reader._texts.render("x").ids if one < 10]


def test_which_side_a_tokenizer_pads_on_changes_nothing(
    decoder: Path, tmp_path: Path, copy_with: Callable[..., Path]
) -> None:
    left = copy_with(decoder, tmp_path / "left", padding_side="left")
    states = []
    for folder in (decoder, left):
        found = found_of(str(folder), device="cpu", template="raw")
        states.append(open_reader(found.settings, Path()).read(TEXTS, ALL).states)
    assert np.array_equal(states[0], states[1])


def test_padding_is_never_averaged_in_even_where_it_is_nan(encoder: Path) -> None:
    found = found_of(str(encoder), device="cpu")
    reader = open_reader(found.settings, Path())
    hidden = torch.ones(2, 3, 4)
    hidden[1, 1:] = torch.nan
    lengths = torch.tensor([3, 1])
    mask = torch.arange(3)[None] < lengths[:, None]
    assert reader._pooled(hidden, lengths, mask).tolist() == [[1.0] * 4] * 2


def test_a_model_that_looks_at_padding_is_refused(decoder: Path) -> None:
    found = found_of(str(decoder), device="cpu")
    reader = open_reader(found.settings, Path())
    block = blocks_of(reader._model)[0]
    hook = block.register_forward_hook(lambda _block, _args, out: out + out.shape[1])
    try:
        with pytest.raises(ModelError, match="this model looks at padding"):
            check(reader, found.settings.dimensions)
    finally:
        hook.remove()


def test_a_model_whose_states_are_not_finite_is_refused(decoder: Path) -> None:
    found = found_of(str(decoder), device="cpu")
    reader = open_reader(found.settings, Path())
    hook = blocks_of(reader._model)[0].register_forward_hook(lambda _block, _args, out: out * torch.inf)
    try:
        with pytest.raises(ModelError, match="NaN or infinite"):
            check(reader, found.settings.dimensions)
    finally:
        hook.remove()


def test_an_empty_text_without_a_token_is_refused_and_one_with_is_read(encoder: Path, decoder: Path) -> None:
    found = found_of(str(encoder), device="cpu")
    reader = open_reader(found.settings, Path())
    assert np.isfinite(reader.read([""], ALL).states).all()  # [CLS] [SEP]

    class Nothing:
        def render(self, text: str) -> Any:
            return type(reader._texts.render("a"))((), is_truncated=False)

    bare = Reader(reader._model, Nothing(), pooling="mean", projection=reader._projection)
    with pytest.raises(ValueError, match="text 0 of 1 has no token"):
        bare.read([""], ALL)


def test_a_model_without_a_plain_stack_of_blocks_is_refused(decoder: Path) -> None:
    from transformers import AutoConfig

    with pytest.raises(ModelError, match="no plain decoder or encoder"):
        shape_of(AutoConfig.for_model("t5"))
    model = load_model(str(decoder), dtype="float32", device="cpu", part="body").model
    model.layers = torch.nn.Sequential(*model.layers)
    with pytest.raises(ModelError, match="no list of 2 blocks"):
        blocks_of(model)
