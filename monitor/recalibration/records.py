"""A refusal-token record that was checked against the model it should be of."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Final

from monitor.recalibration.pieces import NotIdentified, Piece
from schemas.refusal_tokens import RESPOND, RefusalToken

TOLERANCE: Final = 0.01
"""How far a log-sum-exp may be below that of its own logits: logits are rounded when they are logged (8 bits of mantissa)."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The model whose logs are read: `refusals` are its K refusal tokens, `respond` its respond token, names without outer
    spaces. `context_turns`: messages that stand before the first user turn, such as a system prompt: with more, a prompt
    counts as a later turn."""

    model: str
    tokenizer_hash: str
    template_hash: str
    refusals: tuple[str, ...]
    respond: str = RESPOND
    context_turns: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError where the tokens can't be told apart."""
        names = (*self.refusals, self.respond)
        if not self.refusals or len(set(names)) != len(names) or any(name != name.strip() for name in names):
            raise ValueError("refusal and respond tokens need names that differ, without outer spaces")


@dataclass(frozen=True, slots=True)
class Record:
    """Logits in the order of `Serving.refusals`, and the respond token's. The rest is None where it wasn't logged.

    logsumexp: of all the vocabulary's logits divided by `temperature`. `emitted`: the token written.
    """

    refusals: tuple[str, ...]
    logits: tuple[float, ...]
    respond: float
    logsumexp: float | None
    temperature: float | None
    rule: str | None
    selected: tuple[str, ...] | None
    threshold: float | None
    bias: float | None
    propensity: float | None
    emitted: str | None

    @property
    def largest(self) -> int:
        """Place of the refusal token with the largest logit; the first of equals."""
        return self.logits.index(max(self.logits))

    @property
    def is_refusal_emitted(self) -> bool | None:
        """Whether the token written is a refusal token; None where it isn't told."""
        return None if self.emitted is None else self.emitted in self.refusals


def decode(token: RefusalToken | None, serving: Serving) -> Record | NotIdentified:
    """The record, or the first piece that is missing, wrong, or another model's.

    Needed by all rules: the logits of all K+1 tokens and the three names that they belong to. What else a computation
    needs, it asks for (monitor/recalibration/rules.py). What contradicts itself is not used at all.
    """
    if token is None:
        return NotIdentified(Piece.RECORD)
    other = _other(token, serving)
    if other:
        return NotIdentified(other)
    if not token.logits:
        return NotIdentified(Piece.LOGITS)
    logits = {name.strip(): value for name, value in token.logits.items()}
    if len(logits) != len(token.logits):
        return NotIdentified(Piece.DUPLICATE_TOKEN)
    if serving.respond not in logits:
        return NotIdentified(Piece.RESPOND_LOGIT, serving.respond)
    absent = [name for name in serving.refusals if name not in logits]
    if absent:
        return NotIdentified(Piece.REFUSAL_LOGIT, absent[0])
    if len(logits) > len(serving.refusals) + 1:
        return NotIdentified(Piece.UNKNOWN_TOKEN, "logits")
    fault = _numbers(token)
    if fault:
        return fault
    record = Record(
        refusals=serving.refusals,
        logits=tuple(float(logits[name]) for name in serving.refusals),
        respond=float(logits[serving.respond]),
        logsumexp=token.logsumexp,
        temperature=token.temperature,
        rule=token.rule,
        selected=None if token.selected is None else tuple(name.strip() for name in token.selected),
        threshold=token.threshold,
        bias=token.bias,
        propensity=token.propensity,
        emitted=None if token.emitted is None else token.emitted.strip(),
    )
    return _contradiction(record, serving) or record


def _other(token: RefusalToken, serving: Serving) -> Piece | None:
    if token.model != serving.model:
        return Piece.OTHER_MODEL
    if token.tokenizer_hash != serving.tokenizer_hash:
        return Piece.OTHER_TOKENIZER
    if token.template_hash != serving.template_hash:
        return Piece.OTHER_TEMPLATE
    return None


def _numbers(token: RefusalToken) -> NotIdentified | None:
    for name in ("logsumexp", "threshold", "temperature", "bias", "propensity"):
        value = getattr(token, name)
        if value is not None and not isfinite(value):
            return NotIdentified(Piece.NOT_FINITE, name)
    if not all(isfinite(value) for value in (token.logits or {}).values()):
        return NotIdentified(Piece.NOT_FINITE, "logits")
    if token.threshold is not None and not 0 <= token.threshold <= 1:
        return NotIdentified(Piece.THRESHOLD_OUTSIDE)
    if token.temperature is not None and token.temperature <= 0:
        return NotIdentified(Piece.TEMPERATURE_NOT_POSITIVE)
    if token.propensity is not None and not 0 < token.propensity <= 1:
        return NotIdentified(Piece.PROPENSITY_OUTSIDE)
    return None


def _contradiction(record: Record, serving: Serving) -> NotIdentified | None:
    if record.selected is not None and not set(record.selected) <= set(serving.refusals):
        return NotIdentified(Piece.UNKNOWN_TOKEN, "selected")
    if record.emitted is not None and record.emitted not in (*serving.refusals, serving.respond):
        return NotIdentified(Piece.UNKNOWN_TOKEN, "emitted")
    if record.logsumexp is not None and record.temperature is not None:
        scaled = [value / record.temperature for value in (*record.logits, record.respond)]
        top = max(scaled)
        own = top + log(sum(exp(value - top) for value in scaled))
        if record.logsumexp < own - TOLERANCE:
            return NotIdentified(Piece.LOGSUMEXP_TOO_SMALL)
    return None
