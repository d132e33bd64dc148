"""guard_lite on Triton's Python backend: tensors in, tensors out. The logic is in scorer.py beside it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

_ONE_PER_ROW = ("prompt_harm", "refusal", "response_harm", "truncated")


def _load_scorer(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("guard_lite_scorer", folder / "scorer.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"guard_lite needs {folder / 'scorer.py'}; restore the model folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules["guard_lite_scorer"] = module
    spec.loader.exec_module(module)
    return module


class TritonPythonModel:
    """One instance. Every request of a dynamic batch is scored in one pass and answered on its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights; refuse to start where config.pbtxt names others."""
        folder = Path(__file__).resolve().parent
        module = _load_scorer(folder)
        weights = folder / "weights.npz"
        parameters = json.loads(args["model_config"])["parameters"]
        named = parameters["prompt_hash"]["string_value"]
        found = module.weights_hash(weights)
        if named != found:
            raise pb_utils.TritonModelException(
                f"guard_lite: config.pbtxt names weights {named}, but the files in {folder} are {found}; run export.py again"
            )
        self._scorer = module.Scorer.load(weights, stages=parameters["stages"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request, in order. A request that can't be read gets an error; the others their scores."""
        answers: list[Any] = [None] * len(requests)
        places: list[tuple[int, int, int]] = []
        prompts: list[bytes] = []
        responses: list[bytes] = []
        flags: list[Any] = []
        for index, request in enumerate(requests):
            try:
                prompt, response, flag = (
                    pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)
                    for name in ("prompt", "response", "has_response")
                )
                if not len(prompt) == len(response) == len(flag):
                    raise ValueError(f"{len(prompt)} prompts, {len(response)} responses, {len(flag)} flags")
            except Exception as exc:  # noqa: BLE001  # what is wrong with one request stays with it
                message = f"guard_lite can't read this request ({type(exc).__name__}); see schemas/tensors.py"
                answers[index] = pb_utils.InferenceResponse(
                    error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
                )
                continue
            places.append((index, len(prompts), len(prompts) + len(prompt)))
            prompts.extend(prompt)
            responses.extend(response)
            flags.append(flag)
        if places:
            scores = self._scorer.score(prompts, responses, np.concatenate(flags))
            for index, start, stop in places:
                tensors = [
                    pb_utils.Tensor(name, getattr(scores, name)[start:stop].reshape(-1, 1))
                    for name in _ONE_PER_ROW
                ]
                tensors.append(pb_utils.Tensor("category", np.ascontiguousarray(scores.category[start:stop])))
                answers[index] = pb_utils.InferenceResponse(tensors)
        return answers
