"""Records and samples for tests, to be varied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import exp, log
from typing import Any

import msgspec
import numpy as np

from monitor.recalibration.records import Record, Serving, decode
from monitor.recalibration.windows import Logged, Sample
from schemas.calibrations import ALL, Thresholds
from schemas.refusal_tokens import RESPOND, RefusalToken

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
ONE = Serving("m", "tok", "tpl", ("[refuse]",))
TWO = Serving("m", "tok", "tpl", ("[a]", "[b]"))


def token(serving: Serving, logits: Sequence[float], *, rest: float = 0.0, **fields: Any) -> RefusalToken:
    """Logits of the refusal tokens, then of the respond token; `rest` is the log of what all other tokens add up to
    (0: next to nothing beside it)."""
    tau = fields.get("temperature", 1.0)
    total = log(sum(exp(z / tau) for z in logits) + (exp(rest) if rest else 0.0))
    whole: dict[str, Any] = {
        "logits": dict(zip((*serving.refusals, RESPOND), map(float, logits), strict=True)),
        "logsumexp": total,
        "temperature": 1.0,
        "model": serving.model,
        "tokenizer_hash": serving.tokenizer_hash,
        "template_hash": serving.template_hash,
    }
    return RefusalToken(**(whole | fields))


def record(serving: Serving, logits: Sequence[float], *, rest: float = 0.0, **fields: Any) -> Record:
    """The same, decoded."""
    found = decode(token(serving, logits, rest=rest, **fields), serving)
    assert isinstance(found, Record), found
    return found


def logged(of: RefusalToken | None, **fields: Any) -> Logged:
    """A first turn that counts once, without labels."""
    whole: dict[str, Any] = {
        "at": AT,
        "context_turns": 0,
        "inclusion": 1.0,
        "is_harmful": None,
        "is_refused": None,
    }
    return Logged(of, **(whole | fields))


def thresholds(
    rule: str, value: float, *, selected: tuple[str, ...] = ("[refuse]",), **fields: Any
) -> Thresholds:
    """One value for every group of the rule."""
    values = dict.fromkeys(selected if rule == "category" else (ALL,), value)
    found = msgspec.convert(
        {"rule": rule, "selected": selected, "temperature": 1.0, "values": values}, Thresholds
    )
    return msgspec.structs.replace(found, **fields)


def sample(scores: Sequence[float], **columns: Any) -> Sample:
    """Prompts with these scores; columns not given are of one group, weight 1 and unknown truths."""
    n = len(scores)
    unknown = np.full(n, np.nan)
    whole: dict[str, Any] = {
        "group": np.full(n, ALL),
        "score": np.array(scores, np.float64),
        "inclusion": np.ones(n),
        "harmful": unknown,
        "severity": np.ones(n),
        "text": unknown,
        "emitted": unknown,
        "natural": unknown,
        "propensity": np.ones(n),
        "follows": unknown,
    }
    given = {
        name: np.array(column) if name == "group" else np.array(column, np.float64)
        for name, column in columns.items()
    }
    return Sample(**(whole | given))
