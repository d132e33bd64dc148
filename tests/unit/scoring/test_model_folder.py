"""The command that writes a model folder: whole, with what it names, or nothing and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.triton_wire import identity_of
from monitor.ports import GuardIdentity
from tests.unit.scoring import models
from triton_models.scoring import model_folder, prompt_file
from triton_models.scoring.loading import ModelError, version_of
from triton_models.scoring.prompt_file import PromptFileError


def config_of(folder: Path) -> object:
    return text_format.Parse(
        (folder / "config.pbtxt").read_text(encoding="utf-8"), model_config_pb2.ModelConfig()
    )


@pytest.mark.parametrize("name", sorted(prompt_file.load_folder(models.GUARDS)))
def test_every_guards_folder_is_a_guard_of_this_release(folder: Path, tmp_path: Path, name: str) -> None:
    written = model_folder.write(name, tmp_path, model=str(folder))
    file = prompt_file.load(written / "prompts" / f"{name}.toml")
    assert identity_of(config_of(written)) == GuardIdentity(name, version_of(str(folder)), file.hash)
    assert [path.name for path in (written / "prompts").iterdir()] == [f"{name}.toml"]
    assert (written / "scoring" / "scorer.py").exists()
    assert (written / "1" / "model.py").exists()


def test_the_queue_serves_live_traffic_first(folder: Path, tmp_path: Path) -> None:
    for name in ("wildguard", "judge"):
        if name == "judge" and not list(models.RUBRICS.glob("*.toml")):
            continue
        batching = config_of(model_folder.write(name, tmp_path, model=str(folder))).dynamic_batching  # type: ignore[attr-defined]  # a protobuf
        assert (batching.priority_levels, batching.default_priority_level) == (3, 1)
        assert sorted(batching.priority_queue_policy) == [2, 3]
        policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
        assert all(policy.max_queue_size and policy.default_timeout_microseconds for policy in policies)


def test_an_unknown_guard_is_refused_with_those_there_are(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PromptFileError, match="write one of granite_guardian, llama_guard_3"):
        model_folder.write("lama_guard", tmp_path, model=str(folder))


def test_a_model_that_cannot_be_found_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="name a model folder"):
        model_folder.write("wildguard", tmp_path, model="nobody/nothing-of-the-sort")
