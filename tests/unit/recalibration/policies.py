"""A model's policy, to be varied."""

from __future__ import annotations

from typing import Any

from monitor.recalibration.model_policies import ANY, ModelPolicy
from schemas.calibrations import ALL, Policy
from schemas.refusal_tokens import REFUSE, RESPOND


def a_policy(**given: Any) -> ModelPolicy:
    """One token, a target of a fifth, hashes left open."""
    whole: dict[str, Any] = {
        "model": "m",
        "logged_as": "m",
        "refusals": (REFUSE,),
        "respond": RESPOND,
        "tokenizer_hash": ANY,
        "template_hash": ANY,
        "context_turns": 0,
        "rule": "single",
        "selected": (REFUSE,),
        "temperature": 1.0,
        "policies": {ALL: Policy(target_rate=0.2)},
    }
    return ModelPolicy(**(whole | given))
