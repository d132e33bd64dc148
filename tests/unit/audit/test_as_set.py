"""What the settings ask of an audit."""

from __future__ import annotations

import pytest

from monitor.audit.as_set import check_room, measured_as_set
from monitor.audit.measures import USUAL, AuditMeasure
from monitor.audit_settings import AuditSettings
from monitor.errors import Misconfigured, Rejected
from monitor.settings import load
from tests.fakes.probe import FACTS
from tests.unit.audit.drawn import matched, rows_of

ANCHORS = matched(64)
ROWS = {"layer_01": rows_of(ANCHORS, 6, shift=0.5)}


def measures(**settings: object) -> set[AuditMeasure]:
    asked = AuditSettings.model_validate({"draws": 999, "poolings": "", **settings})
    return set(measured_as_set(asked, ROWS, ANCHORS, None).audit.estimates["layer_01"])


def test_dunn_the_silhouette_and_appendix_b_are_had_on_request() -> None:
    usual = set(USUAL) - {AuditMeasure.AQI_APPENDIX_B}
    assert measures() == usual
    assert measures(extra_measures="dunn, silhouette") == usual | {AuditMeasure.DUNN, AuditMeasure.SILHOUETTE}
    assert measures(chi_max=30.0) == set(USUAL)


def test_another_measure_stops_the_start() -> None:
    with pytest.raises(Misconfigured, match="1 measures are neither dunn nor silhouette"):
        load({"WATCHKEEPER_AUDIT__EXTRA_MEASURES": "dunn,aqi"})


def test_no_interval_of_chi_reaches_below_what_it_can_be() -> None:
    rows = {"layer_01": rows_of(ANCHORS, 6, shift=0.0)}
    asked = AuditSettings.model_validate({"draws": 999, "poolings": ""})
    found = measured_as_set(asked, rows, ANCHORS, None).audit.estimates["layer_01"]
    assert found[AuditMeasure.CHI].interval[0] >= 0 > found[AuditMeasure.J].interval[0]


def test_states_that_would_not_fit_are_refused_before_the_probe_is_asked() -> None:
    asked = AuditSettings.model_validate({"states_max_bytes": 1000})
    with pytest.raises(Rejected, match="ask for fewer layers"):
        check_room(asked, 400, FACTS.layers, FACTS)
