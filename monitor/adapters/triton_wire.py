"""KServe v2 messages of a guard, built and read: pure, no I/O. Tensors as schemas/tensors.py has them."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2  # type: ignore[import-untyped]  # ships no types

from monitor.errors import Misconfigured
from monitor.ports import GuardIdentity, Score
from schemas.taxonomy import BENIGN, CATEGORIES
from schemas.tensors import (
    GUARD_INPUTS,
    GUARD_OUTPUTS,
    NOT_ASKED,
    PARAMETER_LABELS,
    PARAMETER_PROMPT_HASH,
    PARAMETER_VERSION,
    Tensor,
)

UNKNOWN: Final = Score("unknown", None, None, None, "", None, False)
UNKNOWN_CUT: Final = Score("unknown", None, None, None, "", None, True)
ERROR: Final = Score("error", None, None, None, "", None, False)
ERROR_CUT: Final = Score("error", None, None, None, "", None, True)

_CONFIG_TYPES: Final = {
    "BYTES": "TYPE_STRING",
    "FP32": "TYPE_FP32",
    "BOOL": "TYPE_BOOL",
    "UINT8": "TYPE_UINT8",
}
_NUMPY_TYPES: Final = {"FP32": np.dtype("<f4"), "BOOL": np.dtype(np.bool_)}
_LENGTH: Final = struct.Struct("<I").pack
_CATEGORY_SUM_SLACK: Final = 0.01

Encoded = tuple[bytes, bytes, bool, bool]
"""An exchange on its way: prompt, response (empty if none), whether there is one, whether either was cut."""


def encode(prompt: str, response: str | None, max_chars: int) -> Encoded:
    """The exchange as UTF-8; a text longer than `max_chars` keeps its head and tail halves.

    Lone surrogates, which UTF-8 can't carry, become question marks.
    """
    is_cut = len(prompt) > max_chars or (response is not None and len(response) > max_chars)
    if is_cut:
        prompt = head_and_tail(prompt, max_chars)
        response = None if response is None else head_and_tail(response, max_chars)
    return _utf8(prompt), b"" if response is None else _utf8(response), response is not None, is_cut


def head_and_tail(text: str, max_chars: int) -> str:
    """The text, or its head and tail halves where it is longer."""
    if len(text) <= max_chars:
        return text
    tail = max_chars // 2
    return text[: max_chars - tail - 1] + " " + text[len(text) - tail :]


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def infer_request(model: str, exchanges: Sequence[Encoded], deadline_s: float) -> Any:
    """A ModelInferRequest. The bytes are joined here: tritonclient's way through object arrays takes three times as
    long. `deadline_s` also bounds the wait in Triton's queue, so that it scores nothing nobody waits for."""
    request = service_pb2.ModelInferRequest(model_name=model)
    request.parameters["timeout"].int64_param = int(deadline_s * 1e6)
    for tensor in GUARD_INPUTS:
        request.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=(len(exchanges), *tensor.shape))
    prompts = text_tensor([prompt for prompt, _, _, _ in exchanges])
    responses = text_tensor([response for _, response, _, _ in exchanges])
    flags = bytes(has_response for _, _, has_response, _ in exchanges)
    request.raw_input_contents.extend((prompts, responses, flags))
    return request


def text_tensor(texts: Sequence[bytes]) -> bytes:
    """A BYTES tensor as it travels: each text after its length."""
    parts: list[bytes] = []
    for text in texts:
        parts += (_LENGTH(len(text)), text)
    return b"".join(parts)


