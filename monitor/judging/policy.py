"""Which exchanges a judge is asked about, and with what probability: pure. Why it is so: docs/adr/0008.

What the guard says of an exchange puts it into a stratum, the policy gives the stratum a probability, and a hash of the event
id decides. So one event under one policy is decided the same always and everywhere: on a retry, on another worker, in a replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Final, Protocol

import msgspec

from monitor.ports import Score
from schemas.events import JUDGING_OFF, JudgeDecision
from schemas.judgements import JudgePolicy, JudgeReason

HARMFUL_NOT_REFUSED: Final = "harmful_not_refused"
UNCERTAIN: Final = "uncertain"
MUSTS: Final = (HARMFUL_NOT_REFUSED, UNCERTAIN)
"""The strata that are judged whole, unless they are more than the budget."""
SAMPLE: Final = "sample"
"""The first part of all other strata's names: sample/<category>/<refused, answered or no_response>."""

_SPAN: Final = 1 << 64


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a policy says of one exchange: whether a judge is asked, or why not; how probable that was. `stratum` "": none.

    A chooser gives the same object for the same choice: it is counted by identity, at a tenth of the cost of its value.
    """

    decision: JudgeDecision
    probability: float
    policy: str
    stratum: str
    reason: JudgeReason

    @property
    def is_asked(self) -> bool:
        """Whether a judge is asked."""
        return self.decision == "asked"


OFF: Final = Choice(*JUDGING_OFF, "", "sample")
"""Nobody judges."""


class Thresholds(Protocol):
    """From which probabilities on the guard's labels are true (monitor/settings.py)."""

    @property
    def prompt_harm_threshold(self) -> float: ...
    @property
    def refusal_threshold(self) -> float: ...
    @property
    def response_harm_threshold(self) -> float: ...


@dataclass(frozen=True, slots=True)
class _Odds:
    """A stratum's two choices, and the hashes below which an event is drawn."""

    below: int
    drawn: Choice
    left: Choice


class Chooser:
    """Chooses by one policy under one set of thresholds. An exchange costs about two microseconds."""

    def __init__(self, policy: JudgePolicy, thresholds: Thresholds) -> None:
        self.policy = policy
        self._thresholds = thresholds
        self._unscored = Choice("unscored", 0.0, policy.version, "", "sample")
        self._harmful_not_refused = self._odds(HARMFUL_NOT_REFUSED, "harmful_not_refused")
        self._uncertain = self._odds(UNCERTAIN, "uncertain")
        self._samples: dict[tuple[str, bool | None], _Odds] = {}

    def choose(self, event_id: str, score: Score) -> Choice:
        """What becomes of this exchange. One without an answer of the guard is in no stratum, and not judged."""
        if score.status != "ok" or score.prompt_harm is None:
            return self._unscored
        odds = self._stratum(score, score.prompt_harm)
        digest = blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"wk-judging")
        return odds.drawn if int.from_bytes(digest.digest(), "big") < odds.below else odds.left

    def _stratum(self, score: Score, prompt_harm: float) -> _Odds:
        limits, band = self._thresholds, self.policy.band
        refusal, response_harm = score.refusal, score.response_harm
        is_refused = None if refusal is None else refusal >= limits.refusal_threshold
        is_harmful = prompt_harm >= limits.prompt_harm_threshold or (
            response_harm is not None and response_harm >= limits.response_harm_threshold
        )
        if is_harmful and is_refused is False:
            return self._harmful_not_refused
        if (
            abs(prompt_harm - limits.prompt_harm_threshold) < band
            or (refusal is not None and abs(refusal - limits.refusal_threshold) < band)
            or (response_harm is not None and abs(response_harm - limits.response_harm_threshold) < band)
        ):
            return self._uncertain
        key = (score.category, is_refused)
        odds = self._samples.get(key)
        if odds is None:
            answer = {True: "refused", False: "answered", None: "no_response"}[is_refused]
            odds = self._samples[key] = self._odds(f"{SAMPLE}/{score.category}/{answer}", "sample")
        return odds

    def _odds(self, stratum: str, reason: JudgeReason) -> _Odds:
        policy = self.policy
        probability = policy.strata.get(stratum, policy.otherwise)
        return _Odds(
            round(probability * _SPAN),
            Choice("asked", probability, policy.version, stratum, reason),
            Choice("sampled_out", probability, policy.version, stratum, reason),
        )


def version_of(band: float, strata: Mapping[str, float], otherwise: float) -> str:
    """Names what a policy chooses by: 12 hexadecimal digits, the same wherever computed."""
    content = msgspec.json.encode([band, sorted(strata.items()), otherwise])
    return sha256(content).hexdigest()[:12]
