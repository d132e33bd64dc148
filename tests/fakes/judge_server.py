"""A gRPC server that speaks KServe v2 as Triton's judge does; fails on demand as GuardServer does."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tritonclient.grpc import model_config_pb2, service_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.judge_wire import _split
from monitor.adapters.triton_wire import text_tensor
from monitor.judging.rubrics import Rubrics, installed, load
from schemas.tensors import JUDGE_INPUTS, JUDGE_OUTPUTS, Tensor
from tests.fakes.guard_server import GuardServer
from tests.fakes.judge_answers import by_rule

_ASKED: ContextVar[list[str]] = ContextVar("the rubrics of this call")
_TYPES = {"BYTES": model_config_pb2.TYPE_STRING, "BOOL": model_config_pb2.TYPE_BOOL}


def judge_config() -> Any:
    """The ModelConfig of a judge."""
    config = model_config_pb2.ModelConfig(name="judge", max_batch_size=8)
    for tensors, entries in ((JUDGE_INPUTS, config.input), (JUDGE_OUTPUTS, config.output)):
        for tensor in tensors:
            _add(entries, tensor)
    return config


def _add(entries: Any, tensor: Tensor) -> None:
    entries.add(name=tensor.name, data_type=_TYPES[tensor.dtype], dims=tensor.shape)


@dataclass
class JudgeServer(GuardServer):
    """Answers by `tests.fakes.judge_answers.by_rule`.

    `versions` are named one an inference, the last for all that follow. `spoil` maps a prompt to what is sent in place of its
    answer. `rubrics_asked` keeps the rubrics of each inference.
    """

    config: Any = field(default_factory=judge_config)
    rubrics: Rubrics = field(default_factory=lambda: load(installed()))
    versions: list[str] = field(default_factory=lambda: ["m1"])
    spoil: dict[bytes, bytes] = field(default_factory=dict)
    rubrics_asked: list[list[str]] = field(default_factory=list)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        asked = [name.decode() for name in _split(request.raw_input_contents[3])]
        self.rubrics_asked.append(asked)
        _ASKED.set(asked)
        return await super().ModelInfer(request, context)

    def _answer(self, prompts: list[bytes], responses: list[bytes], flags: Any) -> Any:
        version = self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]
        texts = [
            self.spoil.get(
                prompt,
                json.dumps(
                    {
                        "rubric": rubric,
                        "hash": self.rubrics.by_name[rubric].hash,
                        "model_version": version,
                        "truncated": False,
                        "questions": by_rule(rubric, prompt.decode(), response.decode()),
                    }
                ).encode(),
            )
            for prompt, response, rubric in zip(prompts, responses, _ASKED.get(), strict=True)
        ]
        response = service_pb2.ModelInferResponse(model_name="judge", model_version="1")
        response.outputs.add(name="answers", datatype="BYTES", shape=(len(prompts), 1))
        response.raw_output_contents.append(text_tensor(texts))
        if self.distort is not None:
            self.distort(response)
        return response
