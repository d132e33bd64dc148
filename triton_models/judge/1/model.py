"""The judge on Triton's Python backend: texts and a rubric's name in, its answers as JSON out. The logic is in scoring/."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


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
    """One instance: one model, all rubrics of its folder. Each request is answered once its own rows are done."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load and check the model with every rubric; refuse to start where config.pbtxt names others."""
        folder = Path(__file__).resolve().parents[1]
        _find_scoring(folder)
        from triton_models.scoring import serving

        self._serving = serving
        parameters = json.loads(args["model_config"])["parameters"]
        settings = serving.Settings.of(parameters, version="judge_version", prompt_hash="rubric_hash")
        try:
            self._scorers = serving.open_scorers(settings, folder / "prompts")
        except (RuntimeError, ValueError) as exc:
            raise pb_utils.TritonModelException(f"{args['model_name']}: {exc}") from exc

    def execute(self, requests: list[Any]) -> None:
        """One response for each request, as it is ready. A request that can't be read, or names no rubric, gets an error."""
        senders = [request.get_response_sender() for request in requests]
        readable = []
        rubrics: list[str] = []
        for index, request in enumerate(requests):
            try:
                *tensors, named = (
                    pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                    for name in ("prompt", "response", "has_response", "rubric")
                )
                rows, names = (
                    self._serving.exchanges_of(*tensors),
                    self._serving.rubrics_of(named, self._scorers),
                )
                if len(rows) != len(names):
                    raise ValueError(f"{len(rows)} exchanges, {len(names)} rubrics")
            except Exception as exc:  # noqa: BLE001  # what is wrong with one request stays with it
                message = f"this request can't be read ({type(exc).__name__}); see schemas/tensors.py"
                if isinstance(exc, KeyError):
                    message = f"a rubric it names isn't served; there are {', '.join(self._scorers)}"
                _fail(senders[index], message, pb_utils.TritonError.INVALID_ARG)
                continue
            readable.append((index, rows))
            rubrics += names
        places = list(self._serving.placed(readable))
        owner = [place for place in places for _ in range(place.start, place.stop)]
        exchanges = [exchange for _, rows in readable for exchange in rows]
        found: dict[int, bytes] = {}
        waiting = {place.request: place.stop - place.start for place in places}
        try:
            for name in dict.fromkeys(rubrics):
                mine = [row for row, rubric in enumerate(rubrics) if rubric == name]
                scorer = self._scorers[name]
                for at, scored in scorer.stream(
                    [exchanges[row] for row in mine],
                    lambda at, mine=mine: not requests[owner[mine[at]].request].is_cancelled(),
                ):
                    found[mine[at]] = self._serving.answer(scorer, scored)
                    place = owner[mine[at]]
                    waiting[place.request] -= 1
                    if not waiting[place.request]:
                        del waiting[place.request]
                        _answer(
                            senders[place.request], [found.pop(row) for row in range(place.start, place.stop)]
                        )
        except Exception as exc:  # noqa: BLE001  # an answer for everyone, or Triton waits for ever
            for index in waiting:
                _fail(senders[index], f"judging failed ({type(exc).__name__})", pb_utils.TritonError.INTERNAL)
            return
        for index in waiting:
            _fail(senders[index], "cancelled", pb_utils.TritonError.CANCELLED)


def _answer(sender: Any, answers: list[bytes]) -> None:
    tensor = pb_utils.Tensor("answers", np.array(answers, np.object_).reshape(-1, 1))
    sender.send(pb_utils.InferenceResponse([tensor]), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _fail(sender: Any, message: str, code: int) -> None:
    response = pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
    sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
