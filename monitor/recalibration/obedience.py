"""Does the token decide the text? Refusals in words after each token, natural and forced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.recalibration.weighted import share
from monitor.recalibration.windows import Sample
from schemas.evidence import Interval

After = Literal["refuse", "respond"]
Manner = Literal["natural", "forced"]
"""natural: the model would have written that token by itself. forced: the rule wrote another one than it would have."""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """Of n answers after this token: the share that refuses in words. None without an answer."""

    after: After
    manner: Manner
    n: int
    refused: Interval | None


def obedience(sample: Sample, *, z: float) -> tuple[Obeyed, ...]:
    """After either token, natural and forced. Answers whose token or text isn't known, or of which it can't be told whether
    the token was natural, don't count."""
    known = sample.where(~np.isnan(sample.emitted) & ~np.isnan(sample.natural) & ~np.isnan(sample.text))
    tokens: tuple[tuple[After, float], ...] = (("refuse", 1.0), ("respond", 0.0))
    found = []
    for after, emitted in tokens:
        manners: tuple[tuple[Manner, float], ...] = (("natural", emitted), ("forced", 1 - emitted))
        for manner, natural in manners:
            cell = known.where((known.emitted == emitted) & (known.natural == natural))
            found.append(Obeyed(after, manner, len(cell), share(cell.text, cell.inclusion, z=z)))
    return tuple(found)
