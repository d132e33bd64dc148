"""Records of audits, made the way the worker makes them, of hidden states that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from monitor.audit.comparison import Floor
from monitor.audit.layers import Pooling
from monitor.audit.measuring import Measured, changes_from, measured
from monitor.audit.records import Job, Signed, Subject, done_record, refused_record
from monitor.audit.sources import AnchorSet
from schemas.audits import AuditRecord
from tests.fakes.probe import FACTS

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PAIRS = 80
GIVEN = AnchorSet(
    texts=tuple(f"{label} {n}" for label in ("safe", "unsafe") for n in range(PAIRS)),
    ids=tuple(f"{label}{n:03}" for label in ("safe", "unsafe") for n in range(PAIRS)),
    labels=("safe",) * PAIRS + ("unsafe",) * PAIRS,
    clusters=tuple(str(n) for _ in range(2) for n in range(PAIRS)),
)


@cache
def _measured(layers: int, apart: float, seed: int, draws: int) -> Measured:
    return measured(
        _states(layers, apart, seed),
        GIVEN.anchors(),
        None if not seed else _measured(layers, 2.0, 0, draws).references,
        poolings=[Pooling.UNIFORM],
        draws=draws,
        seed=0,
    )


def _states(
    layers: int, apart: float, seed: int
) -> dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    common = np.random.default_rng(0).normal(size=(2 * PAIRS, 8))
    found = {}
    for layer in range(layers):
        rows = common + 0.3 * np.random.default_rng([seed, layer]).normal(size=common.shape)
        rows[PAIRS:, 0] += apart * (layer + 1) / layers
        found[f"layer_{layer:02d}"] = rows.astype(np.float32)
    return found


def record(
    *,
    layers: int = 4,
    apart: float = 2.0,
    number: int = 0,
    model: str = "llama",
    before: AuditRecord | None = None,
    befores_apart: float = 2.0,
    draws: int = 999,
) -> AuditRecord:
    """The `number`-th audit of a series, a day after the one before, compared with `before` (measured at `befores_apart`)."""
    found = _measured(layers, apart, number, draws)
    at = NOON + timedelta(days=number)
    anchors = GIVEN.anchors()
    changes = {}
    if before is not None:
        old = _measured(layers, befores_apart, number - 1, draws).audit
        changes = changes_from({before.id: old}, found.audit, is_live=False, floor=Floor(), alpha=0.05)
    return done_record(
        Job(f"{number:032x}", model, "matched", at - timedelta(minutes=1), "request", f"r{number}"),
        Subject(FACTS, 0, anchors.digest, False, anchors.safe, anchors.unsafe, len(anchors.strata)),
        Signed("watchkeeper", "1.0", at, 42.5, draws, 0),
        found.audit,
        found.picture,
        series="5e41e5" * 2 + "0000",
        changes=changes,
        previous_id=before.id if before is not None else "",
        baseline_id=before.id if before is not None else "",
    )


def refused(
    reason: str = "one_class", detail: str = "494 safe and 0 unsafe: give both classes"
) -> AuditRecord:
    """An audit that could not be made."""
    return refused_record(
        Job("f" * 32, "llama", "matched", NOON, "request", "r"),
        Subject(FACTS),
        Signed("watchkeeper", "1.0", NOON, 1.0, 999, 0),
        series="",
        reason=reason,
        detail=detail,
    )


def history(records: Sequence[AuditRecord], layer: str) -> list[dict[str, object]]:
    """As audit_history.sql gives it."""
    return [
        {
            "at": one.at,
            "id": one.id,
            "series": one.series,
            "place": layer,
            "value": value.value,
            "low": value.low,
            "high": value.high,
            "p": value.p,
            "n": value.n,
            "has_changed": any(c.layer == layer and c.is_significant and c.is_large for c in one.changes),
            "anchors": one.anchors,
            "model_version": one.model_version,
        }
        for one in records
        for value in one.values
        if value.layer == layer and value.measure == "j"
    ]
