"""Which token is written at the first position of an answer, and the record of why. Pure.

What is written is what `monitor.recalibration.rules` says of the record that is logged: the same code decides here that later
reads the log, so that the two can't differ.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.meaning import Word
from monitor.recalibration.pieces import NotIdentified
from monitor.recalibration.records import Record, decode
from monitor.recalibration.rules import bias_of, is_refused, score
from monitor.serving.thresholds import Standing
from monitor.serving.tokens import Served
from schemas.calibrations import ALL, Thresholds
from schemas.refusal_tokens import RefusalToken

_UNIT: Final = float(1 << 53)


class Fallback(Word):
    """Why the model chose its token itself, although it writes refusal tokens."""

    NO_RULE = "no_rule", "No rule is in force."
    NOT_FINITE = "not_finite", "A logit of the refusal tokens, or the log-sum-exp, is NaN or infinite."


@dataclass(frozen=True, slots=True)
class Seen:
    """Of the logits z of one sequence over the whole vocabulary: those of the refusal tokens (in the order of the model's) and of the
    respond token, log-sum-exp of z / `temperature`, and what is largest of all."""

    refusals: tuple[float, ...]
    respond: float
    logsumexp: float
    temperature: float
    largest_id: int
    largest: float


@dataclass(frozen=True, slots=True)
class Decision:
    """`token_id`: what has to be written; None where the model chooses, for the reason `fallback`. `record` is as it is to be
    logged, once `written` has said what was written where the model chose."""

    token_id: int | None
    record: RefusalToken
    fallback: Fallback | None


def see(logits: NDArray[np.floating[Any]], served: Served, temperature: float) -> Seen:
    """Of one sequence's logits, [vocabulary]."""
    z = np.asarray(logits, np.float64)
    ids = list(served.ids)
    scaled = z / temperature
    top = float(scaled.max())
    total = top if not isfinite(top) else top + float(np.log(np.exp(scaled - top).sum()))
    largest = int(z.argmax())
    return Seen(
        refusals=tuple(z[ids[:-1]].tolist()),
        respond=float(z[ids[-1]]),
        logsumexp=total,
        temperature=temperature,
        largest_id=largest,
        largest=float(z[largest]),
    )


def decide(seen: Seen, standing: Standing, served: Served, request_id: str) -> Decision:
    """What is written for this request under what counts now.

    A share `served.randomised` of the requests gets the other token: the respond token in place of a refusal token, and the
    refusal token that the rule would write in place of the respond token. Which requests is decided by their ids and the seed
    alone, so that a request that is tried again gets the same. Where no threshold decides nothing is randomised.

    Raises ValueError where the logits were looked at with another temperature than the thresholds'.
    """
    thresholds = standing.thresholds
    if thresholds is not None and thresholds.temperature != seen.temperature:
        raise ValueError(f"seen at temperature {seen.temperature}, thresholds for {thresholds.temperature}")
    serving = served.serving
    bare = RefusalToken(
        model=serving.model,
        tokenizer_hash=serving.tokenizer_hash,
        template_hash=serving.template_hash,
        calibration_version=0,
    )
    if not all(map(isfinite, (*seen.refusals, seen.respond, seen.logsumexp, seen.largest))):
        return Decision(None, bare, Fallback.NOT_FINITE)
    names = (*serving.refusals, serving.respond)
    logged = msgspec.structs.replace(
        bare,
        logits=dict(zip(names, (*seen.refusals, seen.respond), strict=True)),
        logsumexp=seen.logsumexp,
        temperature=seen.temperature,
        calibration_version=standing.version,
    )
    if thresholds is None:
        return Decision(None, logged, Fallback.NO_RULE)
    record = decode(logged, serving)
    if isinstance(
        record, NotIdentified
    ):  # its log-sum-exp is less than its own logits': some of them overflowed
        return Decision(None, bare, Fallback.NOT_FINITE)
    token_id, threshold, propensity = _chosen(seen, record, thresholds, served, request_id)
    return Decision(
        token_id,
        msgspec.structs.replace(
            logged,
            rule=thresholds.rule,
            selected=thresholds.selected,
            threshold=threshold,
            bias=_bias(threshold, thresholds),
            propensity=propensity,
            emitted=served.name_of(token_id),
        ),
        None,
    )


def written(record: RefusalToken, served: Served, token_id: int) -> RefusalToken:
    """The record with what was written in fact, whoever chose it: `emitted` is None for a token that is none of the model's."""
    return msgspec.structs.replace(record, emitted=served.name_of(token_id))


def draw(served: Served, request_id: str) -> float:
    """In [0, 1), by the request's id and the seed."""
    key = served.seed or b"watchkeeper"
    digest = hmac.digest(key, request_id.encode("utf-8", "surrogatepass"), "sha256")
    return (int.from_bytes(digest[:8], "big") >> 11) / _UNIT


def _chosen(
    seen: Seen, record: Record, thresholds: Thresholds, served: Served, request_id: str
) -> tuple[int, float | None, float]:
    """What is written, the threshold that decided (None where none did), and with which probability."""
    top = record.largest
    if thresholds.rule == "category" and record.refusals[top] not in thresholds.selected:
        return _natural(seen, top, served), None, 1.0
    found = score(record, thresholds)
    if isinstance(found, NotIdentified):
        raise TypeError(f"a record with everything in it has a score: {found.piece}")
    chosen = [place for place, name in enumerate(record.refusals) if name in thresholds.selected]
    best = max(chosen, key=lambda place: record.logits[place])  # the first of equals
    refuses = is_refused(found, thresholds)
    propensity = 1.0
    if served.randomised:
        is_other = draw(served, request_id) < served.randomised
        propensity = served.randomised if is_other else 1 - served.randomised
        refuses = refuses != is_other
    name = record.refusals[top] if thresholds.rule == "category" else ALL
    return served.refusal_ids[best] if refuses else served.respond_id, thresholds.values[name], propensity


def _natural(seen: Seen, top: int, served: Served) -> int:
    """What has the largest logit of all; ties go to the refusal token, as in the rules, then to the respond token."""
    if seen.refusals[top] >= seen.largest:
        return served.refusal_ids[top]
    return served.respond_id if seen.respond >= seen.largest else seen.largest_id


def _bias(threshold: float | None, thresholds: Thresholds) -> float | None:
    """Of the bias rule; None for the others, and where it is infinite, which JSON can't carry."""
    if thresholds.rule != "bias" or threshold is None:
        return None
    bias = bias_of(threshold, thresholds.temperature)
    return bias if isfinite(bias) else None
