"""Model folders that are not there, not whole, or another model's: the start stops with the remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.unit.scoring import models
from triton_models.scoring.loading import ModelError, load_model, version_of


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "model"))


def test_a_folder_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model folder .* mount or copy it"):
        load_model(str(tmp_path / "none"))


def test_a_hub_id_that_cannot_be_reached_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="check the name and that it can be reached"):
        load_model("nobody/nothing-of-the-sort")


def test_a_folder_without_a_config_is_no_model(copy: Path) -> None:
    (copy / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_model(str(copy))


def test_missing_weights_are_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks model\.safetensors; copy the whole"):
        load_model(str(copy))


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_truncated_weights_are_refused(copy: Path, share: float) -> None:
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match="cut off"):
        load_model(str(copy))


def test_a_shard_that_the_index_names_must_be_there(copy: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ModelError, match=r"lacks model-00002-of-00002\.safetensors"):
        load_model(str(copy))


def test_weights_that_would_be_random_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["num_hidden_layers"] = 3
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="they would be random"):
        load_model(str(copy), dtype="float32")


def test_another_architecture_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="is a mistral model, and the prompt file is for qwen3"):
        load_model(str(folder), architectures=["qwen3"])


def test_a_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    models.tokenizer_with([f"<extra{n}>" for n in range(50)]).save_pretrained(copy)
    with pytest.raises(ModelError, match="not of one model"):
        load_model(str(copy))


def test_an_unknown_dtype_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="bfloat16 or float32"):
        load_model(str(folder), dtype="int4")


def test_the_version_tells_weights_apart(copy: Path) -> None:
    before = version_of(str(copy))
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    assert before.startswith("model@")
    assert version_of(str(copy)) != before
