"""A gRPC server that speaks KServe v2 as Triton's probe does; fails on demand as GuardServer does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.probe_wire import _texts
from monitor.adapters.triton_wire import text_tensor
from schemas.tensors import PROBE_INPUTS, PROBE_OUTPUTS, Tensor
from tests.fakes.guard_server import GuardServer

PARAMETERS = {
    "probe_version": "weights@0123456789ab",
    "tokenizer_hash": "a" * 16,
    "template_hash": "",
    "layers": "layer_00,layer_01,layer_02",
    "dimensions": "4",
    "pooling": "mean",
    "template": "raw",
    "projection": "none",
    "max_tokens": "64",
    "dtype": "float32",
    "mark": "m" * 16,
}
_TYPES = {
    "BYTES": model_config_pb2.TYPE_STRING,
    "BOOL": model_config_pb2.TYPE_BOOL,
    "FP32": model_config_pb2.TYPE_FP32,
}


def probe_config(**parameters: str) -> Any:
    """The ModelConfig of a probe."""
    config = model_config_pb2.ModelConfig(name="probe", max_batch_size=64)
    for tensors, entries in ((PROBE_INPUTS, config.input), (PROBE_OUTPUTS, config.output)):
        for tensor in tensors:
            _add(entries, tensor)
    for name, value in (PARAMETERS | parameters).items():
        config.parameters[name].string_value = value
    return config


def _add(entries: Any, tensor: Tensor) -> None:
    entries.add(name=tensor.name, data_type=_TYPES[tensor.dtype], dims=tensor.shape)


@dataclass
class ProbeServer(GuardServer):
    """A text's state in layer l is its number of bytes plus l, in all dimensions; "nan" in a text makes it NaN.

    `mark` is what states bear, `gives` how many dimensions they have.
    """

    config: Any = field(default_factory=probe_config)
    mark: str = PARAMETERS["mark"]
    gives: int = 4

    def states(self, texts: list[bytes], layers: list[str]) -> Any:
        """[texts, layers, dimensions] float32."""
        return np.array(
            [
                [[np.nan if b"nan" in text else len(text) + int(name[-2:])] * self.gives for name in layers]
                for text in texts
            ],
            np.float32,
        )

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        texts, layers = (_texts(content) for content in request.raw_input_contents)
        self.requests.append(texts)
        self.queue_timeout_us.append(request.parameters["timeout"].int64_param)
        self.priorities.append(request.parameters["priority"].uint64_param)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        code = self.broken or (self.script.pop(0) if self.script else None)
        code = code or next((self.poison[text] for text in texts if text in self.poison), None)
        if code is not None:
            await context.abort(code, "as told")
        names = layers[0].decode().split(",")
        states = self.states(texts, names)
        response = service_pb2.ModelInferResponse(model_name="probe", model_version="1")
        n = len(texts)
        for name, dtype, shape, content in (
            ("states", "FP32", states.shape, states.tobytes()),
            ("truncated", "BOOL", (n, 1), bytes(b"long" in text for text in texts)),
            ("mark", "BYTES", (n, 1), text_tensor([self.mark.encode()] * n)),
        ):
            response.outputs.add(name=name, datatype=dtype, shape=shape)
            response.raw_output_contents.append(content)
        if self.distort is not None:
            self.distort(response)
        return response
