"""A gRPC server that speaks KServe v2 as Triton does and can be told to fail, be slow, or answer wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc  # type: ignore[import-untyped]  # ships no types
import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import (  # type: ignore[import-untyped]  # ships no types
    model_config_pb2,
    service_pb2,
    service_pb2_grpc,
)

from monitor.embedded.kserve import read_inputs
from schemas.taxonomy import CATEGORIES
from schemas.tensors import GUARD_OUTPUTS

CONFIG = Path(__file__).resolve().parents[2] / "triton_models" / "guard_lite" / "config.pbtxt"


def guard_config() -> Any:
    """The ModelConfig of guard_lite."""
    return text_format.Parse(CONFIG.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


@dataclass
class GuardServer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # untyped base
    """Prompts with "bomb" score 0.9, others 0.1; a response with "sorry" is a refusal.

    `script`: codes that the next inference calls fail with. `poison`: prompts that fail the request they are in, and
    the code. `broken`: a code that every inference fails with. `gate`: what inferences wait for. `takes_s`: how long each
    takes.
    `distort` changes a response before it goes. `requests` keeps the prompts of each inference, `remaining_s` its
    deadline, `queue_timeout_us` what it asks of Triton's queue, `priorities` its priority there (0: the model's default).
    """

    config: Any = field(default_factory=guard_config)
    version: str = "1"
    is_ready: bool = True
    script: list[Any] = field(default_factory=list)
    poison: dict[bytes, Any] = field(default_factory=dict)
    broken: Any = None
    gate: asyncio.Event | None = None
    takes_s: float = 0.0
    distort: Callable[[Any], None] | None = None
    requests: list[list[bytes]] = field(default_factory=list)
    remaining_s: list[float] = field(default_factory=list)
    queue_timeout_us: list[int] = field(default_factory=list)
    priorities: list[int] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    address: str = ""

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.gate is not None:
            self.gate.set()
        await self._server.stop(None)

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        return service_pb2.ServerMetadataResponse(name="test server", version="7")

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        return service_pb2.ModelReadyResponse(ready=self.is_ready and request.name == self.config.name)

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        if request.name != self.config.name:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown model")
        return service_pb2.ModelConfigResponse(config=self.config)

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        response = service_pb2.RepositoryIndexResponse()
        response.models.add(name=self.config.name, version="1", state="UNAVAILABLE", reason="unloaded")
        response.models.add(name=self.config.name, version="2", state="READY" if self.is_ready else "LOADING")
        response.models.add(name="other", version="", state="")
        return response

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        prompts, responses, flags = read_inputs(request)
        self.requests.append(prompts)
        self.remaining_s.append(context.time_remaining())
        self.queue_timeout_us.append(request.parameters["timeout"].int64_param)
        self.priorities.append(request.parameters["priority"].uint64_param)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.gate is not None:
                await self.gate.wait()
            await asyncio.sleep(self.takes_s)
        finally:
            self.in_flight -= 1
        code = self.broken or (self.script.pop(0) if self.script else None)
        code = code or next((self.poison[prompt] for prompt in prompts if prompt in self.poison), None)
        if code is not None:
            await context.abort(code, "as told, about " + prompts[0].decode("utf-8", "replace"))
        return self._answer(prompts, responses, flags)

    def _answer(self, prompts: list[bytes], responses: list[bytes], flags: Any) -> Any:
        harm = np.array([0.9 if b"bomb" in prompt else 0.1 for prompt in prompts], np.float32)
        refusal = np.array([0.8 if b"sorry" in response else 0.2 for response in responses], np.float32)
        refusal[~flags] = np.nan
        category = np.zeros((len(prompts), len(CATEGORIES)), np.float32)
        category[:, 0] = 1 - harm
        category[:, 7] = harm
        values = {
            "prompt_harm": harm,
            "refusal": refusal,
            "response_harm": refusal / 2,
            "category": category,
            "truncated": np.zeros(len(prompts), np.bool_),
        }
        response = service_pb2.ModelInferResponse(model_name=self.config.name, model_version=self.version)
        for tensor in GUARD_OUTPUTS:
            response.outputs.add(name=tensor.name, datatype=tensor.dtype, shape=(len(prompts), *tensor.shape))
            response.raw_output_contents.append(values[tensor.name].tobytes())
        if self.distort is not None:
            self.distort(response)
        return response
