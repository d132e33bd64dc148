"""An audit from hidden states to values, kept and compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.audit.anchors import Floats
from monitor.audit.auditing import audited
from monitor.audit.comparison import changed_audit
from monitor.audit.faults import AuditFault
from monitor.audit.kept import Audit, Layer
from monitor.audit.layers import Pooling
from monitor.audit.measures import USUAL, AuditMeasure
from monitor.audit.reference import Reference
from monitor.errors import Misconfigured, Rejected
from tests.unit.audit.drawn import matched, rows_of

ANCHORS = matched(80)
DRAWS = 999


def states(*shifts: float, noise: float = 0.0) -> dict[str, Floats]:
    """Layers of other scales, in the order in which the anchors were given."""
    order = np.argsort(ANCHORS.order)
    return {
        f"layer_{place}": 10.0**place
        * (rows_of(ANCHORS, 12, shift=shift, seed=place) + noise * rows_of(ANCHORS, 12, seed=90 + place))[
            order
        ]
        for place, shift in enumerate(shifts)
    }


FIRST = states(0.1, 0.4, 0.4)
REFERENCES = {name: Reference.fit(rows) for name, rows in FIRST.items()}
EVERY_POOLING = tuple(Pooling)
TOWARDS = np.ones((3, 12))


def audit(layers: dict[str, Floats]) -> Audit:
    return audited(layers, ANCHORS, REFERENCES, poolings=EVERY_POOLING, towards=TOWARDS, draws=DRAWS)


AUDIT = audit(FIRST)


def test_every_layer_and_pooling_has_every_value() -> None:
    names = [*FIRST, "pooled_uniform", "pooled_learned", "pooled_cosine"]
    assert list(AUDIT.estimates) == list(AUDIT.p) == list(AUDIT.layers) == names
    for name in names:
        wanted = {AuditMeasure.J} if name == "pooled_learned" else set(USUAL) - {AuditMeasure.AQI_APPENDIX_B}
        assert set(AUDIT.estimates[name]) == set(AUDIT.p[name]) == wanted
    assert (AUDIT.safe, AUDIT.unsafe, AUDIT.clusters) == (80, 80, 80)
    assert AUDIT.p["pooled_learned"][AuditMeasure.J] == pytest.approx(1 / 1000)


def test_pooled_layers_that_agree_are_further_apart_than_each() -> None:
    j = {name: by[AuditMeasure.J].value for name, by in AUDIT.estimates.items()}
    assert j["pooled_uniform"] > j["layer_1"] > j["layer_0"]


def test_the_scale_of_a_layer_does_not_matter() -> None:
    unscaled = {name: rows / 10.0**place for place, (name, rows) in enumerate(FIRST.items())}
    again = audited(
        unscaled, ANCHORS, {name: Reference.fit(rows) for name, rows in unscaled.items()}, draws=DRAWS
    )
    for name in again.estimates:
        assert again.estimates[name][AuditMeasure.J].value == pytest.approx(
            AUDIT.estimates[name][AuditMeasure.J].value
        )


def test_an_audit_survives_being_kept() -> None:
    again = Audit.from_bytes(AUDIT.to_bytes())
    assert again.to_bytes() == AUDIT.to_bytes()
    assert again.layers == AUDIT.layers
    assert again.p == AUDIT.p
    for name, by in AUDIT.estimates.items():
        for measure, estimate in by.items():
            assert again.estimates[name][measure].value == estimate.value
            assert np.array_equal(again.estimates[name][measure].draws, estimate.draws)


def test_a_damaged_audit_says_what_to_do() -> None:
    for damaged in (b"", b"no", AUDIT.to_bytes()[:-5], AUDIT.to_bytes().replace(b"\xa1j", b"\xa1q")):
        with pytest.raises(Misconfigured, match="next audit then begins a new series"):
            Audit.from_bytes(damaged)


def test_a_kept_audit_is_compared_without_its_hidden_states() -> None:
    before = Audit.from_bytes(AUDIT.to_bytes())
    quiet = changed_audit(before, audit(states(0.1, 0.4, 0.4, noise=0.05)))
    assert not any(one.has_changed for one in quiet)
    found = {one.change.layer: one for one in changed_audit(before, audit(states(0.1, 0.4, 0.1, noise=0.05)))}
    assert found["layer_2"].has_changed
    assert found["layer_2"].is_fall
    assert not found["layer_1"].has_changed


def test_a_common_turn_of_the_anchors_order_changes_nothing() -> None:
    turned = np.random.default_rng(0).permutation(160)
    ids, labels, clusters = (
        [ANCHORS.ids[n] for n in turned],
        ["safe" if n < 80 else "unsafe" for n in turned],
        [str(ANCHORS.clusters[n]) for n in turned],
    )
    again = type(ANCHORS).of(ids, labels, clusters)
    rows = {name: one[ANCHORS.order][turned] for name, one in FIRST.items()}
    found = audited(rows, again, REFERENCES, poolings=EVERY_POOLING, towards=TOWARDS, draws=DRAWS)
    assert found.to_bytes() == AUDIT.to_bytes()


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (replace(AUDIT, anchors="other"), AuditFault.OTHER_ANCHORS),
        (replace(AUDIT, seed=1), AuditFault.OTHER_DRAWS),
        (replace(AUDIT, draws=1000), AuditFault.OTHER_DRAWS),
        (replace(AUDIT, layers=dict(list(AUDIT.layers.items())[1:])), AuditFault.CHANGED_SHAPE),
        (
            replace(AUDIT, layers={**AUDIT.layers, "layer_1": Layer(13, AUDIT.layers["layer_1"].reference)}),
            AuditFault.CHANGED_SHAPE,
        ),
        (replace(AUDIT, layers={**AUDIT.layers, "layer_1": Layer(12, "other")}), AuditFault.OTHER_REFERENCE),
    ],
)
def test_audits_of_another_series_are_not_compared(after: Audit, fault: AuditFault) -> None:
    with pytest.raises(Rejected) as caught:
        changed_audit(AUDIT, after)
    assert caught.value.reason == fault


def test_labels_and_clusters_belong_to_the_anchors_name() -> None:
    ids, clusters = ANCHORS.ids, [str(n) for n in ANCHORS.clusters]
    labels = ["safe"] * 80 + ["unsafe"] * 80
    of = type(ANCHORS).of
    assert of(ids, labels, clusters).digest == ANCHORS.digest
    others = (of(ids, labels), of(ids, labels[::-1], clusters), matched(79))
    assert len({ANCHORS.digest, *(one.digest for one in others)}) == 4


def test_a_probe_that_changed_shape_is_refused_by_the_reference() -> None:
    wider = {name: np.concatenate([rows, rows], axis=1) for name, rows in FIRST.items()}
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        audit(wider)


def test_what_no_audit_can_be_made_of_is_refused() -> None:
    with pytest.raises(Rejected, match=AuditFault.OTHER_REFERENCE):
        audited(FIRST, ANCHORS, {})
    with pytest.raises(Rejected, match=AuditFault.OTHER_REFERENCE):
        audited({}, ANCHORS, REFERENCES)
    with pytest.raises(Rejected, match=AuditFault.CONSTANT):
        audited(FIRST, ANCHORS, REFERENCES, poolings=(Pooling.COSINE,), draws=2)
    uneven = {"layer_0": FIRST["layer_0"], "layer_1": FIRST["layer_1"][:, :5]}
    references = {name: Reference.fit(rows) for name, rows in uneven.items()}
    audited(uneven, ANCHORS, references, poolings=(), draws=2)
    with pytest.raises(Rejected, match=AuditFault.CHANGED_SHAPE):
        audited(uneven, ANCHORS, references, draws=2)