def read_scores(response: Any, exchanges: Sequence[Encoded]) -> list[Score]:
    """One score for each exchange. A row that makes no sense is unknown; an answer that can't be read makes all so.

    The category is benign where that is likelier than all harms together, else the likeliest harm: with
    a distribution over 14 labels a plain argmax would call many harmful prompts benign. What the guard isn't asked
    (NOT_ASKED) is None, a category "", and no reason to be unknown.
    """
    tensors = _tensors(response, len(exchanges))
    if tensors is None:
        return [UNKNOWN_CUT if is_cut else UNKNOWN for _, _, _, is_cut in exchanges]
    prompt_harm, refusal, response_harm, category, truncated = tensors
    with np.errstate(invalid="ignore"):
        named = np.all((category >= 0) & (category <= 1), axis=1)
        named &= np.abs(category.sum(axis=1) - 1) <= _CATEGORY_SUM_SLACK
        readable = _probable(prompt_harm) & (named | np.all(category == NOT_ASKED, axis=1))
        answered = readable & _said(refusal) & _said(response_harm)
    likeliest = np.where(category[:, 0] >= 0.5, 0, 1 + category[:, 1:].argmax(axis=1))
    chances = np.minimum(category[np.arange(len(category)), likeliest], 1.0)
    rows = zip(
        exchanges,
        readable.tolist(),
        answered.tolist(),
        prompt_harm.tolist(),
        _or_none(refusal),
        _or_none(response_harm),
        [CATEGORIES[best] if is_named else "" for best, is_named in zip(likeliest, named, strict=True)],
        [chance if is_named else None for chance, is_named in zip(chances.tolist(), named, strict=True)],
        truncated.tolist(),
        strict=True,
    )
    scores: list[Score] = []
    for exchange, is_readable, is_answered, harm, refused, reply, best, chance, was_cut in rows:
        _, _, has_response, is_cut = exchange
        is_truncated = is_cut or was_cut
        if not (is_answered if has_response else is_readable):
            scores.append(UNKNOWN_CUT if is_truncated else UNKNOWN)
        elif has_response:
            scores.append(Score("ok", harm, refused, reply, best, chance, is_truncated))
        else:
            scores.append(Score("ok", harm, None, None, best, chance, is_truncated))
    return scores


def _probable(values: Any) -> Any:
    return (values >= 0) & (values <= 1)


def _said(values: Any) -> Any:
    return _probable(values) | (values == NOT_ASKED)


def _or_none(values: Any) -> list[float | None]:
    return [None if value == NOT_ASKED else value for value in values.tolist()]


def _tensors(response: Any, count: int) -> list[Any] | None:
    """The output tensors in the contract's order, rows first; None where one is missing or of another shape."""
    raw = response.raw_output_contents
    if len(raw) != len(response.outputs):
        return None
    found = {output.name: (output, content) for output, content in zip(response.outputs, raw, strict=True)}
    tensors = []
    for tensor in GUARD_OUTPUTS:
        output, content = found.get(tensor.name, (None, b""))
        shape = (count, *tensor.shape)
        dtype = _NUMPY_TYPES[tensor.dtype]
        if output is None or output.datatype != tensor.dtype or tuple(output.shape) != shape:
            return None
        if len(content) != math.prod(shape) * dtype.itemsize:
            return None
        values = np.frombuffer(content, dtype).reshape(shape)
        tensors.append(values[:, 0] if tensor.shape == (1,) else values)
    return tensors


def identity_of(config: Any) -> GuardIdentity:
    """Who the guard is, from its model config (a ModelConfig). Raises Misconfigured where it breaks the contract."""
    faults = [
        *differences("input", config.input, GUARD_INPUTS),
        *differences("output", config.output, GUARD_OUTPUTS),
    ]
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    labels = parameters.get(PARAMETER_LABELS, "")
    if labels != ",".join(CATEGORIES):
        faults.append(
            f"parameter {PARAMETER_LABELS} differs from schemas/taxonomy.py (first label {BENIGN!r})"
        )
    faults += [
        f"parameter {name} is missing"
        for name in (PARAMETER_VERSION, PARAMETER_PROMPT_HASH)
        if not parameters.get(name)
    ]
    if config.max_batch_size < 1:
        faults.append(f"max_batch_size is {config.max_batch_size}, but the guard is asked in batches")
    if faults:
        raise Misconfigured(
            f"the model {config.name!r} on Triton isn't a guard of this Watchkeeper: " + "; ".join(faults),
            "serve the model repository of this release (triton_models), or set WATCHKEEPER_TRITON__GUARD_MODEL "
            "to a guard that keeps schemas/tensors.py",
        )
    return GuardIdentity(config.name, parameters[PARAMETER_VERSION], parameters[PARAMETER_PROMPT_HASH])


def differences(kind: str, given: Any, wanted: Sequence[Tensor]) -> list[str]:
    """What of a ModelConfig's inputs or outputs isn't as the contract has it."""
    types = model_config_pb2.DataType
    found = {entry.name: (types.Name(entry.data_type), tuple(entry.dims)) for entry in given}
    expected = {tensor.name: (_CONFIG_TYPES[tensor.dtype], tensor.shape) for tensor in wanted}
    return [
        f"{kind} {name} is {found.get(name, 'missing')}, not {expected.get(name, 'wanted')}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
