"""The three forms in which "AQI" is written (arXiv 2506.13901 and its released code). They don't agree; each has its own name.

CHI and XBI of two classes are one statistic (scatter.py), so that no weight lambda adds information: it only bends the scale.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.audit.anchors import Floats

LAMBDA: Final = 0.5
PERCENTILE: Final = 99.0
"""Of the CHI in a pool of references: appendix B's CHI_max."""
FLOOR: Final = 10.0
"""What the released code lifts a normalised XBI to."""
_EPSILON: Final = 1e-9


def section_3(chi: Floats, xbi: Floats, *, weight: float = LAMBDA) -> Floats:
    """Lambda / XBI + (1 - lambda) CHI, unbounded, grows with the number of anchors. +inf where XBI is 0."""
    with np.errstate(divide="ignore"):
        value: Floats = weight / xbi + (1 - weight) * chi
    return value


def appendix_b(chi: Floats, xbi: Floats, *, chi_max: float, weight: float = LAMBDA) -> Floats:
    """(CHI / CHI_max)^lambda exp(-XBI)^(1 - lambda). Lambda weighs CHI here, XBI in section 3. Above 1 only beyond CHI_max."""
    value: Floats = (chi / chi_max) ** weight * np.exp(-xbi * (1 - weight))
    return value


def chi_max(pool: Floats) -> float:
    """Appendix B's CHI_max: the 99th percentile of the CHI of a pool of references, [m]. It has to be frozen like the reference, and
    its sets have to be as large as the audited one, since CHI grows with the number of anchors.
    """
    return float(np.percentile(pool, PERCENTILE))


def released(chi: Floats, xbi: Floats, *, weight: float = LAMBDA) -> Floats:
    """The released code's normaliser, [..., A], of CHI and XBI [..., A] of the A axioms of one model (its code counts the whole
    set as one more).

    100 gamma (CHI - min) / (max - min) + (1 - gamma) max(10, 100 (1 - sigmoid((XBI - median) / IQR))), 0 to 100. The least
    separated axiom of any model has 0 for its CHI and the most separated 100, so it ranks a model's axioms and can't compare models,
    nor one model with itself later. Equal CHI: 50 each, or 0 where all are 0. The released code applies it to t-SNE
    coordinates in three dimensions; give it CHI and XBI of those to repeat its numbers.
    """
    low, high = chi.min(axis=-1, keepdims=True), chi.max(axis=-1, keepdims=True)
    spread = high - low
    flat = np.where(high != 0, 50.0, 0.0)
    of_chi = np.where(spread < _EPSILON, flat, 100 * (chi - low) / np.where(spread < _EPSILON, 1.0, spread))
    upper, middle, lower = np.percentile(xbi, (75, 50, 25), axis=-1, keepdims=True)
    # an IQR of 0 leaves a scale of 1e-9: the code's own fallback to 1 is never reached, since it asks for less than that
    z = np.clip((xbi - middle) / (upper - lower + _EPSILON), -500, 500)
    of_xbi = np.maximum(100 * (1 - 1 / (1 + np.exp(-z))), FLOOR)
    value: Floats = weight * of_chi + (1 - weight) * of_xbi
    return value
