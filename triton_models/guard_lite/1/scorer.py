"""guard_lite in two stages: hashed words settle what is plain, a fine-tuned MiniLM reads the rest. No torch.

It loads by file path, needs numpy, onnxruntime and tokenizers, and knows no Triton. The encoder reads every exchange by
itself, without padding, so an exchange scores the same to the last bit whatever stands beside it in a batch. The
prompt is read alone first, and its answers are the same with and without a response.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

CATEGORY_COUNT: Final = 14
QUESTIONS: Final = ("prompt_harm", "refusal", "response_harm")
FILES: Final = ("weights.npz", "encoder.onnx", "vocab.txt", "calibration.json")
"""All that the answers depend on, besides this code: the first stage, the encoder, its vocabulary, what joins them."""

STAGES: Final = ("both", "first")

_REMEMBERED: Final = 20_000
"""Exchanges whose encoder answers are kept, some 250 bytes each: greetings and retries come again and again."""


def sibling(name: str) -> ModuleType:
    """The module in the file `name`.py beside this one, loaded once for each folder."""
    path = Path(__file__).resolve().with_name(f"{name}.py")
    key = f"_guard_lite_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"guard_lite needs {path}, which can't be loaded; restore the model folder")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
    return sys.modules[key]


features: Any = sibling("features")
linear: Any = sibling("linear")
tokens: Any = sibling("tokens")


@dataclass(frozen=True, slots=True)
class Scores:
    """Answers on n exchanges. `refusal` and `response_harm` are NaN where there is no response.

    Shapes (n,), but `category` (n, 14), which sums to 1 a row and whose first entry is 1 - prompt_harm. `truncated`:
    the stage that answered left some of the text out.
    """

    prompt_harm: Floats
    refusal: Floats
    response_harm: Floats
    category: Floats
    truncated: Flags


@dataclass(frozen=True, slots=True)
class Plain:
    """What the first stage may settle, by its own probabilities; chosen on held-out training sources by export.py.

    A prompt below `prompt_harm` is settled. A response is settled where it is below `response_harm`, its refusal is at
    most `refusal` or at least 1 - `refusal`, and its prompt is, by the stage that judged it, below `prompt_of_response`.
    `offset` is then added to the logit of response harm: so few of them are harmful.
    """

    prompt_harm: float
    refusal: float
    response_harm: float
    prompt_of_response: float
    offset: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The logit of a question is offset + encoder * the encoder's + linear * the first stage's."""

    plain: Plain
    offset: Floats
    encoder: Floats
    linear: Floats

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read calibration.json. Raises ValueError where it isn't of this shape."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            joined = [
                np.array([stored[name][part] for name in QUESTIONS], np.float32)
                for part in ("offset", "encoder", "linear")
            ]
            return cls(Plain(**stored["plain"]), *joined)
        except (KeyError, TypeError) as exc:
            raise ValueError(f"{path} isn't guard_lite's calibration; run export.py again") from exc


class Encoder:
    """The ONNX graph in one thread, and the answers it gave lately."""

    def __init__(self, graph: Path) -> None:
        # From 1.29 on its official builds report each session to their maker, unless this is set before the import.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime  # type: ignore[import-untyped]  # ships no types

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # config.pbtxt has an instance a core: more threads would only wait
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
        except Exception as exc:  # its exceptions have no common base
            raise ValueError(f"{graph} can't be loaded; restore the model folder") from exc
        self._known: OrderedDict[bytes, Floats] = OrderedDict()

    def logits(self, ids: Sequence[int], segments: Sequence[int]) -> Floats:
        """Logits (16,) of one exchange: the three questions, then the thirteen harms."""
        read = np.array([ids, segments], np.int64)
        key = hashlib.blake2b(read.tobytes(), digest_size=16).digest()
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        found: Floats = self._session.run(None, {"ids": read[:1], "segments": read[1:]})[0][0]
        self._known[key] = found
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class Own:
    """The first stage's view of one exchange: probabilities (3,), and the logits (16,) and flag (1,) to be overwritten."""

    chance: Floats
    logits: Floats
    truncated: Flags


@dataclass(slots=True)
class Shares:
    """How many exchanges a scorer has judged, and how many prompts and responses among them its encoder read."""

    exchanges: int = 0
    prompts_read: int = 0
    responses: int = 0
    responses_read: int = 0
    settled: int = 0


