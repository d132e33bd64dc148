"""Which audits can be compared, and which layers are asked for."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from monitor.audit.ports import ProbeFacts
from monitor.audit.series import chosen_layers, differences, parts_of, series_of, target_of
from monitor.errors import Misconfigured
from tests.fakes.probe import FACTS

LAYERS = tuple(f"layer_{number:02d}" for number in range(10))
GIVEN: dict[str, Any] = {
    "anchors": "c" * 16,
    "poolings": ("uniform",),
    "draws": 999,
    "seed": 0,
    "beginning": 0,
}
OTHER: dict[str, Any] = {
    "model": "probe-2", "tokenizer_hash": "d" * 16, "template_hash": "d" * 16, "dimensions": 8, "pooling": "last",
    "template": "raw", "projection": "random-16-7", "max_tokens": 9, "dtype": "bfloat16", "layers": ("x",),
}  # fmt: skip


def series(facts: ProbeFacts = FACTS, **given: Any) -> str:
    layers = facts.layers
    return series_of(target_of("atlas", "matched"), parts_of(facts, layers, **{**GIVEN, **given}))


def test_other_weights_stay_in_the_series_and_everything_else_begins_one() -> None:
    others = [name for name in (field.name for field in fields(ProbeFacts)) if name != "version"]
    assert series(replace(FACTS, version="weights@ffff")) == series()
    found = {name: series(replace(FACTS, **{name: _other(name)})) for name in others}
    assert len(set(found.values()) | {series()}) == len(others) + 1


def _other(name: str) -> Any:
    return "mean" if name == "pooling" and FACTS.pooling == "last" else OTHER[name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"anchors": "e" * 16}, ["the anchors"]),
        ({"draws": 2000, "seed": 1}, ["the number of draws", "the seed"]),
        ({"poolings": ()}, ["the pooling of layers"]),
        ({"beginning": 1}, ["what was kept, which can't be read"]),
        ({}, []),
    ],
)
def test_what_is_another_is_said_in_words(change: dict[str, Any], words: list[str]) -> None:
    before, after = (parts_of(FACTS, FACTS.layers, **{**GIVEN, **one}) for one in ({}, change))
    assert differences(before, after) == words
    assert (series(**change) == series()) == (not words)


@pytest.mark.parametrize(
    ("setting", "numbers"),
    [
        ("all", range(10)),
        (" every  4 ", (0, 4, 8, 9)),
        ("every 3", (0, 3, 6, 9)),
        ("every 100", (0, 9)),
        ("layer_07, layer_02", (2, 7)),
    ],
)
def test_layers_are_chosen_in_the_probes_order(setting: str, numbers: Any) -> None:
    assert chosen_layers(setting, LAYERS) == tuple(LAYERS[number] for number in numbers)


@pytest.mark.parametrize("setting", ["", ",", "layer_99", "every 0", "every", "layer_01,no"])
def test_layers_that_the_probe_lacks_are_a_persons_concern(setting: str) -> None:
    with pytest.raises(Misconfigured, match="AUDIT__LAYERS"):
        chosen_layers(setting, LAYERS)


def test_more_layers_than_a_record_holds_are_not_audited() -> None:
    with pytest.raises(Misconfigured):
        chosen_layers("all", tuple(map(str, range(257))))


def test_names_that_run_together_name_different_targets() -> None:
    assert target_of("ab", "c") != target_of("a", "bc")
