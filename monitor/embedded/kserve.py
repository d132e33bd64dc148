"""A KServe v2 gRPC server for the guard where no tritonserver runs: `python -m monitor.embedded.kserve`.

It loads the very logic that Triton would load from the model repository (scorer.py, by file path) and answers the
calls that our client makes, with the same names, types and codes. It is no Triton: one model call at a time, no dynamic
batching, no queue policy, no HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import math
import signal
import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc  # type: ignore[import-untyped]  # ships no types
import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import (  # type: ignore[import-untyped]  # ships no types
    model_config_pb2,
    service_pb2,
    service_pb2_grpc,
)

from monitor.embedded.free_ports import LOOPBACK
from monitor.errors import Misconfigured
from monitor.version import watchkeeper_version
from schemas.tensors import GUARD_INPUTS, GUARD_OUTPUTS, PARAMETER_PROMPT_HASH

Code = grpc.StatusCode

SERVER_NAME: Final = "watchkeeper-kserve"
GRACE_S: Final = 1.0
_LENGTH: Final = struct.Struct("<I")
_WIRE_TYPES: Final = {"TYPE_STRING": "BYTES", "TYPE_FP32": "FP32", "TYPE_BOOL": "BOOL", "TYPE_UINT8": "UINT8"}


class BadRequest(Exception):
    """What is wrong with a request, without its contents."""


@dataclass(frozen=True)
class Model:
    """A model of the repository: its config, the served version, and its scorer."""

    config: Any
    version: str
    scorer: Any


def load_models(repository: Path) -> dict[str, Model]:
    """Every guard in the repository by name, its highest version. Raises Misconfigured."""
    models = {path.parent.name: _load_model(path) for path in sorted(repository.glob("*/config.pbtxt"))}
    if not models:
        raise Misconfigured(f"no NAME/config.pbtxt in {repository}", "name a Triton model repository")
    return models


def _load_model(config_file: Path) -> Model:
    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(config_file.read_text(encoding="utf-8"), config)
    except text_format.ParseError as exc:
        raise Misconfigured(f"{config_file} is no model config: {exc}", "correct it") from exc
    versions = sorted(int(path.name) for path in config_file.parent.iterdir() if path.name.isdecimal())
    if not versions:
        raise Misconfigured(f"{config_file.parent} has no version folder", "restore the model repository")
    folder = config_file.parent / str(versions[-1])
    logic, weights = folder / "scorer.py", folder / "weights.npz"
    spec = importlib.util.spec_from_file_location(f"_{config.name}_scorer", logic)
    if spec is None or spec.loader is None or not logic.exists() or not weights.exists():
        raise Misconfigured(
            f"{folder} has no scorer.py and weights.npz, all that this server can run",
            "serve this model with Triton, or leave it out of the repository",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    named, found = config.parameters[PARAMETER_PROMPT_HASH].string_value, module.weights_hash(weights)
    if named != found:
        raise Misconfigured(
            f"{config_file} names weights {named}, but {weights} is {found}", "restore the model folder"
        )
    return Model(config, str(versions[-1]), module.Scorer.load(weights))


def read_inputs(request: Any) -> tuple[list[bytes], list[bytes], Any]:
    """Prompts, responses and flags of a guard request. Raises BadRequest."""
    if len(request.raw_input_contents) != len(request.inputs):
        raise BadRequest("send every input in raw_input_contents")
    given = {
        entry.name: (entry, raw)
        for entry, raw in zip(request.inputs, request.raw_input_contents, strict=True)
    }
    columns: list[Any] = []
    for tensor in GUARD_INPUTS:
        if tensor.name not in given:
            raise BadRequest(f"input {tensor.name} is missing")
        entry, raw = given[tensor.name]
        shape = tuple(entry.shape)
        if entry.datatype != tensor.dtype or len(shape) != 2 or shape[1:] != tensor.shape or shape[0] < 1:
            raise BadRequest(
                f"input {tensor.name} is {entry.datatype}{list(shape)}, not {tensor.dtype}[n, 1]"
            )
        columns.append(_strings(raw, shape[0]) if tensor.dtype == "BYTES" else np.frombuffer(raw, np.bool_))
        if len(columns[-1]) != shape[0]:
            raise BadRequest(f"input {tensor.name} has {len(columns[-1])} values for shape {list(shape)}")
    if len({len(column) for column in columns}) != 1:
        raise BadRequest("the inputs differ in their number of rows")
    prompts, responses, flags = columns
    return prompts, responses, flags


def _strings(raw: bytes, count: int) -> list[bytes]:
    """A BYTES tensor: each value behind its length as 4 bytes, little endian. Stops at the first that isn't whole."""
    values: list[bytes] = []
    at = 0
    while at + 4 <= len(raw) and len(values) <= count:
        (length,) = _LENGTH.unpack_from(raw, at)
        at += 4 + length
        if at > len(raw):
            break
        values.append(raw[at - length : at])
    if at != len(raw):
        raise BadRequest("a BYTES tensor doesn't end with its last value")
    return values


