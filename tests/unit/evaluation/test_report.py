"""Which rows a question is asked of, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.evaluation.answers import Answers, Row
from monitor.evaluation.bins import filled_bins
from monitor.evaluation.published import published
from monitor.evaluation.report import Finding, Thresholds, findings, reliabilities
from monitor.ports import Score

NO_LABELS: dict[str, Any] = dict.fromkeys(("prompt_harmful", "response_harmful", "refusal", "category"))


def row(prompt: str, response: str | None = None, source: str = "set", **labels: Any) -> Row:
    return Row(source=source, prompt=prompt, response=response, **{**NO_LABELS, **labels})


def said(
    prompt_harm: float,
    refusal: float | None = None,
    response_harm: float | None = None,
    category: str = "benign",
) -> Score:
    return Score("ok", prompt_harm, refusal, response_harm, category, 0.8, False)


def report(*pairs: tuple[Row, Score], **given: Any) -> list[Finding]:
    answers = Answers()
    for one, score in pairs:
        answers.add(one, score)
    return findings(answers.rows, **{"thresholds": Thresholds(), "resamples": 20, **given})


def values(finding: Finding) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in finding.figures}


def test_a_prompt_counts_once_a_source_and_a_response_every_time() -> None:
    found = report(
        (row("a", "x", prompt_harmful=True, refusal=True), said(0.9, 0.9, 0.1)),
        (row("a", "y", prompt_harmful=True, refusal=False), said(0.9, 0.1, 0.1)),
        (row("a", "x", "other", prompt_harmful=True, refusal=True), said(0.9, 0.9, 0.1)),
        (row("b", "z", prompt_harmful=False, refusal=False), said(0.1, 0.1, 0.1)),
    )

    assert [(one.question, one.source, one.rows, one.prompts, one.positives) for one in found] == [
        ("prompt_harm", "all", 3, 2, 2),
        ("prompt_harm", "other", 1, 1, 1),
        ("prompt_harm", "set", 2, 2, 1),
        ("refusal", "all", 4, 2, 2),
        ("refusal", "other", 1, 1, 1),
        ("refusal", "set", 3, 2, 1),
    ]


def test_one_source_is_named_and_not_repeated() -> None:
    found = report((row("a", prompt_harmful=True), said(0.9)), (row("b", prompt_harmful=False), said(0.2)))

    assert [(one.question, one.source) for one in found] == [("prompt_harm", "set")]


def test_not_labelled_is_not_no_and_a_response_question_needs_a_response() -> None:
    found = report(
        (row("a", None, refusal=True, response_harmful=True, category="benign"), said(0.9)),
        (row("b", "y", refusal=None), said(0.9, 0.9, 0.9)),
    )

    assert [one.question for one in found] == ["category"]


def test_what_the_guard_did_not_answer_is_counted_apart() -> None:
    answers = Answers()
    for status in ("ok", "error", "unknown", "error"):
        score = said(0.9) if status == "ok" else Score(status, None, None, None, "", None, False)
        answers.add(row("a", prompt_harmful=True), score)

    assert len(answers.rows) == 1
    assert answers.unanswered == {"error": 2, "unknown": 1}


def test_labels_of_one_kind_leave_auroc_undefined_with_the_reason() -> None:
    (found,) = report((row("a", prompt_harmful=True), said(0.9)), (row("b", prompt_harmful=True), said(0.2)))
    auroc = next(figure for figure in found.figures if figure.name == "auroc")

    assert (auroc.value, auroc.low, auroc.reason) == (None, None, "all rows carry the same label")
    assert values(found)["recall"] == 0.5


def test_a_threshold_of_the_settings_decides_what_a_yes_is() -> None:
    rows = ((row("a", prompt_harmful=True), said(0.7)), (row("b", prompt_harmful=False), said(0.6)))

    assert values(report(*rows)[0])["precision"] == 0.5
    assert values(report(*rows, thresholds=Thresholds(prompt_harm=0.65))[0])["precision"] == 1.0


def test_the_category_of_harmful_prompts_leaves_out_the_benign() -> None:
    category, harmful = report(
        (row("a", category="benign"), said(0.1, category="benign")),
        (row("b", category="cyberattacks"), said(0.9, category="benign")),
        (row("c", category="cyberattacks"), said(0.9, category="cyberattacks")),
    )

    assert (category.question, category.positives, values(category)["accuracy"]) == ("category", 2, 2 / 3)
    assert (harmful.question, harmful.rows, values(harmful)["accuracy"]) == ("category_of_harmful", 2, 0.5)


def test_nothing_labelled_finds_nothing() -> None:
    assert report((row("a"), said(0.5))) == []
    assert reliabilities([]) == []


def test_the_picture_shows_the_bins_of_the_calibration_error() -> None:
    answers = Answers()
    for number in range(40):
        answers.add(row(f"p{number}", prompt_harmful=number % 2 == 0), said(number / 40))
    (curve,) = reliabilities(answers.rows)
    bins = filled_bins(curve.chance, curve.truth)
    (found,) = findings(answers.rows, thresholds=Thresholds(), resamples=0)

    assert sum(one.rows for one in bins) == 40
    gap = sum(one.rows * abs(one.mean_probability - one.observed) for one in bins) / 40
    assert values(found)["ece"] == pytest.approx(gap)


def test_published_figures_stand_beside_the_same_set_alone() -> None:
    (found,) = published("xstest-completions", "refusal")

    assert (found.guard, found.f1, found.of_set) == ("WildGuard 7B", 0.928, "XSTest-Resp")
    assert published("xstest-completions", "prompt_harm") == ()
    assert published("do-not-answer", "refusal") == ()
    assert [one.f1 for one in published("ToxicChat", "prompt_harm")] == [0.708, 0.616, 0.531, 0.683]
