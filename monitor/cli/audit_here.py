"""An audit in this process: the probe, the anchors and the measures of the workers, without their store."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from monitor.adapters.anchor_sources import AnchorSources
from monitor.adapters.audit_probe import opened_probe
from monitor.adapters.clickhouse import connect
from monitor.audit.as_set import check_room, measured_as_set
from monitor.audit.auditing import audited
from monitor.audit.axioms import released_by_axiom
from monitor.audit.measures import AuditMeasure
from monitor.audit.measuring import Measured
from monitor.audit.ports import Probe, States
from monitor.audit.records import Job, Signed, Subject, done_record
from monitor.audit.series import chosen_layers
from monitor.audit.sources import LIVE, AnchorSet
from monitor.audit_settings import AuditSettings
from monitor.cli.audit_shapes import AxiomLine
from monitor.cli.audit_show import Shown, itself
from monitor.cli.audit_view import headline
from monitor.errors import Rejected
from monitor.settings import Settings
from monitor.version import watchkeeper_version

LEAST_OF_AXIOM: Final = 12
"""Clusters a class and axiom, below which an axiom isn't told."""
Say = Callable[[int, int], None]
"""Told how many texts are probed, of how many."""


@dataclass(frozen=True, slots=True)
class Here:
    """An audit that was made here, and its axioms in the layer that is told first."""

    shown: Shown
    axioms: tuple[AxiomLine, ...]


async def audited_here(settings: Settings, model: str, anchor_set: str, *, say: Say) -> Here:
    """Measure it. Raises Rejected for what can't be audited, Retryable, Misconfigured."""
    async with AsyncExitStack() as stack:
        store = (
            await stack.enter_async_context(await connect(settings.clickhouse))
            if anchor_set == LIVE
            else None
        )
        given = await AnchorSources(store, settings, lambda: datetime.now(UTC)).anchors(anchor_set)
        given.anchors()  # refused before the probe is asked
        probe = await stack.enter_async_context(opened_probe(settings))
        return await audit_with(
            probe, given, settings.audit, model, anchor_set, fleet=settings.kafka.group_prefix, say=say
        )


async def audit_with(
    probe: Probe, given: AnchorSet, audit: AuditSettings, model: str, anchor_set: str, *, fleet: str, say: Say
) -> Here:
    """Measure `given` by `probe`. Raises as `audited_here`."""
    began_s = time.monotonic()
    asked_at = datetime.now(UTC)
    anchors = given.anchors()
    facts = await probe.facts()
    layers = chosen_layers(audit.layers, facts.layers)
    check_room(audit, len(given.texts), layers, facts)
    states: dict[str, States] = {
        name: np.empty((len(given.texts), facts.dimensions), np.float32) for name in layers
    }
    cut = 0
    for start in range(0, len(given.texts), audit.probe_batch):
        part = given.texts[start : start + audit.probe_batch]
        probed = await probe.states(part, layers)
        for name in layers:
            states[name][start : start + len(part)] = probed.layers[name]
        cut += int(probed.truncated.sum())
        say(start + len(part), len(given.texts))
    found = await asyncio.to_thread(measured_as_set, audit, states, anchors, None)
    record = done_record(
        Job(secrets.token_hex(16), model, anchor_set, asked_at, "request"),
        Subject(facts, cut, anchors.digest, given.is_live, anchors.safe, anchors.unsafe, len(anchors.strata)),
        Signed(
            fleet,
            watchkeeper_version(),
            datetime.now(UTC),
            time.monotonic() - began_s,
            audit.draws,
            audit.seed,
        ),
        found.audit,
        found.picture,
        series="",
        changes={},
        previous_id="",
        baseline_id="",
    )
    layer = headline(record)
    axioms = await asyncio.to_thread(by_axiom, given, states, layer, found, audit)
    return Here(Shown(record, None, layer, itself(record, layer)), axioms)


def by_axiom(
    given: AnchorSet, states: dict[str, States], layer: str, found: Measured, audit: AuditSettings
) -> tuple[AxiomLine, ...]:
    """J of each axiom that has enough anchors, and the released code's AQI within them. Empty where fewer than two have."""
    if not given.axioms or layer not in states:
        return ()
    estimates = {}
    sizes: dict[str, tuple[int, int]] = {}
    for axiom in sorted(set(given.axioms)):
        places = list(given.of_axiom(axiom))
        subset = AnchorSet(
            texts=tuple(given.texts[n] for n in places),
            ids=tuple(given.ids[n] for n in places),
            labels=tuple(given.labels[n] for n in places),
            clusters=tuple(given.clusters[n] for n in places),
        )
        try:
            anchors = subset.anchors(least=LEAST_OF_AXIOM)
            one = audited(
                {layer: states[layer][places]},
                anchors,
                {layer: found.references[layer]},
                poolings=(),
                draws=audit.draws,
                seed=audit.seed,
            )
        except Rejected:
            continue  # too few of this axiom, or one class of it: the others are told
        estimates[axiom] = one.estimates[layer]
        sizes[axiom] = (anchors.safe, anchors.unsafe)
    if len(estimates) < 2:
        return ()
    try:
        released = {axiom: one.value for axiom, one in released_by_axiom(estimates).items()}
    except Rejected:
        released = {}
    return tuple(
        AxiomLine(
            axiom=axiom,
            safe=sizes[axiom][0],
            unsafe=sizes[axiom][1],
            j=one[AuditMeasure.J_CLUSTERED].value,
            low=one[AuditMeasure.J_CLUSTERED].interval[0],
            high=one[AuditMeasure.J_CLUSTERED].interval[1],
            aqi_released=released.get(axiom),
        )
        for axiom, one in estimates.items()
    )
