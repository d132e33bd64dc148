"""KServe v2 messages of the probe, built and read: pure, no I/O. Tensors as schemas/tensors.py has them."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.triton_wire import differences, text_tensor
from monitor.audit.ports import ProbeFacts, States
from monitor.errors import Misconfigured
from schemas.tensors import PARAMETER_MARK, PARAMETER_PROBE_VERSION, PROBE_INPUTS, PROBE_OUTPUTS

Row = tuple[bytes, str]
"""A text as UTF-8, and the layers asked for, joined by commas: the same in all rows."""

SEPARATOR: Final = ","
_FACTS: Final = ("tokenizer_hash", "layers", "dimensions", "projection", "max_tokens", "dtype")
_LENGTH: Final = struct.Struct("<I")
_STATES, _TRUNCATED, _MARK = (tensor.name for tensor in PROBE_OUTPUTS)


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the probe said to one text: its states [layers, d], or None where it refused the text or can't be read."""

    states: States | None
    is_truncated: bool = False
    mark: str = ""
    is_refused: bool = False


def utf8(text: str) -> bytes:
    """The text; lone surrogates, which UTF-8 can't carry, become question marks."""
    return text.encode("utf-8", "replace")


def probe_request(model: str, rows: Sequence[Row], deadline_s: float) -> Any:
    """A ModelInferRequest. `deadline_s` also bounds the wait in Triton's queue."""
    request = service_pb2.ModelInferRequest(model_name=model)
    request.parameters["timeout"].int64_param = int(deadline_s * 1e6)
    for tensor in PROBE_INPUTS:
        request.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=(len(rows), *tensor.shape))
    request.raw_input_contents.append(text_tensor([text for text, _ in rows]))
    request.raw_input_contents.append(text_tensor([layers.encode() for _, layers in rows]))
    return request


def read_states(response: Any, rows: Sequence[Row]) -> list[Said]:
    """One answer for each row; a response that can't be read makes all unread."""
    raw = response.raw_output_contents
    unread = [Said(None) for _ in rows]
    if len(raw) != len(response.outputs):
        return unread
    found = {output.name: (output, content) for output, content in zip(response.outputs, raw, strict=True)}
    if found.keys() != {tensor.name for tensor in PROBE_OUTPUTS}:
        return unread
    n, asked = len(rows), len(rows[0][1].split(SEPARATOR))
    output, content = found[_STATES]
    shape = tuple(output.shape)
    if (
        output.datatype != "FP32"
        or len(shape) != 3
        or shape[:2] != (n, asked)
        or len(content) != 4 * math.prod(shape)
    ):
        return unread
    states = np.frombuffer(content, "<f4").reshape(shape).astype(np.float32)
    output, content = found[_TRUNCATED]
    if output.datatype != "BOOL" or tuple(output.shape) != (n, 1) or len(content) != n:
        return unread
    marks = _texts(found[_MARK][1])
    if len(marks) != n:
        return unread
    return [
        Said(one, bool(cut), mark.decode("utf-8", "replace"))
        for one, cut, mark in zip(states, content, marks, strict=True)
    ]


def refused(_row: Row) -> Said:
    """Of a text that alone makes the probe fail."""
    return Said(None, is_refused=True)


def facts_of(config: Any) -> tuple[ProbeFacts, str]:
    """Which model a ModelConfig's probe is of, and the mark that its states bear. Raises Misconfigured where it breaks the
    contract."""
    faults = [
        *differences("input", config.input, PROBE_INPUTS),
        *differences("output", config.output, PROBE_OUTPUTS),
    ]
    said = {name: value.string_value for name, value in config.parameters.items()}
    faults += [
        f"parameter {name} is missing"
        for name in (PARAMETER_PROBE_VERSION, PARAMETER_MARK, *_FACTS)
        if not said.get(name)
    ]
    pooling, template = said.get("pooling"), said.get("template")
    if pooling not in {"last", "mean"} or template not in {"chat", "raw"}:
        faults.append("parameters pooling and template are missing or unknown")
    if not all(said.get(name, "").isdecimal() for name in ("dimensions", "max_tokens")):
        faults.append("parameters dimensions and max_tokens are no numbers")
    if config.max_batch_size < 1:
        faults.append(f"max_batch_size is {config.max_batch_size}, but the probe is asked in batches")
    if faults:
        raise Misconfigured(
            f"the model {config.name!r} on Triton isn't a probe of this Watchkeeper: " + "; ".join(faults),
            "write its folder with python -m triton_models.probe.model_folder of this release (docs/audit.md), or set "
            "WATCHKEEPER_AUDIT__PROBE_MODEL to a probe",
        )
    facts = ProbeFacts(
        model=config.name,
        version=said[PARAMETER_PROBE_VERSION],
        tokenizer_hash=said["tokenizer_hash"],
        template_hash=said.get("template_hash", ""),
        layers=tuple(said["layers"].split(SEPARATOR)),
        dimensions=int(said["dimensions"]),
        pooling="last" if pooling == "last" else "mean",
        template="chat" if template == "chat" else "raw",
        projection=said["projection"],
        max_tokens=int(said["max_tokens"]),
        dtype=said["dtype"],
    )
    return facts, said[PARAMETER_MARK]


def _texts(content: bytes) -> list[bytes]:
    """The texts of a BYTES tensor, as far as they are whole."""
    found: list[bytes] = []
    place = 0
    while place + _LENGTH.size <= len(content):
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size + length
        if place > len(content):
            break
        found.append(content[place - length : place])
    return found
