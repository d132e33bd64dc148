"""The document that `watchkeeper evaluate --json` prints, as monitor/cli/shapes.py has the others."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from monitor.cli.shapes import Document


class EvaluationFigure(Document):
    """One figure of merit."""

    name: Literal["precision", "recall", "f1", "auroc", "auprc", "accuracy", "macro_f1", "ece"] = Field(
        description="`auprc`: average precision. `macro_f1`: mean over the labels that occur. `ece`: calibration error over "
        "15 bins of equal width; of a category, that of the chosen one's probability."
    )
    value: float | None = Field(description="The figure, 0 to 1; null where it isn't defined.")
    low: float | None = Field(
        description="Lower end of its 95 % bootstrap interval; null where there is none."
    )
    high: float | None = Field(description="Upper end.")
    reason: str = Field(description="Why the figure isn't defined; empty where it is.")


class PublishedFigure(Document):
    """What another guard reached on that set, as published."""

    guard: str = Field(description="The other guard.")
    f1: float = Field(description="Its F1, 0 to 1.")
    of_set: str = Field(description="The set, as its authors measured it: it need not have these very rows.")


class EvaluationFinding(Document):
    """One question on the rows of one source, or of all."""

    question: Literal["prompt_harm", "response_harm", "refusal", "category", "category_of_harmful"] = Field(
        description="The question; `category_of_harmful` leaves out what is labelled benign."
    )
    source: str = Field(description="The source of the rows, or `all`.")
    rows: int = Field(description="Rows with label and answer; of prompts, each once a source.")
    prompts: int = Field(description="Different prompts among them: what the bootstrap draws.")
    positives: int = Field(description="Labelled yes; of a category, how many labels occur.")
    figures: list[EvaluationFigure] = Field(description="The figures.")
    published: list[PublishedFigure] = Field(description="What others reached on that set.")


class ReliabilityBin(Document):
    """Rows of similar probability."""

    begin: float = Field(description="Least probability.")
    end: float = Field(description="Below this one; the last bin has its end too.")
    rows: int = Field(description="How many there are.")
    mean_probability: float = Field(description="What was said of them.")
    observed: float = Field(description="The share of them that is yes; of a category, that is right.")
    low: float = Field(description="Lower end of the 95 % Wilson interval.")
    high: float = Field(description="Upper end.")


class ReliabilityCurve(Document):
    """Said against observed."""

    question: Literal["prompt_harm", "response_harm", "refusal", "category"] = Field(
        description="The question."
    )
    bins: list[ReliabilityBin] = Field(description="The bins that hold a row, rising.")


class EvaluateDocument(Document):
    """`watchkeeper evaluate --json`."""

    data: str = Field(description="The file.")
    guard: str = Field(description="The guard that answered.")
    guard_version: str = Field(description="Its version.")
    guard_prompt_hash: str = Field(description="Hash of its template, or of its weights.")
    rows: int = Field(description="Rows of the file.")
    unusable: int = Field(description="Of those, without a prompt or a label.")
    asked: int = Field(description="Rows that the guard was asked about: all usable ones, or `--limit`.")
    answered: int = Field(description="Of those, answered.")
    unanswered: dict[str, int] = Field(description="The others, `unknown` (unreadable) or `error` (refused).")
    truncated: int = Field(description="Of the answered, those read in part.")
    thresholds: dict[str, float] = Field(
        description="From which probability an answer is a yes, by the settings."
    )
    resamples: int = Field(description="Resamples of the intervals.")
    findings: list[EvaluationFinding] = Field(description="By question: all rows, then each source.")
    reliability: list[ReliabilityCurve] = Field(description="The plot's figures, over all sources.")
