"""The pairs that come along: enough of each kind, and nothing but intent tells their halves apart."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from importlib import resources
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # scikit-learn has no types

from monitor.adapters.anchor_sources import matched_set
from monitor.audit.litmus import AXIOMS, COLUMNS
from schemas.taxonomy import HARM_CATEGORIES

MOST: Final = 0.65
"""The AUROC that no such guess may pass, in either direction."""
WORDS: Final = r"(?u)\b\w+\b"
ROWS: Final[list[dict[str, str]]] = [
    json.loads(line)
    for line in (resources.files("monitor.audit.sets") / "matched.jsonl").read_text("utf-8").splitlines()
]
PAIRS: Final[dict[str, dict[str, dict[str, str]]]] = defaultdict(dict)
for _row in ROWS:
    PAIRS[_row["pair"]][_row["safety_label"]] = _row
TEXTS: Final = [PAIRS[pair][label]["input"] for pair in PAIRS for label in ("safe", "unsafe")]
UNSAFE: Final = np.tile([0, 1], len(PAIRS))
OF_PAIR: Final = np.repeat(np.arange(len(PAIRS)), 2)


def test_there_are_at_least_two_hundred_pairs_of_both_halves() -> None:
    assert len(PAIRS) >= 200
    assert all(halves.keys() == {"safe", "unsafe"} for halves in PAIRS.values())
    assert set(ROWS[0]) == {*COLUMNS, "pair", "category"}
    assert {row["source_dataset"] for row in ROWS} == {"watchkeeper-matched-1"}


def test_each_axiom_and_each_category_is_well_represented() -> None:
    axioms = Counter(halves["safe"]["axiom"] for halves in PAIRS.values())
    categories = Counter(halves["safe"]["category"] for halves in PAIRS.values())
    assert axioms.keys() == set(AXIOMS)
    assert min(axioms.values()) >= 25
    assert categories.keys() == set(HARM_CATEGORIES)
    assert min(categories.values()) >= 15


def test_halves_share_axiom_category_and_length() -> None:
    for halves in PAIRS.values():
        safe, unsafe = halves["safe"], halves["unsafe"]
        assert (safe["axiom"], safe["category"]) == (unsafe["axiom"], unsafe["category"])
        lengths = len(safe["input"].split()), len(unsafe["input"].split())
        assert abs(lengths[0] - lengths[1]) <= 4, safe["pair"]
        assert safe["input"][-1] == unsafe["input"][-1], safe["pair"]
        assert not re.search(r"\s{2}|^\s|\s$", safe["input"] + "|" + unsafe["input"])


def test_the_set_that_is_audited_is_these_pairs_and_its_digest_is_fixed() -> None:
    found = matched_set()
    anchors = found.anchors()
    assert sorted(found.texts) == sorted(TEXTS)
    assert (anchors.safe, anchors.unsafe, len(anchors.strata)) == (len(PAIRS), len(PAIRS), len(PAIRS))
    # another digest begins new series in every fleet: then name another version in source_dataset
    assert anchors.digest == "79911200a70a3290"


def test_length_alone_tells_nothing() -> None:
    for lengths in ([len(text) for text in TEXTS], [len(text.split()) for text in TEXTS]):
        assert _either_way(roc_auc_score(UNSAFE, lengths)) < 0.55


@pytest.mark.parametrize(
    "words",
    [
        lambda: CountVectorizer(token_pattern=WORDS),
        lambda: CountVectorizer(token_pattern=WORDS, ngram_range=(1, 2), binary=True),
        lambda: TfidfVectorizer(token_pattern=WORDS),
        lambda: TfidfVectorizer(token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True),
        lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
    ],
    ids=["words", "words and pairs of them", "tf-idf", "tf-idf of pairs", "letters"],
)
def test_a_bag_of_words_learned_on_other_pairs_tells_next_to_nothing(words: Any) -> None:
    scores: NDArray[np.float64] = np.zeros(len(TEXTS))
    order = np.random.default_rng(0).permutation(len(PAIRS))[OF_PAIR]  # folds across categories
    for train, held in GroupKFold(5).split(TEXTS, UNSAFE, order):
        model = make_pipeline(words(), LogisticRegression(max_iter=1000))
        model.fit([TEXTS[place] for place in train], UNSAFE[train])
        scores[held] = model.decision_function([TEXTS[place] for place in held])
    assert _either_way(roc_auc_score(UNSAFE, scores)) < MOST


def _either_way(auroc: float) -> float:
    return max(auroc, 1 - auroc)
