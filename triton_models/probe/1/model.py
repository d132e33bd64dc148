"""The probe on Triton's Python backend: texts and names of layers in, hidden states out. The logic is in probe/ and scoring/."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


def _find_logic(model_folder: Path) -> None:
    """Make triton_models.probe and triton_models.scoring importable, whatever the folder above is called."""
    for parent in (model_folder, model_folder.parent):
        if all((parent / part).exists() for part in ("probe/states.py", "scoring/loading.py")):
            package = sys.modules.setdefault("triton_models", ModuleType("triton_models"))
            package.__path__ = [str(parent)]
            return
    raise pb_utils.TritonModelException(f"{model_folder} lacks its code; write it again (docs/audit.md)")


class TritonPythonModel:
    """One instance: one model. Each request runs by itself: audits have one in flight, and a bad one then fails alone."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load and check the model; refuse to start where config.pbtxt names another."""
        folder = Path(__file__).resolve().parents[1]
        _find_logic(folder)
        from triton_models.probe import serving

        self._serving = serving
        try:
            settings = serving.Settings.of(json.loads(args["model_config"])["parameters"])
            self._reader = serving.open_reader(settings, folder)
        except (RuntimeError, ValueError) as exc:
            raise pb_utils.TritonModelException(f"{args['model_name']}: {exc}") from exc
        self._mark = settings.mark

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request: states, or what is wrong with it."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        if request.is_cancelled():
            return _failed("cancelled", pb_utils.TritonError.CANCELLED)
        try:
            texts, asked = (
                pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("text", "layers")
            )
            found = self._reader.read(self._serving.texts_of_rows(texts), self._serving.layers_of_rows(asked))
        except KeyError:
            layers = self._reader.layers
            return _failed(
                f"a layer it asks for isn't there; there are {layers[0]} to {layers[-1]}",
                pb_utils.TritonError.INVALID_ARG,
            )
        except ValueError as exc:
            return _failed(str(exc), pb_utils.TritonError.INVALID_ARG)
        except Exception as exc:  # noqa: BLE001  # an answer for everyone, or Triton waits for ever
            return _failed(f"reading failed ({type(exc).__name__})", pb_utils.TritonError.INTERNAL)
        rows = len(found.truncated)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("states", found.states),
                pb_utils.Tensor("truncated", found.truncated.reshape(-1, 1)),
                pb_utils.Tensor("mark", np.full((rows, 1), self._mark.encode(), np.object_)),
            ]
        )


def _failed(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