def answer(model: Model, request: Any, scores: Any) -> Any:
    """The ModelInferResponse that carries `scores`."""
    response = service_pb2.ModelInferResponse(
        model_name=model.config.name, model_version=model.version, id=request.id
    )
    rows = len(scores.prompt_harm)
    for tensor in GUARD_OUTPUTS:
        values = np.ascontiguousarray(getattr(scores, tensor.name))
        if values.size != rows * math.prod(tensor.shape):
            raise ValueError(f"output {tensor.name} of {model.config.name} has {values.size} values")
        response.outputs.add(name=tensor.name, datatype=tensor.dtype, shape=(rows, *tensor.shape))
        response.raw_output_contents.append(values.tobytes())
    return response


class InferenceService(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # untyped base
    """The part of the protocol that `monitor.adapters.triton` speaks; the rest answers UNIMPLEMENTED."""

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models
        self._one_at_a_time = ThreadPoolExecutor(1, "model")

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Live as long as it answers."""
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Ready: models are loaded before it listens."""
        return service_pb2.ServerReadyResponse(ready=True)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Says that it isn't Triton."""
        return service_pb2.ServerMetadataResponse(name=SERVER_NAME, version=watchkeeper_version())

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Whether there is such a model, in this version if one is named."""
        model = self._models.get(request.name)
        return service_pb2.ModelReadyResponse(
            ready=model is not None and request.version in {"", model.version}
        )

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Tensors, with the batch dimension as -1."""
        model = await self._model(request.name, request.version, context)
        response = service_pb2.ModelMetadataResponse(
            name=model.config.name, versions=[model.version], platform=model.config.backend
        )
        for entries, into in ((model.config.input, response.inputs), (model.config.output, response.outputs)):
            for entry in entries:
                datatype = _WIRE_TYPES[model_config_pb2.DataType.Name(entry.data_type)]
                into.add(name=entry.name, datatype=datatype, shape=(-1, *entry.dims))
        return response

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """config.pbtxt, as it is."""
        model = await self._model(request.name, request.version, context)
        return service_pb2.ModelConfigResponse(config=model.config)

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Every model: all are ready."""
        response = service_pb2.RepositoryIndexResponse()
        for name, model in self._models.items():
            response.models.add(name=name, version=model.version, state="READY")
        return response

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Scores; INVALID_ARGUMENT where the request can't be read."""
        model = await self._model(request.model_name, request.model_version, context)
        try:
            prompts, responses, flags = read_inputs(request)
            if len(prompts) > model.config.max_batch_size:
                raise BadRequest(f"{len(prompts)} rows, but max_batch_size is {model.config.max_batch_size}")
        except BadRequest as exc:
            await context.abort(Code.INVALID_ARGUMENT, str(exc))
            raise
        loop = asyncio.get_running_loop()
        scores = await loop.run_in_executor(
            self._one_at_a_time, model.scorer.score, prompts, responses, flags
        )
        return answer(model, request, scores)

    async def _model(self, name: str, version: str, context: Any) -> Model:
        model = self._models.get(name)
        if model is None or version not in {"", model.version}:
            await context.abort(Code.NOT_FOUND, "no such model or version in the repository")
            raise KeyError(name)
        return model


async def serve(repository: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises Misconfigured where the repository or the port can't be used."""
    models = load_models(repository)
    server = grpc.aio.server(
        options=[
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0),  # a taken port must be an error, not a shared one
        ]
    )
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(InferenceService(models), server)
    try:
        bound = server.add_insecure_port(f"{LOOPBACK}:{port}")
    except RuntimeError as exc:
        raise Misconfigured(f"failed to bind {LOOPBACK}:{port}", "name another --grpc-port") from exc
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: the process is ended from outside
            pass
    await server.start()
    sys.stdout.write(
        f"{', '.join(models)} on {LOOPBACK}:{bound} (gRPC): the in-process stand-in for Triton is ready\n"
    )
    sys.stdout.flush()
    await stop.wait()
    await server.stop(GRACE_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 where something must be put right."""
    parser = argparse.ArgumentParser(prog="python -m monitor.embedded.kserve", description=__doc__)
    parser.add_argument("--repository", type=Path, required=True, help="Triton model repository")
    parser.add_argument("--grpc-port", type=int, required=True, help="port on loopback; 0: any free one")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(serve(options.repository, options.grpc_port))
    except Misconfigured as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
