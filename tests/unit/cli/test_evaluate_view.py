"""An evaluation as a table and as a picture."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from monitor.cli.evaluate_view import evaluate_view
from monitor.cli.evaluation_shapes import EvaluateDocument
from monitor.cli.reliability_plot import reliability_plot
from tests.unit.cli.rendering import rendered

BIN: dict[str, Any] = {
    "begin": 0.8,
    "end": 13 / 15,
    "rows": 9,
    "mean_probability": 0.84,
    "observed": 0.7,
    "low": 0.5,
    "high": 0.9,
}


def figure(name: str, value: float | None, reason: str = "") -> dict[str, Any]:
    has_interval = value is not None
    return {
        "name": name,
        "value": value,
        "low": value - 0.1 if has_interval and value is not None else None,
        "high": value + 0.05 if has_interval and value is not None else None,
        "reason": reason,
    }


def document(**given: Any) -> EvaluateDocument:
    refusal = {
        "question": "refusal",
        "source": "xstest-completions",
        "rows": 2228,
        "prompts": 449,
        "positives": 1153,
        "figures": [
            figure("f1", 0.886),
            figure("auroc", None, "all rows carry the same label"),
            figure("ece", 0.07),
        ],
        "published": [{"guard": "WildGuard 7B", "f1": 0.928, "of_set": "XSTest-Resp"}],
    }
    fields: dict[str, Any] = {
        "data": "dev.jsonl.gz", "guard": "guard_lite", "guard_version": "<1>", "guard_prompt_hash": "abc", "rows": 3000,
        "unusable": 10, "asked": 2990, "answered": 2980, "unanswered": {"error": 10}, "truncated": 3,
        "thresholds": {"prompt_harm": 0.5, "response_harm": 0.5, "refusal": 0.5}, "resamples": 1000, "findings": [refusal],
        "reliability": [{"question": "refusal", "bins": [BIN, {**BIN, "mean_probability": 0.1, "observed": 0.0, "rows": 900}]}],
    }  # fmt: skip
    return EvaluateDocument.model_validate({**fields, **given})


def test_each_figure_stands_with_its_interval_and_what_others_reached_below() -> None:
    shown = rendered(evaluate_view(document()), 120)

    for text in (
        "2,980 of 2,990 rows answered",
        "0.886",
        "0.786–0.936",
        "WildGuard 7B, published, XSTest-Resp",
        "0.928",
    ):
        assert text in shown
    assert "AUROC —: all rows carry the same label" in shown
    assert "need not be these rows" in shown


def test_a_picture_is_well_formed_and_has_a_dot_a_bin() -> None:
    picture = ET.fromstring(reliability_plot(document()))
    kinds = [element.tag.rpartition("}")[2] for element in picture.iter()]

    assert kinds.count("circle") == 2
    assert kinds.count("script") == 0
    assert "Reliability of guard_lite <1>" in "".join(picture.itertext())
    assert "2,228" not in "".join(picture.itertext())  # the rows of the bins, which are of all sources
    assert "909 rows, ECE 0.070" in "".join(picture.itertext())


def test_a_picture_of_nothing_is_a_picture() -> None:
    ET.fromstring(reliability_plot(document(findings=[], reliability=[])))
