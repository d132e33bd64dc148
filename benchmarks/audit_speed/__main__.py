"""`python -m benchmarks.audit_speed`: the bootstrap of CHI, XBI and J against drawing the rows again for scikit-learn's CHI.

Ours: from the float32 matrix and its labels to the three intervals, checks and all. The naive way: for each draw, the rows of
the drawn clusters, and `calinski_harabasz_score`; so it gets CHI alone. Same clusters, same draws: the two lists of CHI are
compared. `--rows 20000 --dimensions 4096` is the size that counts (2 GB of memory, five minutes on an idle machine); the default
is for a quick look. On a busy machine, believe the ratio of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import calinski_harabasz_score  # type: ignore[import-untyped]  # scikit-learn has no types

from monitor.audit.anchors import Anchors
from monitor.audit.estimates import estimates, scatters
from monitor.audit.geometry import geometry_of
from monitor.audit.measures import AuditMeasure
from monitor.audit.resampling import SEED, bootstrap_weights

MEASURES = (AuditMeasure.J, AuditMeasure.CHI, AuditMeasure.XBI)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument(
        "--naive",
        type=int,
        default=None,
        help="draws that the naive way does, the rest extrapolated (default: all)",
    )
    given = parser.parse_args(arguments)
    pairs = given.rows // 2
    chance = np.random.default_rng(SEED)
    rows = chance.standard_normal((2 * pairs, given.dimensions), dtype=np.float32)
    rows[:pairs] += 0.1 * chance.standard_normal(given.dimensions, dtype=np.float32)
    ids = [f"{number:08d}" for number in range(2 * pairs)]
    labels = ["safe"] * pairs + ["unsafe"] * pairs
    clusters = [str(number % pairs) for number in range(2 * pairs)]

    begun, begun_cpu = time.perf_counter(), time.process_time()
    anchors = Anchors.of(ids, labels, clusters)
    vectors = anchors.vectors(rows)
    checked = time.perf_counter()
    geometry = geometry_of(vectors, anchors.safe, given.draws)
    weights = bootstrap_weights(anchors, given.draws)
    found = estimates(geometry, anchors, weights, measures=MEASURES)
    ours, ours_cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    print(f"{2 * pairs:,} rows of {given.dimensions:,}, {given.draws} draws")
    for measure, estimate in found.items():
        low, high = estimate.interval
        print(f"  {measure:4}{estimate.value:12.5f}  95 % {low:.5f} to {high:.5f}")
    print(f"ours {ours:.2f} s, of which checks {checked - begun:.2f} s ({type(geometry).__name__})")

    draws = given.draws if given.naive is None else min(given.naive, given.draws)
    is_unsafe = np.arange(2 * pairs) >= anchors.safe
    by_scikit_learn = []
    begun, begun_cpu = time.perf_counter(), time.process_time()
    for drawn in weights[:draws].astype(np.intp):
        places = np.repeat(np.arange(2 * pairs), drawn)
        by_scikit_learn.append(calinski_harabasz_score(vectors[places], is_unsafe[places]))
    share = given.draws / draws
    naive, naive_cpu = (time.perf_counter() - begun) * share, (time.process_time() - begun_cpu) * share
    chi = scatters(geometry, weights[:draws]).chi
    print(
        f"naive {naive:.1f} s"
        + (f", extrapolated from {draws} draws" if draws < given.draws else "")
        + f"; largest relative difference of the CHI {np.max(np.abs(chi / np.array(by_scikit_learn) - 1)):.1e}"
    )
    print(
        f"ratio {naive / ours:.0f}; of processor time, {naive_cpu:.1f} to {ours_cpu:.2f} s, {naive_cpu / ours_cpu:.0f}"
    )


if __name__ == "__main__":
    main()
