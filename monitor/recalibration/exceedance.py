"""One bound by one threshold: the least t at which what is above t is certified to be no more than alpha.

Everything is of a score x with a loss where x > t, falling in t. Over-refusal is that of the harmless prompts' scores; a miss is
that of the harmful ones' scores negated (monitor/recalibration/solving.py turns both into thresholds of score >= T).

Sampled data. `weights` are 1 / inclusion probability, known by design. With equal weights all forms are the textbook's. With
unequal ones each states what remains. W is the greatest weight that a prompt can have: by design, else that of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from monitor.estimates.horvitz_thompson import Floats
from monitor.recalibration.binomial import hoeffding_bentkus, most_allowed

_SLACK = 1e-12


@dataclass(frozen=True)
class Exceedance:
    """Losses sorted by score, the greatest first. `above[j]`: weighted loss of all strictly above x[j]; `all_lost`: of all.
    `total`: of the weights. `heaviest`: W. `is_plain`: all weights are the same, and all losses 1."""

    x: Floats
    above: Floats
    all_lost: float
    total: float
    heaviest: float
    is_plain: bool

    def __len__(self) -> int:
        return len(self.x)


def exceedance(
    x: Floats, weights: Floats, losses: Floats | None = None, *, heaviest: float | None = None
) -> Exceedance:
    """From scores, weights and losses in 0..1 (1 each if none are given), all [n]."""
    lost = np.ones_like(x) if losses is None else losses
    order = np.argsort(-x, kind="stable")
    x, weights, lost = x[order], weights[order], lost[order]
    sums = np.concatenate([[0.0], np.cumsum(weights * lost)])
    first = np.searchsorted(-x, -x, side="left")  # ties: nothing of their own score is above it
    is_plain = bool(len(x) == 0 or (np.ptp(weights) <= _SLACK * weights.max() and (lost == 1).all()))
    greatest = float(weights.max()) if len(x) else 1.0
    most = greatest if heaviest is None else heaviest
    if len(x) and most < greatest:
        raise ValueError("a weight is greater than the greatest that there can be")
    return Exceedance(x, sums[first], float(sums[-1]), float(weights.sum()), most, is_plain)


def quantile(of: Exceedance, rate: float) -> float | None:
    """The x at which the share above is nearest to `rate`, from below where that is as near; None without data.

    True rate and wanted one differ by at most `dkw` of it, for every t at once, plus the nearest step of the data.
    """
    if not len(of):
        return None
    shares = of.above / of.total
    return float(of.x[int(np.argmin(np.abs(shares - rate)))])


def dkw(effective: float, delta: float) -> float:
    """sqrt(ln(2 / delta) / 2n): no share of n independent prompts is further from the truth, at any threshold, but with
    probability delta (Dvoretzky, Kiefer and Wolfowitz 1956; the constant: Massart 1990).

    With unequal weights pass Kish's effective size; it then holds in the limit only.
    """
    return sqrt(log(2 / delta) / (2 * effective)) if effective > 0 else 1.0


def risk_control(of: Exceedance, alpha: float, bound: float = 1.0) -> float | None:
    """Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814): inf{t: n/(n+1) R(t) + B/(n+1) <= alpha}, so that the
    loss of the next prompt is at most alpha on average over prompt and calibration data. Losses are 0..`bound`.

    Weighted: (sum w L + W B) / (sum w + W), the form for a shift known by its weights (Tibshirani et al. 2019, arXiv 1904.06019)
    with W for the next prompt's unknown weight, which only adds to it: the guarantee stays, in finite samples.
    None where even the greatest t isn't enough: with n < 1/alpha - 1.
    """
    if not len(of):
        return None
    risk = (of.above + of.heaviest * bound) / (of.total + of.heaviest)
    return _least(of, risk <= alpha + _SLACK)


def split_conformal(of: Exceedance, alpha: float) -> float | None:
    """The ceil((n+1)(1-alpha))-th smallest score (Vovk et al. 2005; Lei et al. 2018): P(next x > t) <= alpha, on average over
    the calibration data (marginal). It is `risk_control` of the loss 1; weighted as there.
    """
    return risk_control(of, alpha)


def pac(of: Exceedance, alpha: float, delta: float) -> float | None:
    """The k-th smallest score, k the least with P(Bin(n, 1-alpha) >= k) <= delta: with probability 1 - delta over the calibration
    data P(x > t) <= alpha (tolerance limits, Wilks 1941; Vovk 2012, arXiv 1209.2673). Ties only help.

    Raises ValueError with unequal weights or losses other than 1: `hoeffding_bound` is for those. None with n below
    ln(delta) / ln(1-alpha), 59 for .05 and .05.
    """
    if not of.is_plain:
        raise ValueError("the binomial bound needs prompts drawn alike, and losses of 1")
    allowed = most_allowed(len(of), alpha, delta)
    return None if allowed < 0 else float(of.x[allowed])


def hoeffding_bound(of: Exceedance, alpha: float, delta: float) -> float | None:
    """The same guarantee, for any weights and losses in 0..1, in finite samples: the least t down to which every p-value of
    "the weighted risk is above alpha" is at most delta (risk falls in t, so one chain needs no correction: Bates et al.
    2021, arXiv 2101.02703).

    The sampled prompts are independent draws of a distribution tilted by the sampling; under it u = alpha + (w/W)(L - alpha), which
    is in 0..1, has a mean above alpha exactly where the risk is. Unequal weights cost power, never the guarantee.
    """
    if not len(of):
        return None
    return _least(of, p_values(of.above, of, alpha) <= delta)


def p_values(lost: Floats, of: Exceedance, alpha: float) -> Floats:
    """Hoeffding-Bentkus p-values of "the risk is above alpha" for weighted losses `lost`, [m], out of the prompts of `of`."""
    n = len(of)
    means = alpha + (lost - alpha * of.total) / (of.heaviest * n)
    return hoeffding_bentkus(np.clip(means, 0.0, 1.0), n, alpha)


def lost_above(of: Exceedance, t: Floats) -> Floats:
    """Weighted loss of the scores strictly above each of `t`, [m]."""
    counts = np.searchsorted(-of.x, -t, side="left")
    # The loss down to the last score above t: that of everything above the next one, or all.
    padded = np.append(of.above, of.all_lost)
    found: Floats = padded[np.minimum(counts, len(of))]
    return found


def _least(of: Exceedance, is_safe: NDArray[np.bool_]) -> float | None:
    """The least x down to which all are safe."""
    unsafe = np.flatnonzero(~is_safe)
    count = int(unsafe[0]) if len(unsafe) else len(of)
    return float(of.x[count - 1]) if count else None
