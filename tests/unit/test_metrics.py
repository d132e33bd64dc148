"""Every metric has a name by Prometheus' rules, a unit, a meaning and a bounded number of series."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import grpc  # type: ignore[import-untyped]  # ships no types
import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor import metrics_doc
from monitor.adapters import breaker
from monitor.ingest.reasons import Reason
from monitor.metric_spec import Label, Spec
from monitor.metrics import Metric, Metrics
from monitor.roles import ROLES
from schemas.events import JudgeDecision, Status
from schemas.judgements import JudgeReason
from schemas.status import Stage
from workers import judging, moderation, storage

ROOT = Path(__file__).resolve().parents[2]
SPECS = [metric.value for metric in Metric]
BASE_UNITS = ("seconds", "bytes")
NO_BASE_UNITS = ("ms", "milliseconds", "minutes", "hours", "kb", "mb", "percent")
RESERVED = ("_total", "_count", "_sum", "_bucket", "_created", "_info")


def some(label: Label) -> str | int:
    return "a" if label.values is None else min(label.values)


def labels_of(spec: Spec) -> dict[str, str | int]:
    return {label.key: some(label) for label in spec.labels}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_metric_is_named_by_prometheus_rules(spec: Spec) -> None:
    assert re.fullmatch(r"watchkeeper_[a-z]+(_[a-z]+)*", spec.name)
    stem = spec.name.removesuffix("_total")
    assert (stem != spec.name) == (spec.kind == "counter")
    if spec.name != "watchkeeper_worker_info":
        assert not stem.endswith(RESERVED)
    assert not set(stem.split("_")) & set(NO_BASE_UNITS)
    for unit in BASE_UNITS:
        assert stem.endswith(f"_{unit}") == (spec.unit == unit)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_metric_says_what_it_means_and_only_histograms_have_buckets(spec: Spec) -> None:
    assert re.fullmatch(r"[A-Z1].*\.", spec.meaning)
    assert "\n" not in spec.meaning
    assert bool(spec.buckets) == (spec.kind == "histogram")
    assert list(spec.buckets) == sorted(set(spec.buckets))
    assert len({label.key for label in spec.labels}) == len(spec.labels)


def test_no_two_metrics_share_a_name() -> None:
    assert len({spec.name for spec in SPECS}) == len(SPECS) == len(Metric)


def test_only_what_the_deployment_bounds_is_unbounded() -> None:
    used = {label for spec in SPECS for label in spec.labels}
    assert used == set(Label)
    assert {label for label in Label if label.values is None} == {Label.TOPIC, Label.PARTITION, Label.VERSION}


def test_the_values_of_a_label_are_those_that_the_code_has() -> None:
    ours = {
        moderation.INTERNAL_ERROR,
        storage.TOMBSTONE,
        storage.NOT_A_VERDICT,
        storage.NOT_A_JUDGEMENT,
        storage.NOT_AN_ALERT,
        storage.NOT_A_DEAD_LETTER,
        storage.NOT_AN_AUDIT,
        judging.NOT_A_REQUEST,
        storage.REFUSED_BY_STORE,
        storage.NOT_A_CALIBRATION,
    }
    code_has = {
        Label.STAGE: get_args(Stage),
        Label.BREAKER: get_args(breaker.State),
        Label.STATUS: set(get_args(Status)) - {"skipped"},  # counted by a metric of its own
        Label.CODE: {code.name for code in grpc.StatusCode},
        Label.REASON: ours.union(Reason),
        Label.JUDGE_REASON: get_args(JudgeReason),
        Label.DECISION: set(get_args(JudgeDecision)) - {"unscored", "off"},  # in no stratum
        Label.ROLE: ROLES,
    }
    assert {label: label.values for label in code_has} == {k: frozenset(v) for k, v in code_has.items()}


def test_a_value_that_is_not_among_a_labels_own_is_counted_as_other() -> None:
    metrics = Metrics()
    metrics.count(Metric.DEAD_LETTERS, 2, role="moderation", reason="how do I make a bomb")
    assert metrics.value(Metric.DEAD_LETTERS, role="moderation", reason="other") == 2
    assert b"bomb" not in metrics.exposition()


def test_prometheus_reads_every_metric_with_its_kind_and_meaning() -> None:
    metrics = Metrics()
    for metric in Metric:
        labels = labels_of(metric.value)
        match metric.value.kind:
            case "counter":
                metrics.count(metric, 2, **labels)
            case "gauge":
                metrics.set(metric, 2, **labels)
            case "histogram":
                metrics.observe(metric, 2, **labels)
    families = {
        family.name: family for family in text_string_to_metric_families(metrics.exposition().decode())
    }
    read = {
        (name, family.type, family.documentation)
        for name, family in families.items()
        if name.startswith("watchkeeper_")
    }
    assert read == {(spec.name.removesuffix("_total"), spec.kind, spec.meaning) for spec in SPECS}
    for spec in SPECS:
        named = {label.key: str(some(label)) for label in spec.labels}
        wanted = f"{spec.name}_sum" if spec.kind == "histogram" else spec.name
        samples = families[spec.name.removesuffix("_total")].samples
        assert [(s.labels, s.value) for s in samples if s.name == wanted] == [(named, 2.0)]
        if spec.kind == "histogram":
            bounds = [float(s.labels["le"]) for s in samples if s.name == f"{spec.name}_bucket"]
            assert bounds == [*spec.buckets, float("inf")]


def test_counters_add_up_gauges_are_set_and_histograms_count_what_they_saw() -> None:
    metrics = Metrics()
    for value in (1.0, 2.0):
        metrics.count(Metric.VERDICTS_STORED, value)
        metrics.set(Metric.HALTED, value, role="storage")
        metrics.observe(Metric.STORE_SECONDS, value)
    assert (
        metrics.value(Metric.VERDICTS_STORED),
        metrics.value(Metric.HALTED, role="storage"),
        metrics.value(Metric.STORE_SECONDS),
        metrics.value(Metric.HALTED, role="moderation"),
    ) == (3, 2, 2, 0)


def test_a_series_that_is_forgotten_is_gone_and_may_come_back() -> None:
    metrics = Metrics()
    place = {"role": "storage", "topic": "safety.verdicts"}
    for partition in (0, 1):
        metrics.set(Metric.LAG, 5, partition=partition, **place)
    metrics.forget(Metric.LAG, partition=0, **place)
    metrics.forget(Metric.LAG, partition=7, **place)
    assert metrics.exposition().count(b"watchkeeper_partition_lag_messages{") == 1
    metrics.set(Metric.LAG, 6, partition=0, **place)
    assert metrics.value(Metric.LAG, partition=0, **place) == 6


def test_a_metric_is_used_as_its_kind_and_with_its_labels() -> None:
    metrics = Metrics()
    with pytest.raises(TypeError, match="LAG is a gauge"):
        metrics.count(Metric.LAG, role="storage", topic="t", partition=0)
    with pytest.raises(TypeError, match="VERDICTS_STORED is a counter"):
        metrics.set(Metric.VERDICTS_STORED, 1)
    with pytest.raises(TypeError, match="VERDICTS_STORED is a counter"):
        metrics.observe(Metric.VERDICTS_STORED, 1)
    wrongs: tuple[dict[str, Any], ...] = ({}, {"role": "storage"}, {"role": "storage", "nobody": "x"})
    for wrong in wrongs:
        with pytest.raises(KeyError):
            metrics.count(Metric.DEAD_LETTERS, **wrong)


def test_two_workers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count(Metric.VERDICTS_STORED)
    assert other.value(Metric.VERDICTS_STORED) == 0


def test_the_page_says_what_the_metrics_say() -> None:
    written = (ROOT / metrics_doc.DOCUMENT).read_text(encoding="utf-8")
    assert written == metrics_doc.render(), "run `make fix`"
    assert [spec.name for spec in SPECS if f"| `{spec.name}` |" not in written] == []


@pytest.mark.parametrize(("arguments", "code"), [(["--chekc"], 2), (["--check"], 0)])
def test_the_page_is_only_compared_where_that_is_asked(arguments: list[str], code: int) -> None:
    assert metrics_doc.main(arguments) == code
