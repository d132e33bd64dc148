"""What is to be stored, computed from the input alone: each exchange with the guard's own score of its texts."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.chaos.packing import Asked, Bad, Message
from monitor.adapters.triton_wire import encode
from monitor.redaction import Redactor
from monitor.settings import Settings
from schemas.events import ChatFormat
from schemas.taxonomy import BENIGN, HARM_CATEGORIES

STAGES: Final = "first"
"""What is broken is the stream: guard_lite's encoder would take a hundred times as long for each text, and prove no more."""
SCORER: Final = Path(__file__).resolve().parents[2] / "triton_models" / "guard_lite" / "1" / "scorer.py"
AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class Expected:
    """What the row of an exchange says, whenever and wherever it arrived. Probabilities are the guard's float32."""

    tenant: str
    model: str
    format: ChatFormat
    occurred_at: datetime
    prompt_harm: float
    refusal: float | None
    response_harm: float | None
    category: str
    truncated: bool
    content_hash: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What is to become of one message: (index, event id, row) of each exchange, what is bad, what is no chat.

    An event id is "" where the place of the message is to name it.
    """

    partition: int
    exchanges: tuple[tuple[int, str, Expected], ...]
    bad: tuple[Bad, ...]
    not_chat: int
    is_repeat: bool


class Judge:
    """guard_lite's own scorer, run here on the texts as the adapter shortens them."""

    def __init__(self, settings: Settings) -> None:
        self._scorer = _load_scorer()
        self._longest = settings.triton.max_text_chars
        self._redactor = Redactor(settings.privacy)

    def expected(self, asked: Sequence[Asked]) -> Iterator[Expected]:
        """One a exchange, in order."""
        texts = [encode(one.prompt, one.response, self._longest) for one in asked]
        scores = self._scorer.score(
            [prompt for prompt, _, _, _ in texts],
            [response for _, response, _, _ in texts],
            np.array([has_response for _, _, has_response, _ in texts]),
        )
        for place, one in enumerate(asked):
            category = scores.category[place]
            harm = HARM_CATEGORIES[int(category[1:].argmax())]
            has_response = one.response is not None
            yield Expected(
                tenant=one.tenant,
                model=one.model,
                format=one.format,
                occurred_at=one.occurred_at,
                prompt_harm=float(scores.prompt_harm[place]),
                refusal=float(scores.refusal[place]) if has_response else None,
                response_harm=float(scores.response_harm[place]) if has_response else None,
                category=BENIGN if category[0] >= 0.5 else harm,
                truncated=bool(scores.truncated[place]) or texts[place][3],
                content_hash=self._redactor.content_hash(one.prompt, one.response),
            )


def fates(messages: Iterable[Message], judge: Judge) -> Iterator[Fate]:
    """The fate of each message, in order."""
    waiting: list[Message] = []
    exchanges = 0
    for message in messages:
        waiting.append(message)
        exchanges += len(message.asked)
        if exchanges >= AT_ONCE:
            yield from _judged(waiting, judge)
            waiting, exchanges = [], 0
    if waiting:
        yield from _judged(waiting, judge)


def _judged(messages: Sequence[Message], judge: Judge) -> Iterator[Fate]:
    asked = [one for message in messages for one in message.asked]
    rows = judge.expected(asked) if asked else iter(())
    for message in messages:
        exchanges = tuple((one.index, one.event_id, next(rows)) for one in message.asked)
        yield Fate(message.partition, exchanges, message.bad, message.not_chat, message.is_repeat)


def _load_scorer() -> Any:
    spec = importlib.util.spec_from_file_location("guard_lite_scorer_of_chaos", SCORER)
    if spec is None or spec.loader is None:
        raise ImportError(f"{SCORER} can't be loaded; restore the model folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Scorer.load(SCORER.with_name("weights.npz"), stages=STAGES)
