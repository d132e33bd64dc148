"""KServe v2 messages of the judge, built and read: pure, no I/O. Tensors as schemas/tensors.py has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from monitor.adapters.triton_wire import Encoded, differences, infer_request, text_tensor
from monitor.errors import Misconfigured
from monitor.judging.answers import Reading
from monitor.judging.reasons import NotJudged
from schemas.tensors import JUDGE_INPUTS, JUDGE_OUTPUTS

Row = tuple[Encoded, str]
"""An exchange on its way, and the name of the rubric that is asked about it."""

_LENGTH: Final = struct.Struct("<I")


class Said(msgspec.Struct, frozen=True):
    """What the judge said to one row; hash and version are "" where that couldn't be read."""

    reading: Reading
    rubric_hash: str = ""
    model_version: str = ""


class _Answers(msgspec.Struct, frozen=True):
    rubric: str
    hash: str
    model_version: str
    truncated: bool
    questions: dict[str, dict[str, float]] = {}
    error: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Answers)


def judge_request(model: str, rows: Sequence[Row], deadline_s: float) -> Any:
    """A ModelInferRequest about the rows."""
    request = infer_request(model, [exchange for exchange, _ in rows], deadline_s)
    rubric = JUDGE_INPUTS[-1]
    request.inputs.add(name=rubric.name, datatype=rubric.dtype, shape=(len(rows), *rubric.shape))
    request.raw_input_contents.append(text_tensor([name.encode() for _, name in rows]))
    return request


def read_answers(response: Any, rows: Sequence[Row]) -> list[Said]:
    """One answer for each row. One that makes no sense is unread; a response that can't be read makes all so."""
    texts = _texts(response, len(rows))
    if texts is None:
        return [_unread(row) for row in rows]
    return [_said(text, row) for text, row in zip(texts, rows, strict=True)]


def refused(row: Row) -> Said:
    """Of a row that alone makes the judge fail."""
    return Said(Reading(failure=NotJudged.FAILED, is_truncated=row[0][3]))


def check(config: Any) -> None:
    """Raises Misconfigured where a ModelConfig isn't that of a judge."""
    faults = [
        *differences("input", config.input, JUDGE_INPUTS),
        *differences("output", config.output, JUDGE_OUTPUTS),
    ]
    if config.max_batch_size < 1:
        faults.append(f"max_batch_size is {config.max_batch_size}, but the judge is asked in batches")
    if faults:
        raise Misconfigured(
            f"the model {config.name!r} on Triton isn't a judge of this Watchkeeper: " + "; ".join(faults),
            "serve the model repository of this release (triton_models), or set WATCHKEEPER_JUDGING__TRITON_MODEL "
            "to a judge that keeps schemas/tensors.py",
        )


def _unread(row: Row) -> Said:
    return Said(Reading(failure=NotJudged.UNREAD, is_truncated=row[0][3]))


def _said(text: bytes, row: Row) -> Said:
    try:
        found = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _unread(row)
    (_, _, _, is_cut), rubric = row
    if found.rubric != rubric:
        return _unread(row)
    failure = NotJudged.UNREAD if found.error is None else NotJudged.FAILED
    reading = Reading(found.questions, failure, is_truncated=is_cut or found.truncated)
    return Said(reading, found.hash, found.model_version)


def _texts(response: Any, count: int) -> list[bytes] | None:
    """The texts of the output tensor; None where it isn't there, or isn't as the contract has it."""
    (tensor,) = JUDGE_OUTPUTS
    raw = response.raw_output_contents
    if len(raw) != len(response.outputs):
        return None
    for output, content in zip(response.outputs, raw, strict=True):
        if output.name == tensor.name:
            is_ours = output.datatype == tensor.dtype and tuple(output.shape) == (count, *tensor.shape)
            texts = list(_split(content)) if is_ours else []
            return texts if len(texts) == count else None
    return None


def _split(content: bytes) -> Iterator[bytes]:
    place = 0
    while place + _LENGTH.size <= len(content):
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        if place + length > len(content):
            return
        yield content[place : place + length]
        place += length
