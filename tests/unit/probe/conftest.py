"""One tiny decoder and one tiny encoder for the whole session."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.unit.probe import models


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    return models.decoder(tmp_path_factory.mktemp("probe") / "decoder")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    return models.encoder(tmp_path_factory.mktemp("probe") / "encoder")


@pytest.fixture(scope="session")
def copy_with() -> Callable[..., Path]:
    """Copies a model folder with other fields of its tokenizer_config.json."""

    def copy(folder: Path, into: Path, **fields: object) -> Path:
        shutil.copytree(folder, into)
        config = into / "tokenizer_config.json"
        config.write_text(
            json.dumps(json.loads(config.read_text(encoding="utf-8")) | fields), encoding="utf-8"
        )
        return into

    return copy
