"""Word vectors from the training texts themselves, so that a rare word counts like its neighbours. Training only.

Serving never sees them: train.py folds what they add into the tables. Positive pointwise mutual information of words
within five places of each other, its contexts smoothed, factored by a singular value decomposition (Levy, Goldberg and
Dagan 2015, "Improving Distributional Similarity with Lessons Learned from Word Embeddings").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]  # ships no types
from sklearn.utils.extmath import randomized_svd  # type: ignore[import-untyped]  # ships no types

WINDOW: Final = 5
VOCABULARY: Final = 25_000
LEAST_COUNT: Final = 3
CONTEXT_POWER: Final = 0.75

_TEXTS_AT_ONCE: Final = 2_000

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def word_vectors(texts: Sequence[str], features: Any, bits: int, *, dimensions: int, seed: int) -> Doubles:
    """Unit vectors, shape (2**bits, dimensions), by a word's row in a table; zero for words that are too rare."""
    rows, owner = _words(texts, features, bits)
    counts = np.bincount(rows, minlength=1 << bits)
    known = np.argsort(-counts, kind="stable")[:VOCABULARY]
    known = known[counts[known] >= LEAST_COUNT]
    place = np.full(1 << bits, -1)
    place[known] = np.arange(len(known))
    information = _information(_neighbours(place[rows], owner, len(known)))
    left, strength, _ = randomized_svd(information, dimensions, n_iter=3, random_state=seed)
    found = left * np.sqrt(strength)
    found -= found.mean(axis=0)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    vectors = np.zeros((1 << bits, dimensions))
    vectors[known] = found
    return vectors


def _words(texts: Sequence[str], features: Any, bits: int) -> tuple[Ints, Ints]:
    """Table row of each word, text after text, and the number of its text."""
    powers = features.Powers()
    rows, owner = [], []
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        some = [text.encode("utf-8", "replace") for text in texts[at : at + _TEXTS_AT_ONCE]]
        split = features.words([features.fold(features.cut(text)[0]) for text in some], powers)
        rows.append(features.buckets(split.word, bits, 0))
        owner.append(np.repeat(np.arange(len(some)), split.counts) + at)
    return np.concatenate(rows), np.concatenate(owner)


def _neighbours(words: Ints, owner: Ints, size: int) -> sparse.coo_matrix:
    """How often two words stand near each other in a text, a pair d places apart counting 1/d."""
    near = sparse.csr_matrix((size, size))
    for apart in range(1, WINDOW + 1):
        first, second = words[:-apart], words[apart:]
        kept = (first >= 0) & (second >= 0) & (owner[:-apart] == owner[apart:])
        pairs, times = np.unique(first[kept] * size + second[kept], return_counts=True)
        near = near + sparse.csr_matrix((times / apart, (pairs // size, pairs % size)), shape=(size, size))
    return (near + near.T).tocoo()


def _information(near: sparse.coo_matrix) -> sparse.csr_matrix:
    """Positive pointwise mutual information."""
    of_word = np.asarray(near.sum(axis=1)).ravel()
    of_context = of_word**CONTEXT_POWER / (of_word**CONTEXT_POWER).sum()
    values = np.log(near.data / (of_word[near.row] * of_context[near.col]))
    kept = values > 0
    return sparse.csr_matrix((values[kept], (near.row[kept], near.col[kept])), shape=near.shape)
