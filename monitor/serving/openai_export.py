"""A calibration as `logit_bias` of an OpenAI-compatible API: what comes nearest where no code of ours can run. It is not the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitor.errors import Misconfigured
from monitor.recalibration.rules import bias_of, checked
from monitor.serving.tokens import Tokenizer, id_of
from schemas.calibrations import ALL, Calibration, Thresholds
from schemas.refusal_tokens import RuleName

LARGEST: Final = 100.0
"""What the API takes, each way."""
EVERY_POSITION: Final = (
    "The bias acts on every token of the answer, not on its first alone: it is not equivalent to the rule. A large positive one can "
    "make the token appear in the middle of an answer."
)
NOT_LOGGED: Final = "The API logs no refusal-token record: rates at other thresholds are not identified from such logs, and this can't be recalibrated."
SAMPLED: Final = "At a sampling temperature above 0 the token is drawn by chance around the threshold: the rule itself is what temperature 0 does."
EXACT: Final = "At the first token and temperature 0 it decides as the bias rule does, if no other token is larger than both."
OF_RULE: Final[Mapping[RuleName, str]] = {
    "bias": EXACT,
    "single": "The rule's threshold is on p over the whole vocabulary, the bias on p_r / (p_r + p_s): the same only where refusal and respond "
    "token have all of the probability.",
    "sum": "The rule's threshold is on the sum over the selected tokens; the bias lifts each, and the largest counts: it refuses "
    "less often than the rule.",
    "category": "The rule first takes the largest refusal token, then its threshold; biases that differ can change which is largest, and a token "
    "that isn't selected can win over one that is pushed down.",
}


@dataclass(frozen=True)
class Export:
    """`logit_bias`: as the API takes it. `clipped`: tokens whose bias was beyond what it takes."""

    logit_bias: Mapping[str, float]
    clipped: tuple[str, ...]
    caveats: tuple[str, ...]

    def document(self, calibration: Calibration) -> dict[str, Any]:
        """What the exported file holds: the bias, what it is of, and its caveats."""
        return {
            "schema": "watchkeeper.logit_bias/1",
            "model": calibration.model,
            "version": calibration.version,
            "state": calibration.state,
            "logit_bias": dict(self.logit_bias),
            "clipped": list(self.clipped),
            "caveats": list(self.caveats),
        }


def export(thresholds: Thresholds, ids: Mapping[str, int]) -> Export:
    """The bias temperature ln((1 - T) / T) of each selected token, within -100..100. `ids`: of the selected tokens, by name.

    Raises ValueError for thresholds that make no sense, Misconfigured for a selected token without an id.
    """
    checked(thresholds)
    missing = sorted(set(thresholds.selected) - set(ids))
    if missing:
        raise Misconfigured(f"no token id for {', '.join(missing)}", "give the id of each selected token")
    biases: dict[str, float] = {}
    clipped = []
    for name in thresholds.selected:
        threshold = thresholds.values[name if thresholds.rule == "category" else ALL]
        bias = bias_of(threshold, thresholds.temperature)
        biases[str(ids[name])] = round(max(-LARGEST, min(LARGEST, bias)), 6)
        if abs(bias) > LARGEST:
            clipped.append(name)
    caveats = [EVERY_POSITION, OF_RULE[thresholds.rule], SAMPLED, NOT_LOGGED]
    if clipped:
        caveats.append(f"Beyond what the API takes, and cut to {LARGEST:.0f}: {', '.join(clipped)}.")
    return Export(biases, tuple(clipped), tuple(caveats))


def ids_by(tokenizer: Tokenizer, thresholds: Thresholds) -> dict[str, int]:
    """Of the selected tokens. Raises Misconfigured for one that the tokenizer doesn't have as one token."""
    return {name: id_of(tokenizer, name) for name in thresholds.selected}
