"""What the serving side logs about its refusal tokens (arXiv 2412.06748), and the words that it is logged in.

A model trained with refusal tokens writes one of K refusal tokens, or the respond token, in front of every answer. Whoever
serves it decides by their probabilities which one is written: that decision is what Watchkeeper recalibrates.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

RuleName = Literal["single", "category", "sum", "bias"]
"""How the token is chosen from the logits z, with p = softmax(z / temperature) over the whole vocabulary:

single: the one refusal token where p >= T, else the respond token.
category: c, the refusal token with the largest logit. Where c is selected: c if p[c] >= T of c, else the respond token.
    Where it isn't: what has the largest logit of all.
sum: the selected refusal token with the largest logit where the sum of p over the selected >= T, else the respond token.
bias: b is added to the logits of the selected refusal tokens; then what is largest, of these and the respond token. That is
    T = sigmoid(-b / temperature) on p_r / (p_r + p_s), r the largest of the selected, s the respond token.
"""

RESPOND: Final = "[respond]"
REFUSE: Final = "[refuse]"
CATEGORY_TOKENS: Final = (
    "[Humanizing requests]",
    "[Incomplete requests]",
    "[Indeterminate requests]",
    "[Requests with safety concerns]",
    "[Unsupported requests]",
)
"""The paper's tokens. They are trained with a leading space, which doesn't count when names are compared."""


class RefusalToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the serving side logs about its refusal token (field meanings in docs/formats.md).

    All K+1 logits at the first assistant position with their log-sum-exp identify the refusal rate at any
    threshold. Every field is optional: what is missing is reported later as not identified, never guessed.
    `calibration_version`: of the calibration whose thresholds decided (monitor/recalibration/life.py, version_in_force).
    """

    logits: dict[str, float] | None = None
    logsumexp: float | None = None
    rule: str | None = None
    selected: tuple[str, ...] | None = None
    threshold: float | None = None
    temperature: float | None = None
    bias: float | None = None
    propensity: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | None = None
    emitted: str | None = None
    model: str | None = None
    tokenizer_hash: str | None = None
    template_hash: str | None = None
    calibration_version: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
