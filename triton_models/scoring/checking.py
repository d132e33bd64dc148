"""The start-up check: does one pass say what the model says when the answer is run token by token?"""

from __future__ import annotations

from typing import Any, Final

import torch

from triton_models.scoring.loading import ModelError
from triton_models.scoring.scorer import PassScorer, Scorer

TOLERANCE: Final = {torch.float32: 1e-3, torch.bfloat16: 0.5}
"""Largest difference of a log-probability that is rounding: in float32 about 1e-6 was measured, in bfloat16 7e-3 at 54M
parameters. An architecture that does something else to its logits or its attention is off by more."""

_PROMPT, _RESPONSE = "What is the capital of France?", "Paris."


@torch.inference_mode()
def stepwise(model: Any, one: PassScorer, ids: tuple[int, ...]) -> list[list[float]]:
    """The log-probability of each choice at each read of a pass, every one from a plain run, without tree, cache or batch, of
    all that stands before it."""
    found = []
    for read in one.tree.reads:
        path: list[int] = []
        node = read.node
        while node >= 0:
            path.append(one.tree.tokens[node])
            node = one.tree.parents[node]
        text = torch.tensor([[*ids, *reversed(path)]], device=model.device)
        logits = (
            model(input_ids=text, use_cache=False, logits_to_keep=1).logits[0, -1, list(read.tokens)].float()
        )
        found.append(logits.log_softmax(-1).tolist())
    return found


def check(scorer: Scorer) -> float:
    """Run every pass both ways, which also warms the device up. Returns the largest difference; raises ModelError where it is
    more than rounding."""
    worst = 0.0
    model = scorer.model
    for has_response in (False, True):
        for one in scorer.passes(has_response=has_response):
            rendered = one.renderer.render(_PROMPT, _RESPONSE if has_response else None)
            (answers,) = one.run([rendered])
            for mine, other in zip(answers.choices, stepwise(model, one, rendered.ids), strict=True):
                worst = max(worst, *(abs(a - b) for a, b in zip(mine, other, strict=True)))
    if not worst <= TOLERANCE[model.dtype]:
        raise ModelError(
            f"one pass and step by step differ by {worst:.2g} in a log-probability on this {model.config.model_type} model: "
            "the scorer doesn't know this architecture; try attention = eager, or serve it with vLLM (docs/guards.md)"
        )
    return worst
