"""The self-starting mixture Shiryaev-Roberts e-detector, vectorised over streams. Pure numpy, in logarithms.

For a window with k positives of n, a baseline probability p and an odds shift r, the likelihood ratio of "the odds are r
times those of the baseline" against "they are those" is L = r^k / (1 + (r - 1) p)^n. Of each stream one number is kept
for each r: R <- (R + drip) L, where `drip` is the stream's share of the budget times the time since its last window, in
months. M = sum_r w_r R. While nothing changes, M minus all that dripped into it is a martingale, so an alarm at
M >= 1/budget that sets R to 0 comes at most budget times a month, summed over all streams, whatever the dependence
between them, and however shares change over time, as long as they are set beforehand (docs/adr/0009).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RISES: Final = (1.3, 1.7, 2.5, 5.0)
ODDS: Final[Floats] = np.array([*RISES, *(1.0 / r for r in RISES)])
"""The odds shifts that are looked for, [8]: rises, then falls."""
_SIZES: Final[Floats] = np.array([4.0, 3.0, 2.0, 1.0]) / 10.0
WEIGHTS: Final[Floats] = np.concatenate([_SIZES / 2, _SIZES / 2])
"""How much of a share each gets, [8], sum 1."""
HARM_WEIGHTS: Final[Floats] = np.concatenate([_SIZES * 2 / 3, _SIZES / 3])
"""The same where a rise matters twice as much."""

_LOG_ODDS: Final[Floats] = np.log(ODDS)
_NORMAL_OVERSHOOT: Final = 0.583
_LEAST_OVERSHOOT: Final = 0.05
"""Windows with more than that are so long that alarms are rarer than promised."""
# Gauss-Legendre on [0, 1]: the window is taken as if its positives came evenly, so that what is learned within a long
# window counts, as it would event by event.
_NODES: Final[Floats] = np.array([0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15)])
_NODE_WEIGHTS: Final[Floats] = np.array([5.0, 8.0, 5.0]) / 18.0


def log_ratios(k: Floats, n: Floats, *, a: Floats, b: Floats, offset: Floats, phi: Floats) -> Floats:
    """Log L of a window for each odds shift, [m, 8], of m streams, each [m].

    `a`, `b`: the baseline's Beta counts before the window, at log-odds offset 0; `offset`: the season's, in log-odds.
    `phi` >= 1: how many times more than binomial the counts vary; they count as so many fewer. 0 where n is 0.
    """
    k, n = k / phi, n / phi
    log_l = k[:, None] * _LOG_ODDS
    lift = np.exp(offset)
    for node, weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
        odds = (a + k * node) / (b + (n - k) * node) * lift
        p = odds / (1.0 + odds)
        log_l -= (weight * n)[:, None] * np.log1p(p[:, None] * (ODDS - 1.0))
    return log_l


def drip(log_r: Floats, months: Floats) -> Floats:
    """log(R + drip), [m, 8], of `log_r` [m, 8] and share times months [m]. -inf is nothing yet."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(log_r, np.log(months)[:, None])


def log_m(log_r: Floats, weights: Floats) -> Floats:
    """Log M, [m], of `log_r` [m, 8] and `weights` [8] or [m, 8]."""
    top = log_r.max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = top + np.log((weights * np.exp(log_r - top[:, None])).sum(axis=1))
    log_total: Floats = np.where(np.isneginf(top), -np.inf, total)
    return log_total


def log_threshold(budget_per_month: float, weights: Floats, lump: Floats | None = None) -> Floats:
    """Log of the M at which an alarm is given, [] or [m], for `weights` [8] or [m, 8].

    1/budget months would be right if M ended at the threshold. It ends above: an event counts whole, and a window as a whole.
    So alarms would be rarer than the budget by the mean of threshold / M. For one shift r renewal theory gives (1 - 1/r) / ln r
    for a rise of a rare event, 1 for a fall, and exp(-0.583 |ln r| sd) for windows of many, where sd is the deviation of a
    window's positives (Siegmund 1985, Sequential Analysis, ch. 8 and 10); it is the least for a rise, and for a fall at
    least what a window without any gives. M is a mixture of them by their weights. In simulation alarms are 0.9 to 1.05 times as
    frequent as promised so, where they would be 0.3 to 0.85 times without (docs/adr/0009).

    `lump`: the variance of a window's positives, usually, [m]; None: windows are single events.
    """
    remaining = _overshoot(np.zeros(1) if lump is None else lump)
    mean = (weights * (remaining[0] if lump is None else remaining)).sum(axis=-1)
    log_a: Floats = np.log(mean / budget_per_month)
    return log_a


def _overshoot(lump: Floats) -> Floats:
    """Mean of threshold / M for each odds shift, [m, 8]."""
    many = np.exp(-_NORMAL_OVERSHOOT * np.sqrt(lump)[:, None] * np.abs(_LOG_ODDS))
    rises = np.minimum(many, (1.0 - 1.0 / ODDS) / np.abs(_LOG_ODDS))
    falls = np.maximum(many, np.exp(-lump[:, None] * (1.0 - np.minimum(ODDS, 1.0)) / 2.0))
    remaining: Floats = np.maximum(np.where(ODDS > 1.0, rises, falls), _LEAST_OVERSHOOT)
    return remaining
