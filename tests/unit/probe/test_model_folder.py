"""The command that writes the probe's folder: whole, with the facts that go into every audit, or nothing and the remedy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.probe_wire import facts_of
from monitor.audit.ports import ProbeFacts
from tests.unit.probe import models
from triton_models.probe import fit_projection, model_folder
from triton_models.probe.model_folder import found_of, write
from triton_models.probe.projection import FILE
from triton_models.probe.serving import open_reader
from triton_models.probe.settings import Settings
from triton_models.scoring.loading import ModelError, version_of
from triton_models.scoring.prompt_file import PromptFileError


def parameters_of(folder: Path) -> dict[str, dict[str, str]]:
    """As Triton gives them to the model."""
    config = text_format.Parse(
        (folder / "config.pbtxt").read_text(encoding="utf-8"), model_config_pb2.ModelConfig()
    )
    return {name: {"string_value": value.string_value} for name, value in config.parameters.items()}


def client_facts(folder: Path) -> tuple[ProbeFacts, str]:
    return facts_of(
        text_format.Parse(
            (folder / "config.pbtxt").read_text(encoding="utf-8"), model_config_pb2.ModelConfig()
        )
    )


def test_the_client_reads_what_the_command_found_and_the_model_starts_with_it(
    decoder: Path, tmp_path: Path
) -> None:
    found = found_of(str(decoder), device="cpu", projection="random-8-1")
    folder = write(tmp_path, found, name="probe_of_mine")
    facts, mark = client_facts(folder)
    assert facts == ProbeFacts(
        model="probe_of_mine",
        version=version_of(str(decoder)),
        tokenizer_hash=found.settings.tokenizer_hash,
        template_hash=found.settings.template_hash,
        layers=("layer_01", "layer_02"),
        dimensions=8,
        pooling="last",
        template="chat",
        projection="random-8-1",
        max_tokens=1024,
        dtype="float32",
    )
    assert all(len(digest) == 16 for digest in (mark, facts.tokenizer_hash, facts.template_hash))
    settings = Settings.of(parameters_of(folder))
    assert (settings, settings.mark) == (found.settings, mark)
    assert open_reader(settings, folder).read(["a"], ["layer_01"]).states.shape == (1, 1, 8)
    assert {path.name for path in folder.iterdir()} == {"1", "config.pbtxt", "probe", "scoring"}


def test_every_fact_changes_the_mark(decoder: Path) -> None:
    settings = found_of(str(decoder), device="cpu").settings
    others = [
        replace(settings, version="other"),
        replace(settings, layers=("layer_00",)),
        replace(settings, pooling="mean"),
        replace(settings, template="raw"),
        replace(settings, projection="random-8-1"),
        replace(settings, max_tokens=12),
        replace(settings, dtype="bfloat16"),
    ]
    assert len({one.mark for one in (settings, *others)}) == 8
    assert replace(settings, device="cuda:1", budget=1).mark == settings.mark


def test_what_is_left_open_follows_from_the_model(decoder: Path, encoder: Path, tmp_path: Path) -> None:
    bare = models.decoder(tmp_path / "bare", template=None)
    chosen = [
        (one.pooling, one.template, one.dtype, one.max_tokens)
        for one in (
            found_of(str(decoder)).settings,
            found_of(str(bare)).settings,
            found_of(str(encoder), device="cpu").settings,
        )
    ]
    assert chosen == [
        ("last", "chat", "bfloat16", 1024),
        ("last", "raw", "bfloat16", 1024),
        ("mean", "raw", "float32", 64),
    ]


def test_a_chat_template_that_is_asked_for_and_is_not_there_is_refused(tmp_path: Path) -> None:
    bare = models.decoder(tmp_path / "bare", template=None)
    with pytest.raises(PromptFileError, match="chat template"):
        found_of(str(bare), template="chat")


def test_a_template_that_writes_the_date_gives_the_same_states_tomorrow(tmp_path: Path) -> None:
    dated = models.decoder(tmp_path / "dated", template=models.DATED)
    found = found_of(str(dated), device="cpu")
    ids = found.texts.render("x").ids
    assert bytes(one - 4 for one in ids if one >= 4)  # the date stands in it as text
    assert found_of(str(dated), device="cpu").settings.template_hash == found.settings.template_hash
    assert len(ids) == len("26 July 2024 x ") + 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"projection": "random-64-1"}, "write none, random-<dimensions below 64>-<seed>"),
        ({"projection": "random-x"}, "write none, random-"),
        ({"projection": "nowhere.npz"}, "nowhere.npz can't be read"),
        ({"max_tokens": 100_000}, "this model takes 1 to 8192"),
        ({"max_tokens": -1}, "this model takes 1 to 8192"),
    ],
)
def test_a_setting_that_the_model_cannot_take_is_refused(
    decoder: Path, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        found_of(str(decoder), **fields)  # type: ignore[arg-type]  # one field each


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no folder here, and no hub id"):
        found_of(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
    with pytest.raises(ModelError, match="no config or tokenizer"):
        found_of(str(tmp_path))


def test_a_model_does_not_start_where_its_config_names_other_facts(
    encoder: Path, tmp_path: Path, copy_with: Callable[..., Path]
) -> None:
    other = copy_with(encoder, tmp_path / "other")
    settings = found_of(str(other), device="cpu").settings
    words = other / "tokenizer.json"
    words.write_text(words.read_text(encoding="utf-8").replace('"##z"', '"##zz"'), encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.pbtxt names tokenizer_hash"):
        open_reader(settings, tmp_path)
    for wrong, name in (
        (replace(settings, version="other@1"), "version"),
        (replace(settings, dimensions=31), "dimensions"),
    ):
        with pytest.raises(ModelError, match=f"config.pbtxt names {name}|config.pbtxt names tokenizer_hash"):
            open_reader(wrong, tmp_path)


def test_a_folder_that_somebody_edited_is_refused() -> None:
    with pytest.raises(ModelError, match="write the model folder again"):
        Settings.of({"pooling": {"string_value": "first"}})


def test_components_are_fitted_written_and_served_by_the_commands(
    decoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text(
        "\n".join(json.dumps({"prompt": f"What is {n} times {n + 7}?"}) for n in range(40)), encoding="utf-8"
    )
    file = tmp_path / "components.npz"
    model = ["--model", str(decoder), "--device", "cpu"]
    run(fit_projection.main, [*model, "--texts", str(texts), "--dimensions", "6", "--into", str(file)])
    name = capsys.readouterr().out.split()[-1]
    assert name.startswith("pca-6-")
    run(model_folder.main, [*model, "--projection", str(file), "--into", str(tmp_path / "models")])
    folder = Path(capsys.readouterr().out.strip())
    facts, _ = client_facts(folder)
    assert (facts.projection, facts.dimensions) == (name, 6)
    reader = open_reader(Settings.of(parameters_of(folder)), folder)
    assert reader.read(["a", "b"], ["layer_02"]).states.shape == (2, 1, 6)
    with np.load(folder / FILE) as parts:
        changed = {key: parts[key] for key in parts.files}
    changed["matrix"] = -changed["matrix"]
    np.savez(folder / FILE, **changed)
    with pytest.raises(ModelError, match=r"config\.pbtxt names projection"):
        open_reader(Settings.of(parameters_of(folder)), folder)


def test_texts_that_cannot_be_read_are_refused_without_them(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"other": "secret"}', encoding="utf-8")
    with pytest.raises(ModelError, match="can't be read") as caught:
        fit_projection.texts_of_file(file)
    assert "secret" not in str(caught.value)


def run(main: Callable[[], None], arguments: list[str]) -> None:
    """A command with these arguments."""
    before, sys.argv = sys.argv, ["command", *arguments]
    try:
        main()
    finally:
        sys.argv = before
