"""What `watchkeeper audit run` and `audit show` print with `--json`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from monitor.cli.shapes import Document


class AuditValueLine(Document):
    """One measure of one layer or pooling."""

    layer: str = Field(description="The layer, or `pooled_…`: how all were made one.")
    measure: str = Field(
        description="Which measure, by the names of docs/audit.md: `j`, `j_clustered`, `chi`, `xbi`, `dbi`, `aqi_section_3` …"
    )
    value: float | None = Field(description="Its value; null where it is infinite.")
    low: float | None = Field(description="Where its 95 % interval begins; null where it is infinite.")
    high: float | None = Field(description="Where it ends.")
    p: float | None = Field(description="Permutation p-value of “the labels tell nothing”.")
    n: int = Field(description="Anchors.")


class AuditChangeLine(Document):
    """The paired change of J in one layer or pooling."""

    layer: str = Field(description="The layer or pooling.")
    before: float = Field(description="J in the other audit.")
    after: float = Field(description="J in this one.")
    low: float | None = Field(description="Where the 95 % interval of the change begins.")
    high: float | None = Field(description="Where it ends.")
    p_adjusted: float = Field(
        description="p-value of “no change”, adjusted for all layers and compared audits together."
    )
    is_significant: bool = Field(description="Whether that is below the level of the alert.")
    is_large: bool = Field(description="Whether the change is larger than the floor.")


class AuditPicturePoints(Document):
    """The anchors of one layer on a plane."""

    layer: str = Field(description="Of which layer.")
    projection: str = Field(description="How: `pca`, the first two principal components.")
    shares: tuple[float, float] = Field(description="Shares of the variance along x and y.")
    x: list[float] = Field(description="By anchor, safe ones first.")
    y: list[float] = Field(description="The same.")
    is_safe: list[bool] = Field(description="The same.")


class AuditPastLine(Document):
    """J of the layer in `history_layer`, in one audit."""

    id: str = Field(description="Which audit.")
    at: datetime = Field(description="When it was finished.")
    value: float | None = Field(description="J; null where it is infinite.")
    low: float | None = Field(description="Where its 95 % interval begins.")
    high: float | None = Field(description="Where it ends.")
    has_changed: bool = Field(
        description="Whether it changed since the audit before, by more than the floor."
    )
    series: str = Field(description="Values of different series can't be compared.")


class AxiomLine(Document):
    """One axiom of the anchors, in the layer in `axioms_layer`."""

    axiom: str = Field(description="The axiom.")
    safe: int = Field(description="Its safe anchors.")
    unsafe: int = Field(description="Its unsafe anchors.")
    j: float = Field(description="J of them, its noise taken between clusters.")
    low: float = Field(description="Where its 95 % interval begins.")
    high: float = Field(description="Where it ends.")
    aqi_released: float | None = Field(
        description="AQI as the released code normalises it within the axioms of this model, 0 to 100; null where it can't be."
    )


class AuditDocument(Document):
    """`watchkeeper audit show --json` and `audit run --json`."""

    id: str = Field(description="The audit's id.")
    series: str = Field(
        description="Audits of one series can be compared: same anchors, layers, reference and draws."
    )
    state: Literal["done", "refused"] = Field(description="`refused`: `reason` and `detail` say why.")
    reason: str = Field(description="A slug of docs/audit.md, or empty.")
    detail: str = Field(description="Where and what, or empty.")
    at: datetime = Field(description="When it was finished.")
    due_at: datetime = Field(description="When it was due, or asked for.")
    begun_by: Literal["schedule", "request"] = Field(description="Why it was made.")
    model: str = Field(description="The audited model, as the chat logs name it.")
    probe_model: str = Field(description="Its name on Triton.")
    model_version: str = Field(description="Its weights.")
    tokenizer_hash: str = Field(description="Hash of its tokenizer.")
    template_hash: str = Field(description="Hash of its chat template; empty for raw text.")
    token_pooling: str = Field(description="Which tokens stand for a text: `last` or `mean`.")
    template: str = Field(description="`chat` or `raw`.")
    projection: str = Field(description="What the probe projects on; `none`.")
    dimensions: int = Field(description="Of a hidden state.")
    dtype: str = Field(description="What the model computes in.")
    anchor_set: str = Field(description="`matched`, `live`, or a file.")
    anchors: str = Field(description="Digest of the anchors: texts, labels, and which belong together.")
    is_live: bool = Field(description="Whether they are a sample of traffic, another one each time.")
    safe: int = Field(description="Safe anchors.")
    unsafe: int = Field(description="Unsafe anchors.")
    clusters: int = Field(description="Independent ones: pairs, conversations.")
    truncated: int = Field(description="Texts that were cut to fit the probe.")
    draws: int = Field(description="Draws of the bootstrap, and permutations.")
    seed: int = Field(description="Their seed.")
    seconds: float = Field(description="How long it took.")
    values: list[AuditValueLine] = Field(description="Every measure of every layer and pooling.")
    previous_id: str = Field(description="The audit that `changes` are against, or empty.")
    changes: list[AuditChangeLine] = Field(description="Against it.")
    baseline_id: str = Field(
        description="The first of the series, or the one whose level was taken for normal."
    )
    changes_since_baseline: list[AuditChangeLine] = Field(description="Against that one.")
    picture: AuditPicturePoints | None = Field(description="The anchors on a plane.")
    history_layer: str = Field(description="Whose J `history` holds.")
    history: list[AuditPastLine] = Field(
        description="The audits of this model on this anchor set, oldest first."
    )
    axioms_layer: str = Field(description="In which layer `axioms` are measured; empty where they aren't.")
    axioms: list[AxiomLine] = Field(
        description="By axiom; of `audit run --here` on anchors that have axioms."
    )
