"""A prompted guard on Triton's Python backend: tensors in, tensors out. The logic is in scoring/, in the model folder or beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

_ONE_PER_ROW = ("prompt_harm", "refusal", "response_harm", "truncated")


def _find_scoring(model_folder: Path) -> None:
    """Make triton_models.scoring importable, whatever the folder above is called."""
    for parent in (model_folder, model_folder.parent):
        if (parent / "scoring" / "scorer.py").exists():
            package = sys.modules.setdefault("triton_models", ModuleType("triton_models"))
            package.__path__ = [str(parent)]
            return
    raise pb_utils.TritonModelException(
        f"{model_folder} has no scoring folder; write it again (docs/guards.md)"
    )


class TritonPythonModel:
    """One instance. The rows of a dynamic batch run in token-budget batches; each request is answered once its own are done."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load and check the model; refuse to start where config.pbtxt names another model or prompt."""
        folder = Path(__file__).resolve().parents[1]
        _find_scoring(folder)
        from triton_models.scoring import guard, serving

        parameters = json.loads(args["model_config"])["parameters"]
        settings = serving.Settings.of(parameters, version="guard_version", prompt_hash="prompt_hash")
        self._guard, self._serving = guard, serving
        self._categories = parameters["category_labels"]["string_value"].split(",")
        try:
            ((_, self._scorer),) = serving.open_scorers(settings, folder / "prompts").items()
            guard.check_categories(self._scorer.file, self._categories)
        except (RuntimeError, ValueError) as exc:
            raise pb_utils.TritonModelException(f"{args['model_name']}: {exc}") from exc

    def execute(self, requests: list[Any]) -> None:
        """One response for each request, as it is ready. A request that can't be read gets an error; the others their scores."""
        senders = [request.get_response_sender() for request in requests]
        readable = []
        for index, request in enumerate(requests):
            try:
                tensors = (
                    pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                    for name in ("prompt", "response", "has_response")
                )
                readable.append((index, self._serving.exchanges_of(*tensors)))
            except Exception as exc:  # noqa: BLE001  # what is wrong with one request stays with it
                message = f"this request can't be read ({type(exc).__name__}); see schemas/tensors.py"
                _fail(senders[index], message, pb_utils.TritonError.INVALID_ARG)
        places = list(self._serving.placed(readable))
        owner = [place for place in places for _ in range(place.start, place.stop)]
        exchanges = [exchange for _, rows in readable for exchange in rows]
        found: dict[int, Any] = {}
        waiting = {place.request: place.stop - place.start for place in places}
        try:
            for row, scored in self._scorer.stream(
                exchanges, lambda row: not requests[owner[row].request].is_cancelled()
            ):
                found[row] = scored
                place = owner[row]
                waiting[place.request] -= 1
                if not waiting[place.request]:
                    del waiting[place.request]
                    rows = range(place.start, place.stop)
                    self._answer(
                        senders[place.request], [found.pop(at) for at in rows], [exchanges[at] for at in rows]
                    )
        except Exception as exc:  # noqa: BLE001  # an answer for everyone, or Triton waits for ever
            for index in waiting:
                _fail(senders[index], f"scoring failed ({type(exc).__name__})", pb_utils.TritonError.INTERNAL)
            return
        for index in waiting:
            _fail(senders[index], "cancelled", pb_utils.TritonError.CANCELLED)

    def _answer(self, sender: Any, scored: list[Any], exchanges: list[Any]) -> None:
        flags = [response is not None for _, response in exchanges]
        scores = self._guard.guard_scores(self._scorer.file, scored, flags, self._categories)
        tensors = [pb_utils.Tensor(name, getattr(scores, name).reshape(-1, 1)) for name in _ONE_PER_ROW]
        tensors.append(pb_utils.Tensor("category", np.ascontiguousarray(scores.category)))
        sender.send(pb_utils.InferenceResponse(tensors), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _fail(sender: Any, message: str, code: int) -> None:
    response = pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
    sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
