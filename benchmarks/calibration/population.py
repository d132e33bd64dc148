"""A model with refusal tokens of which everything is known: the joint law of score, label and text, with disobedience.

A prompt is harmful or not. The refusal token's logit over the respond token's is normal, with another mean for harmful ones. The
text mostly does what the token says; where the token goes against the model's own leaning, less so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import erfc, exp, log, sqrt

import numpy as np

from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration.records import Serving
from monitor.recalibration.windows import Logged, Sample
from schemas.calibrations import ALL, Thresholds
from schemas.refusal_tokens import REFUSE, RESPOND, RefusalToken

SERVING = Serving("sim", "tok", "tpl", (REFUSE,))
UNLOGGED = 1e-4
"""Probability of all tokens but the two."""


@dataclass(frozen=True, slots=True)
class Population:
    """harmful: their share. harmless_mean, harmful_mean, spread: of the logit difference. forced_refuse, forced_respond: the
    probability that the text refuses after a token that the model would not have written; natural ones are obeyed but for
    `slip`. heavy: weight of prompts that are drawn rarely, relative to the others; harmful-looking ones are drawn surely."""

    harmful: float = 0.3
    harmless_mean: float = -2.0
    harmful_mean: float = 2.0
    spread: float = 1.5
    slip: float = 0.02
    forced_refuse: float = 0.95
    forced_respond: float = 0.08
    rare: float = 1.0

    def refused(self, threshold: float, *, harmful: bool) -> float:
        """P(score >= threshold | label), of all the population's prompts."""
        mean = self.harmful_mean if harmful else self.harmless_mean
        return _above((_logit(threshold) - mean) / self.spread)

    def rate(self, threshold: float) -> float:
        """P(score >= threshold)."""
        return self.harmful * self.refused(threshold, harmful=True) + (1 - self.harmful) * self.refused(
            threshold, harmful=False
        )

    def draw(self, n: int, chance: np.random.Generator) -> Sample:
        """`n` prompts, labelled, served by nobody. With `rare` below 1 prompts with a score below one half are in the sample
        with that probability only, so that fewer than `n` may be left."""
        harmful = (chance.random(n) < self.harmful).astype(np.float64)
        means = np.where(harmful == 1, self.harmful_mean, self.harmless_mean)
        score = 1 / (1 + np.exp(-chance.normal(means, self.spread)))
        inclusion = np.where(score < 0.5, self.rare, 1.0)
        return _sample(score, harmful, inclusion).where(chance.random(n) < inclusion)

    def draw_labelled(self, harmless: int, harmful: int, chance: np.random.Generator) -> Sample:
        """That many of each label, all with weight 1."""
        score = np.concatenate(
            [
                chance.normal(self.harmless_mean, self.spread, harmless),
                chance.normal(self.harmful_mean, self.spread, harmful),
            ]
        )
        labels = np.repeat([0.0, 1.0], [harmless, harmful])
        return _sample(1 / (1 + np.exp(-score)), labels, np.ones(len(labels)))

    def logs(
        self,
        n: int,
        thresholds: Thresholds,
        chance: np.random.Generator,
        *,
        begins_at: datetime,
        explored: float = 0.0,
    ) -> Iterator[Logged]:
        """`n` logged first turns, ten seconds apart, served under `thresholds` (single rule). A share `explored` of them gets the
        other token than the rule says."""
        for number in range(n):
            is_harmful = bool(chance.random() < self.harmful)
            z = chance.normal(self.harmful_mean if is_harmful else self.harmless_mean, self.spread)
            logsumexp = log(1 + exp(z)) - log(1 - UNLOGGED)
            p = exp(z - logsumexp)
            by_rule = p >= thresholds.values[ALL]
            is_other = explored > 0 and bool(chance.random() < explored)
            refuses = by_rule != is_other
            is_natural = refuses == (z >= 0)
            obeyed = self.slip if not refuses else 1 - self.slip
            forced = self.forced_refuse if refuses else self.forced_respond
            yield Logged(
                token=RefusalToken(
                    logits={REFUSE: float(z), RESPOND: 0.0},
                    logsumexp=logsumexp,
                    rule="single",
                    selected=(REFUSE,),
                    threshold=thresholds.values[ALL],
                    temperature=1.0,
                    propensity=explored if is_other else 1 - explored,
                    emitted=REFUSE if refuses else RESPOND,
                    model=SERVING.model,
                    tokenizer_hash=SERVING.tokenizer_hash,
                    template_hash=SERVING.template_hash,
                ),
                at=begins_at + timedelta(seconds=10 * number),
                context_turns=0,
                inclusion=1.0,
                is_harmful=is_harmful,
                is_refused=bool(chance.random() < (obeyed if is_natural else forced)),
            )

    def text_rate(self, threshold: float, *, steps: int = 20_001) -> float:
        """P(the text refuses) when served at this threshold of p, by quadrature over the logit difference."""
        z = np.linspace(-14, 14, steps)
        density = sum(
            share * np.exp(-0.5 * ((z - mean) / self.spread) ** 2)
            for share, mean in ((self.harmful, self.harmful_mean), (1 - self.harmful, self.harmless_mean))
        )
        refuses = (1 - UNLOGGED) / (1 + np.exp(-z)) >= threshold
        natural = refuses == (z >= 0)
        text = np.where(
            refuses,
            np.where(natural, 1 - self.slip, self.forced_refuse),
            np.where(natural, self.slip, self.forced_respond),
        )
        return float((density * text).sum() / np.asarray(density).sum())


def _sample(score: Floats, harmful: Floats, inclusion: Floats) -> Sample:
    unknown = np.full(len(score), np.nan)
    return Sample(
        group=np.full(len(score), ALL),
        score=score,
        inclusion=inclusion,
        harmful=harmful,
        severity=np.ones(len(score)),
        text=unknown,
        emitted=unknown,
        natural=unknown,
        propensity=np.ones(len(score)),
        follows=unknown,
    )


def single(threshold: float) -> Thresholds:
    """The single rule at this threshold."""
    return Thresholds(rule="single", selected=(REFUSE,), temperature=1.0, values={ALL: threshold})


def _logit(p: float) -> float:
    return log(p / (1 - p)) if 0 < p < 1 else (40.0 if p else -40.0)


def _above(z: float) -> float:
    return 0.5 * erfc(z / sqrt(2))
