"""What the Triton models over the scorer share: their parameters, what they load, and requests as rows. No Triton here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triton_models.scoring.checking import check
from triton_models.scoring.loading import Loaded, load_model
from triton_models.scoring.prompt_file import PromptFile, PromptFileError, load_folder, together
from triton_models.scoring.scorer import Exchange, Limits, Scored, Scorer


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of a config.pbtxt, as model_folder.py writes them."""

    model: str
    version: str
    hash: str
    dtype: str
    attention: Any
    device: str
    budget: int

    @classmethod
    def of(cls, parameters: Mapping[str, Mapping[str, str]], *, version: str, prompt_hash: str) -> Settings:
        """From the parsed config; `version` and `prompt_hash` name the parameters that hold those."""

        def text(name: str) -> str:
            return parameters.get(name, {}).get("string_value", "")

        return cls(
            text("model"),
            text(version),
            text(prompt_hash),
            text("dtype"),
            text("attention"),
            text("device"),
            int(text("token_budget") or Limits().budget),
        )


def open_scorers(settings: Settings, prompts: Path) -> dict[str, Scorer]:
    """A checked scorer for every prompt file of the folder, on one model.

    Raises PromptFileError or ModelError with the remedy: also where config.pbtxt names another model or other files than
    are there, for its names go into every verdict.
    """
    files = load_folder(prompts)
    if not files:
        raise PromptFileError(
            f"there is no prompt file in {prompts}; write the model folder again (docs/guards.md)"
        )
    if (found := together(files)) != settings.hash:
        raise PromptFileError(
            f"config.pbtxt names prompt files {settings.hash}, but those in {prompts} are {found}; write the model folder "
            "again (docs/guards.md)"
        )
    loaded = load_model(
        settings.model,
        architectures=_architectures(files),
        dtype=settings.dtype or "bfloat16",
        attention=settings.attention or "sdpa",
        device=settings.device,
    )
    if loaded.version != settings.version:
        raise PromptFileError(
            f"config.pbtxt names the model version {settings.version}, but {settings.model} is {loaded.version}; write the "
            "model folder again (docs/guards.md)"
        )
    return {name: _checked(file, loaded, settings.budget) for name, file in files.items()}


def _architectures(files: Mapping[str, PromptFile]) -> Sequence[str]:
    """What all files allow that allow only some."""
    limits = [set(file.architectures) for file in files.values() if file.architectures]
    if not limits:
        return ()
    if not (allowed := set.intersection(*limits)):
        raise PromptFileError("the prompt files are for different architectures; serve them apart")
    return sorted(allowed)


def _checked(file: PromptFile, loaded: Loaded, budget: int) -> Scorer:
    scorer = Scorer(file, loaded, Limits(budget=budget))
    check(scorer)
    return scorer


def exchanges_of(prompts: Any, responses: Any, flags: Any) -> list[Exchange]:
    """Rows of a request from its BYTES and BOOL tensors; bytes that are no UTF-8 become replacement characters. Raises
    ValueError where the tensors differ in length."""
    rows = [np.asarray(tensor).reshape(-1) for tensor in (prompts, responses, flags)]
    if len({len(column) for column in rows}) != 1:
        raise ValueError(f"{', '.join(str(len(column)) for column in rows)} rows")
    return [
        (_text(prompt), _text(response) if flag else None)
        for prompt, response, flag in zip(*rows, strict=True)
    ]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows of one request among those of all: half-open."""

    request: int
    start: int
    stop: int


def placed(requests: Sequence[tuple[int, Sequence[Exchange]]]) -> Iterator[Asked]:
    """Where each request's rows lie when they are put one after the other."""
    start = 0
    for request, rows in requests:
        yield Asked(request, start, start + len(rows))
        start += len(rows)


def rubrics_of(names: Any, served: Mapping[str, Scorer]) -> list[str]:
    """The rubric of each row. Raises KeyError for one that isn't served."""
    found = [_text(name) for name in np.asarray(names).reshape(-1)]
    for name in found:
        served[name]
    return found


def answer(scorer: Scorer, scored: Scored) -> bytes:
    """A judge's answer as JSON: rubric, its hash, the model's version, whether texts were cut, and the probability of each
    option of each question; `error` instead of these where the exchange failed."""
    content: dict[str, Any] = {
        "rubric": scorer.file.name,
        "hash": scorer.file.hash,
        "model_version": scorer.version,
        "truncated": scored.is_truncated,
    }
    content |= {"error": scored.error} if scored.error else {"questions": scored.questions}
    return json.dumps(content).encode()
