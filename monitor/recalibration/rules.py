"""What a rule would do with a record at given thresholds, exactly: the logits come before the action, so logs tell.

Rules: schemas/refusal_tokens.py. Ties go to the refusal (p >= T), and among refusal tokens to the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, isfinite, log
from typing import Final, get_args

from monitor.recalibration.pieces import NotIdentified, Piece
from monitor.recalibration.records import Record, Serving
from schemas.calibrations import ALL, Thresholds
from schemas.refusal_tokens import RuleName

RULES: Final[tuple[str, ...]] = get_args(RuleName)
ALWAYS: Final = inf
NEVER: Final = -inf
_CLOSE: Final = 1e-3
"""How far a score may be on the wrong side of the threshold for the token written: probabilities were float32 or less there."""


@dataclass(frozen=True, slots=True)
class Score:
    """What decides about a prompt: it is refused iff `value` >= the threshold of `group`. ALWAYS and NEVER (plus and minus
    infinity) where no threshold decides; `group` is then still the refusal token with the largest logit."""

    group: str
    value: float


def score(record: Record, thresholds: Thresholds) -> Score | NotIdentified:
    """The score of a record under the rule, selection and temperature of `thresholds`; their values don't enter."""
    chosen = [place for place, name in enumerate(record.refusals) if name in thresholds.selected]
    tau = thresholds.temperature
    if thresholds.rule == "bias":
        top = max(record.logits[place] for place in chosen)
        return Score(ALL, _sigmoid((top - record.respond) / tau))
    if record.logsumexp is None:
        return NotIdentified(Piece.LOGSUMEXP)
    if record.temperature is None:
        return NotIdentified(Piece.TEMPERATURE)
    if record.temperature != tau:
        return NotIdentified(Piece.OTHER_TEMPERATURE)
    p = [_probability(value / tau - record.logsumexp) for value in record.logits]
    if thresholds.rule in ("single", "sum"):
        return Score(ALL, min(1.0, sum(p[place] for place in chosen)))
    largest = record.largest
    name = record.refusals[largest]
    if largest in chosen:
        return Score(name, p[largest])
    natural = is_refusal_natural(record)
    if natural is None:
        return NotIdentified(Piece.UNLOGGED_TOKEN, name)
    return Score(name, ALWAYS if natural else NEVER)


def would_refuse(record: Record, thresholds: Thresholds) -> bool | NotIdentified:
    """Whether a refusal token is written under these thresholds, whatever was in force when it was logged."""
    found = score(record, thresholds)
    if isinstance(found, NotIdentified):
        return found
    return is_refused(found, thresholds)


def is_refused(found: Score, thresholds: Thresholds) -> bool:
    """The same of its score."""
    if not isfinite(found.value):
        return found.value > 0
    return found.value >= thresholds.values[found.group]


def is_refusal_natural(record: Record) -> bool | None:
    """Whether the model by itself, taking the largest logit, would write a refusal token; None where a token that isn't
    logged may have a larger one than the refusal token's, or the log-sum-exp to tell by isn't there."""
    largest = max(record.logits)
    if largest < record.respond:
        return False
    if record.logsumexp is None or record.temperature is None:
        return None
    tau = record.temperature
    p = sum(_probability(value / tau - record.logsumexp) for value in (*record.logits, record.respond))
    return True if _probability(largest / tau - record.logsumexp) >= 1 - p else None