class Scorer:
    """The weights in memory. Scoring changes nothing but caches and counts: use one scorer a thread."""

    def __init__(self, first: Any, encoder: Encoder | None, pieces: Any, calibration: Calibration) -> None:
        self._first = first
        self._encoder = encoder
        self._pieces = pieces
        self._calibration = calibration
        self._limits = tokens.Limits()
        self.shares = Shares()

    @classmethod
    def load(cls, weights: Path, *, stages: str = "both") -> Scorer:
        """Read weights.npz at `weights` and the other FILES beside it. Raises ValueError where one isn't of its shape.

        `stages` "first" leaves the encoder out: a hundred times faster and far less accurate, for benchmarks of the
        stream whose subject isn't the guard.
        """
        if stages not in STAGES:
            raise ValueError(f"stages is {stages!r}; write one of {', '.join(STAGES)}")
        folder = weights.parent
        return cls(
            linear.FirstStage.load(weights),
            Encoder(folder / "encoder.onnx") if stages == "both" else None,
            tokens.Pieces(folder / "vocab.txt"),
            Calibration.load(folder / "calibration.json"),
        )

    def score(self, prompts: Sequence[bytes], responses: Sequence[bytes], has_response: Flags) -> Scores:
        """Score n exchanges of UTF-8 texts; what isn't UTF-8 is read as U+FFFD, a response is ignored where
        `has_response` (shape (n,)) is False. Nothing in a text makes it raise."""
        has_response = np.asarray(has_response, np.bool_)
        first = self._first.logits(prompts, responses, has_response)
        chances = 1.0 / (1.0 + np.exp(-np.clip(first.logits[:, :3], -30.0, 30.0)))
        if self._encoder is not None:
            for place, prompt in enumerate(first.prompts):
                response = first.responses[place] if has_response[place] else None
                own = Own(chances[place], first.logits[place], first.truncated[place : place + 1])
                self._judge(self._encoder, prompt, response, own)
        return _answers(first.logits, has_response, first.truncated)

    def _judge(self, encoder: Encoder, prompt: bytes, response: bytes | None, first: Own) -> None:
        """Put the encoder's answers into `first` where the first stage's own don't do."""
        plain, joined, shares = self._calibration.plain, self._calibration, self.shares
        chance, logits, truncated = first.chance, first.logits, first.truncated
        shares.exchanges += 1
        shares.responses += response is not None
        settled = chance[0] < plain.prompt_harm
        asked: Sequence[int] | None = None
        own = logits[:3].copy()
        if not settled:
            shares.prompts_read += 1
            (asked,) = self._pieces.of([prompt.decode("utf-8", "replace")])
            ids, segments, left_out = self._pieces.read(asked, None, self._limits)
            truncated |= left_out
            found = encoder.logits(ids, segments)
            logits[0] = joined.offset[0] + joined.encoder[0] * found[0] + joined.linear[0] * own[0]
            logits[3:] = found[3:]
        if response is None:
            shares.settled += settled
            return
        clear = (
            chance[2] < plain.response_harm
            and min(chance[1], 1.0 - chance[1]) <= plain.refusal
            and logits[0] < np.log(plain.prompt_of_response / (1.0 - plain.prompt_of_response))
        )
        if clear:
            logits[2] += plain.offset
            shares.settled += settled
            return
        shares.responses_read += 1
        texts = [response.decode("utf-8", "replace")]
        if asked is None:
            asked, answered = self._pieces.of([prompt.decode("utf-8", "replace"), *texts])
        else:
            (answered,) = self._pieces.of(texts)
        ids, segments, left_out = self._pieces.read(asked, answered, self._limits)
        truncated |= left_out
        found = encoder.logits(ids, segments)
        logits[1:3] = joined.offset[1:] + joined.encoder[1:] * found[1:3] + joined.linear[1:] * own[1:]


def _answers(logits: Floats, has_response: Flags, truncated: Flags) -> Scores:
    three = 1.0 / (1.0 + np.exp(-np.clip(logits[:, :3], -30.0, 30.0)))
    prompt_harm, refusal, response_harm = three.T.astype(np.float32)
    refusal[~has_response] = np.nan
    response_harm[~has_response] = np.nan
    harms = logits[:, 3:] - logits[:, 3:].max(axis=1, keepdims=True)
    harms = np.exp(harms)
    harms *= (prompt_harm / harms.sum(axis=1))[:, None]
    category = np.concatenate([1.0 - prompt_harm[:, None], harms], axis=1, dtype=np.float32)
    return Scores(prompt_harm, refusal, response_harm, category, truncated)


def weights_hash(weights: Path) -> str:
    """The first 16 hex digits of the SHA-256 over all FILES beside `weights`: the guard's prompt_hash."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(hashlib.sha256(weights.with_name(name).read_bytes()).digest())
    return digest.hexdigest()[:16]
