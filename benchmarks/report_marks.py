"""How often the weekly report marks a change where there is none, and where there is one: `python -m benchmarks.report_marks`.

Each report is 40 cells of about 400 exchanges a day over five weeks. `scatter`: standard deviation of each day's own log-odds. `naive`: the
same test with exchanges taken for independent. `found`: of the changed cells; `false`: share of a report's marks that are none, on average.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats  # type: ignore[import-untyped]  # ships no types

from monitor.reporting.significance import LEVEL, adjusted, compare

CELLS, CHANGED, EVENTS = 40, 4, 400
DAYS = np.arange(35)
NOW, LAST = DAYS >= 28, (DAYS >= 21) & (DAYS < 28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    print(
        f"{given.reports} reports a row, {CELLS} cells; {CHANGED} of them changed (odds x1.5) in the last three columns"
    )
    print(
        f"{'rate':>6} {'scatter':>8} {'phi':>6} | {'any mark':>9} {'naive':>7} | {'found':>6} {'false':>6} {'interval':>9}"
    )
    for rate in (0.01, 0.05, 0.2):
        for scatter in (0.0, 0.2, 0.5):
            print(_row(rng, rate, scatter, given.reports), flush=True)


def _row(rng: np.random.Generator, rate: float, scatter: float, reports: int) -> str:
    marked = naive = found = inside = 0
    false = 0.0
    phis = []
    log_odds = np.log(rate / (1 - rate))
    for _ in range(reports):
        d = rng.poisson(EVENTS, (CELLS, 35)).astype(float)
        odds = log_odds + rng.normal(0, scatter, (CELLS, 35))
        n = rng.binomial(d.astype(int), 1 / (1 + np.exp(-odds))).astype(float)
        quiet = compare(n, d, d, now=NOW, before=LAST, scatter=~NOW)
        marked += bool((adjusted(quiet.p) <= LEVEL).any())
        z = quiet.change / quiet.error * np.sqrt(np.maximum(quiet.phi, 1.0))
        naive += bool((adjusted(2 * stats.norm.sf(np.abs(z))) <= LEVEL).any())
        phis.append(float(np.nanmean(quiet.phi)))
        odds[:CHANGED, NOW] += np.log(1.5)
        n = rng.binomial(d.astype(int), 1 / (1 + np.exp(-odds))).astype(float)
        moved = compare(n, d, d, now=NOW, before=LAST, scatter=~NOW)
        is_marked = adjusted(moved.p) <= LEVEL
        found += int(is_marked[:CHANGED].sum())
        false += float(is_marked[CHANGED:].sum()) / max(int(is_marked.sum()), 1)
        truth = _mean(log_odds + np.log(1.5), scatter) - _mean(log_odds, scatter)
        inside += int(((moved.low[:CHANGED] <= truth) & (truth <= moved.high[:CHANGED])).sum())
    total = CHANGED * reports
    return (
        f"{rate:6.2f} {scatter:8.1f} {np.mean(phis):6.2f} | {marked / reports:9.3f} {naive / reports:7.3f} | "
        f"{found / total:6.2f} {false / reports:6.3f} {inside / total:9.3f}"
    )


def _mean(log_odds: float, scatter: float) -> float:
    """The rate that days of such log-odds have on average."""
    points, weights = np.polynomial.hermite_e.hermegauss(41)  # type: ignore[no-untyped-call]  # numpy's
    rates = 1 / (1 + np.exp(-(log_odds + scatter * points)))
    return float((weights * rates).sum() / weights.sum())


if __name__ == "__main__":
    main()