def contradicts(record: Record, serving: Serving) -> NotIdentified | None:
    """Whether what was logged of the decision contradicts itself: bias against threshold, or the token written against rule,
    selection, threshold and logits without a logged randomisation. None where it doesn't, or can't be told."""
    if record.rule is None or record.rule not in RULES:
        return None
    tau = record.temperature
    equal = (
        None
        if record.rule != "bias" or record.bias is None or tau is None
        else threshold_of(record.bias, tau)
    )
    if equal is not None and record.threshold is not None and abs(equal - record.threshold) > _CLOSE:
        return NotIdentified(Piece.BIAS_AGAINST_THRESHOLD)
    if record.propensity is not None and record.propensity < 1:
        return None
    threshold = equal if record.threshold is None else record.threshold
    if threshold is None or tau is None or record.emitted is None:
        return None
    selected = record.selected or (serving.refusals if record.rule != "category" else ())
    if not selected:
        return None
    live = live_thresholds(record.rule, selected, tau, threshold)
    found = score(record, live)
    if isinstance(found, NotIdentified):
        return None
    refuses = is_refused(found, live)
    if refuses != record.is_refusal_emitted and not abs(found.value - threshold) <= _CLOSE:
        return NotIdentified(Piece.EMITTED_AGAINST_RULE)
    return None


def follows(record: Record, thresholds: Thresholds) -> bool | NotIdentified:
    """Whether the record says that it was decided by these very thresholds."""
    if record.rule is None:
        return NotIdentified(Piece.RULE)
    threshold = record.threshold
    if threshold is None and record.bias is not None and record.rule == "bias":
        threshold = threshold_of(record.bias, record.temperature or 1.0)
    if threshold is None:
        return NotIdentified(Piece.THRESHOLD)
    if record.rule == "category" and record.selected is None:
        return NotIdentified(Piece.SELECTED)
    if record.rule != thresholds.rule or record.temperature not in (None, thresholds.temperature):
        return False
    if record.selected is not None and set(record.selected) != set(thresholds.selected):
        return False
    name = record.refusals[record.largest] if thresholds.rule == "category" else ALL
    if name not in thresholds.values:  # no threshold decided about it
        return True
    return abs(threshold - thresholds.values[name]) <= 1e-6


def live_thresholds(rule: str, selected: tuple[str, ...], temperature: float, value: float) -> Thresholds:
    """One and the same threshold for every group of a rule. Raises ValueError for a rule or value that doesn't exist."""
    names = selected if rule == "category" else (ALL,)
    for known in get_args(RuleName):
        if rule == known:
            return checked(
                Thresholds(
                    rule=known, selected=selected, temperature=temperature, values=dict.fromkeys(names, value)
                )
            )
    raise ValueError(f"{rule!r} is no rule: {', '.join(RULES)}")


def checked(thresholds: Thresholds) -> Thresholds:
    """The same. Raises ValueError, with the fault, where it makes no sense."""
    if not thresholds.selected or len(set(thresholds.selected)) != len(thresholds.selected):
        raise ValueError("selected: at least one refusal token, each once")
    if thresholds.rule == "single" and len(thresholds.selected) != 1:
        raise ValueError("the single rule has one refusal token")
    if not (isfinite(thresholds.temperature) and thresholds.temperature > 0):
        raise ValueError("temperature: a positive number")
    groups = set(thresholds.selected) if thresholds.rule == "category" else {ALL}
    if set(thresholds.values) != groups:
        raise ValueError(
            "values: a threshold for each selected token by the category rule, else one under ''"
        )
    if not all(0 <= value <= 1 for value in thresholds.values.values()):  # NaN fails too
        raise ValueError("a threshold is not in 0..1")
    return thresholds


def bias_of(threshold: float, temperature: float = 1.0) -> float:
    """B = temperature ln((1 - T) / T): the logit bias of the refusal token that equals T. Infinite at 0 and 1.

    At every position: an API whose bias acts on each token of the answer doesn't do the same as one at the first.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"a threshold of {threshold} is not in 0..1")
    if threshold == 0:
        return inf
    return -inf if threshold == 1 else temperature * log((1 - threshold) / threshold)


def threshold_of(bias: float, temperature: float = 1.0) -> float:
    """T = sigmoid(-b / temperature), the inverse of `bias_of`."""
    return _sigmoid(-bias / temperature)


def _probability(log_p: float) -> float:
    return exp(min(log_p, 0.0))  # rounded logits can make it a little more than 1


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1 / (1 + exp(-value)) if value < 700 else 1.0
    return exp(value) / (1 + exp(value)) if value > -700 else 0.0
