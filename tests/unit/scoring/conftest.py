"""One tiny Mistral for the whole session, loaded as the server loads it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from benchmarks.guard_speed.shapes import mistral_tokenizer
from tests.unit.scoring import models
from triton_models.scoring.loading import Attention, Loaded
from triton_models.scoring.vocabulary import Vocabulary


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder."""
    return models.write_model(tmp_path_factory.mktemp("mistral"), mistral_tokenizer())


@pytest.fixture(scope="session")
def loaded(folder: Path) -> Callable[[Attention], Loaded]:
    """The model with an attention implementation, each loaded once."""

    @cache
    def of(attention: Attention) -> Loaded:
        return models.load(folder, attention)

    return of


@pytest.fixture(scope="session")
def vocabulary(loaded: Callable[[Attention], Loaded]) -> Vocabulary:
    """The real Mistral v3 vocabulary."""
    return Vocabulary(loaded("sdpa").tokenizer)
