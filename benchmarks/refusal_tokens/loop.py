"""Served prompts from generation to chat logs, through the decoder, to a calibration, and back to generation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import orjson
import torch

from benchmarks.refusal_tokens.model import Tiny, one_thread
from benchmarks.refusal_tokens.traffic import REFUSAL, Prompt
from monitor.ingest.decoder import Decoder
from monitor.recalibration.proposing import Declined, Place, propose
from monitor.recalibration.readiness import Limits
from monitor.recalibration.records import Serving
from monitor.recalibration.weighted import share
from monitor.recalibration.windows import Logged, Window, read
from monitor.serving.hashes import template_hash, tokenizer_hash
from monitor.serving.record import attach
from monitor.serving.thresholds import InForce
from monitor.serving.tokens import Served, ids_of
from monitor.serving.transformers_processor import RefusalTokenProcessor
from schemas.calibrations import Calibration, Policy, Thresholds
from schemas.events import Exchange
from schemas.evidence import Interval
from schemas.refusal_tokens import CATEGORY_TOKENS, RefusalToken

DECODER: Final = Decoder(default_tenant="default", max_context_turns=100)
LONGEST_ANSWER: Final = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt and what came of it. `text`: without the refusal token."""

    request_id: str
    prompt: Prompt
    text: str
    record: RefusalToken

    @property
    def is_refused(self) -> bool:
        """In words."""
        return self.text.startswith(" ".join(REFUSAL))


def serve(
    tiny: Tiny, in_force: InForce, prompts: Sequence[Prompt], name: str, *, batch: int = 250, **options: Any
) -> list[Answered]:
    """Greedy, unless `options` of generate say otherwise; batches of prompts of different lengths."""
    found: list[Answered] = []
    for begin in range(0, len(prompts), batch):
        part = list(prompts[begin : begin + batch])
        ids = [f"{name}-{begin + place}" for place in range(len(part))]
        encoded = tiny.encode(part)
        processor = RefusalTokenProcessor(in_force, ids, pad_token_id=tiny.tokenizer.pad_token_id)
        with torch.no_grad(), one_thread():
            written = tiny.model.generate(
                **encoded,
                logits_processor=[processor],
                **{"max_new_tokens": LONGEST_ANSWER, "do_sample": False, **options},
            )
        texts = tiny.tokenizer.batch_decode(
            written[:, encoded["input_ids"].shape[1] + 1 :], skip_special_tokens=True
        )
        records = processor.records(written)
        for request_id, prompt, text, record in zip(ids, part, texts, records, strict=True):
            if record is None:
                raise ValueError("an answer without a record")
            found.append(Answered(request_id, prompt, text.strip(), record))
    return found


def chat_logs(answered: Sequence[Answered], model: str) -> Iterator[bytes]:
    """One record of chat.logs each, in the four formats by turns."""
    for number, one in enumerate(answered):
        yield orjson.dumps(attach(one.record, _LOGS[number % len(_LOGS)](one, model)))


def window(
    answered: Sequence[Answered],
    serving: Serving,
    shape: Thresholds,
    *,
    at: Sequence[datetime],
    live: Thresholds | None,
) -> Window:
    """What the calibrator reads of the chat logs: decoded, and labelled by what people call the prompt and by the answer's words."""
    rows = [
        _logged(exchange, moment, is_harmful=one.prompt.is_harmful)
        for one, value, moment in zip(answered, chat_logs(answered, serving.model), at, strict=True)
        for _, exchange in DECODER.decode(value, (), fallback_id="-").exchanges
    ]
    return read(rows, serving, shape, live=live)


def calibrate(
    then: Window,
    now: Window,
    targets: Mapping[str, float],
    *,
    serving: Serving,
    shape: Thresholds,
    before: Thresholds | None,
    place: Place,
) -> Calibration | Declined:
    """A proposal for these rates of the token, by category."""
    return propose(
        then,
        now,
        {name: Policy(target_rate=rate) for name, rate in targets.items()},
        serving=serving,
        shape=shape,
        before=before,
        place=place,
        limits=Limits(),
    )


def rate_of(answered: Sequence[Answered], category: str) -> Interval:
    """Of the token, among the prompts whose largest refusal token is this one: what the category's threshold decides about.

    Raises ValueError where there is none.
    """
    emitted = np.array(
        [
            float(one.record.emitted == category)
            for one in answered
            if one.record.logits is not None
            and max(CATEGORY_TOKENS, key=one.record.logits.__getitem__) == category
        ]
    )
    found = share(emitted, np.ones(len(emitted)))
    if found is None:
        raise ValueError(f"no prompt has {category} as its largest")
    return found


def first_calibration(served: Served, thresholds: Thresholds, at: datetime) -> Calibration:
    """Thresholds that somebody set by hand, in force."""
    return Calibration(
        fleet=served.fleet,
        model=served.serving.model,
        version=1,
        state="kept",
        at=at,
        by="anna",
        reason="",
        tokenizer_hash=served.serving.tokenizer_hash,
        template_hash=served.serving.template_hash,
        now=thresholds,
        before=None,
        evidence=(),
        text=None,
        calls_from=at,
        calls_until=at,
    )


def served_tiny(tiny: Tiny) -> Served:
    """As the calibrator and whoever serves know it."""
    serving = Serving(
        "tiny",
        tokenizer_hash(tiny.tokenizer),
        template_hash(tiny.tokenizer.chat_template),
        CATEGORY_TOKENS,
    )
    return Served(fleet="watchkeeper", serving=serving, **ids_of(tiny.tokenizer, serving))


def _logged(exchange: Exchange, at: datetime, *, is_harmful: bool) -> Logged:
    return Logged(
        token=exchange.refusal_token,
        at=at,
        context_turns=len(exchange.context),
        inclusion=1.0,
        is_harmful=is_harmful,
        is_refused=(exchange.response or "").startswith(" ".join(REFUSAL)),
    )


def _openai(one: Answered, model: str) -> dict[str, Any]:
    return {
        "id": one.request_id,
        "request": {"model": model, "messages": [{"role": "user", "content": one.prompt.text}]},
        "response": {"choices": [{"message": {"role": "assistant", "content": one.text}}]},
    }


def _litellm(one: Answered, model: str) -> dict[str, Any]:
    return {"call_type": "completion", "messages": _openai(one, model)["request"]["messages"]} | {
        "id": one.request_id,
        "model": model,
        "response": _openai(one, model)["response"],
    }


def _otel(one: Answered, model: str) -> dict[str, Any]:
    number = int.from_bytes(hashlib.sha256(one.request_id.encode()).digest()[:8], "big")
    asked = [{"role": "user", "parts": [{"type": "text", "content": one.prompt.text}]}]
    told = [{"role": "assistant", "parts": [{"type": "text", "content": one.text}], "finish_reason": "stop"}]
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat",
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": model,
            "gen_ai.input.messages": orjson.dumps(asked).decode(),
            "gen_ai.output.messages": orjson.dumps(told).decode(),
        },
    }


def _own(one: Answered, model: str) -> dict[str, Any]:
    return {
        "schema": "watchkeeper.chat/1",
        "event_id": one.request_id,
        "model": model,
        "prompt": one.prompt.text,
        "response": one.text,
    }


_LOGS: Final = (_openai, _litellm, _otel, _own)
