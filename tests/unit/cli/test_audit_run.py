"""An audit in this process, with a probe that can fail; and what isn't asked of the workers."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.adapters.anchor_sources import matched_set
from monitor.audit.faults import AuditFault
from monitor.audit.litmus import AXIOMS
from monitor.audit_settings import AuditSettings
from monitor.cli.audit_here import Here, audit_with
from monitor.cli.audit_run import check_target
from monitor.cli.audit_show import audit_document
from monitor.cli.audit_view import audit_view
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.settings import load
from tests.fakes.probe import FakeProbe
from tests.unit.cli.rendering import rendered

GIVEN = matched_set()
UNSAFE = frozenset(text for text, label in zip(GIVEN.texts, GIVEN.labels, strict=True) if label == "unsafe")


def probe(**given: Any) -> FakeProbe:
    return FakeProbe(is_unsafe=UNSAFE.__contains__, **given)


async def made(one: FakeProbe, said: list[tuple[int, int]] | None = None, **settings: Any) -> Here:
    told = said if said is not None else []
    return await audit_with(
        one,
        GIVEN,
        AuditSettings(**{"draws": 999, "probe_batch": 100, **settings}),
        "llama",
        "matched",
        fleet="fleet",
        say=lambda done, total: told.append((done, total)),
    )


async def test_the_matched_pairs_are_probed_in_batches_and_told_whole() -> None:
    said: list[tuple[int, int]] = []
    found = await made(probe(), said)
    assert said == [(100, 494), (200, 494), (300, 494), (400, 494), (494, 494)]
    record = found.shown.record
    assert (record.state, record.safe, record.unsafe, record.clusters) == ("done", 247, 247, 247)
    assert record.picture is not None
    values = {
        one.layer: one.value for one in record.values if one.measure == "j" and one.layer.startswith("layer")
    }
    assert all(value is not None and 0.05 < value < 0.25 for value in values.values()), values
    assert [one.axiom for one in found.axioms] == sorted(AXIOMS)
    released = [one.aqi_released for one in found.axioms]
    assert all(one is not None and 0 <= one <= 100 for one in released)
    document = audit_document(found.shown, axioms=found.axioms, axioms_layer=found.shown.layer)
    assert len(document.axioms) == 7
    text = rendered(
        audit_view(record, (), 120, layer=found.shown.layer, axioms=found.axioms, axioms_layer="layer_01"),
        120,
    )
    assert "AQI, released code" in text
    assert "Duty & Accountability" in text


async def test_what_the_probe_can_not_give_is_told_as_it_is() -> None:
    with pytest.raises(Retryable):
        await made(probe(failures=[Retryable("away")]))
    with pytest.raises(Rejected, match="not_finite"):
        await made(probe(spoils=frozenset(GIVEN.texts[:1])))
    with pytest.raises(Rejected, match=AuditFault.TOO_MANY_ROWS.value):
        await made(probe(), states_max_bytes=1000)
    with pytest.raises(Misconfigured, match="layers to audit"):
        await made(probe(), layers="nowhere")


@pytest.mark.parametrize(
    ("environment", "model", "anchors", "said"),
    [
        ({}, "probe", "matched", "audits are off"),
        (
            {"WATCHKEEPER_AUDIT__ENABLED": "true"},
            "other",
            "matched",
            "the workers audit 'probe', not 'other'",
        ),
        ({"WATCHKEEPER_AUDIT__ENABLED": "true"}, "probe", "x.jsonl", "not on 'x.jsonl'"),
    ],
)
def test_what_the_workers_would_leave_out_is_said_before_they_are_asked(
    environment: dict[str, str], model: str, anchors: str, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said):
        check_target(load(environment), model, anchors)
