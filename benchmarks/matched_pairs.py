"""What length and words alone tell of the matched pairs that audits are made on: AUROC, cross-validated by pair.

    python -m benchmarks.matched_pairs

Logistic regression learns on nine tenths of the pairs and is asked about the rest, ten times over with other folds. 0.5: nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import (  # type: ignore[import-untyped]  # scikit-learn has no types
    CountVectorizer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # scikit-learn has no types

from monitor.adapters.anchor_sources import matched_set

FOLDS: Final = 10
_WORDS: Final = r"(?u)\b\w+\b"
BAGS: Final[dict[str, Callable[[], Any]]] = {
    "words": lambda: CountVectorizer(token_pattern=_WORDS),
    "words and pairs of them": lambda: CountVectorizer(token_pattern=_WORDS, ngram_range=(1, 2), binary=True),
    "tf-idf": lambda: TfidfVectorizer(token_pattern=_WORDS),
    "tf-idf of pairs": lambda: TfidfVectorizer(token_pattern=_WORDS, ngram_range=(1, 2), sublinear_tf=True),
    "two to four letters": lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    found = matched_set()
    numbers = {cluster: n for n, cluster in enumerate(dict.fromkeys(found.clusters))}
    pairs = np.array([numbers[cluster] for cluster in found.clusters])
    is_unsafe = np.array([label == "unsafe" for label in found.labels])
    print(f"{len(numbers)} pairs, digest {found.anchors().digest}; AUROC of unsafe, mean of {repeats}")
    for name, length in (("characters", len), ("words, counted", lambda text: len(text.split()))):
        print(f"{name:<26} {roc_auc_score(is_unsafe, [length(text) for text in found.texts]):.3f}")
    for name, bag in BAGS.items():
        aurocs = [_auroc(found.texts, is_unsafe, pairs, bag, seed) for seed in range(repeats)]
        print(f"{name:<26} {np.mean(aurocs):.3f}  (largest {max(aurocs):.3f})", flush=True)


def _auroc(
    texts: tuple[str, ...], is_unsafe: NDArray[np.bool_], pairs: NDArray[np.intp], bag: Callable[[], Any], seed: int
) -> float:  # fmt: skip
    scores = np.zeros(len(texts))
    folds = np.random.default_rng(seed).permutation(pairs.max() + 1)[pairs]
    for train, held in GroupKFold(FOLDS).split(texts, is_unsafe, folds):
        model = make_pipeline(bag(), LogisticRegression(max_iter=1000))
        model.fit([texts[place] for place in train], is_unsafe[train])
        scores[held] = model.decision_function([texts[place] for place in held])
    return float(roc_auc_score(is_unsafe, scores))


if __name__ == "__main__":
    main()
