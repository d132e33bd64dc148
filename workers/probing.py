"""One audit measured: from the probe's facts to every value, in small batches that give way to live traffic. Keeps nothing but the
references of a series that begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import structlog

from monitor.audit.anchors import Anchors, Matrix
from monitor.audit.as_set import check_room, measured_as_set
from monitor.audit.faults import AuditFault, rejected
from monitor.audit.keeping import AuditStore
from monitor.audit.measuring import Measured
from monitor.audit.ports import Probe, ProbeFacts, States
from monitor.audit.records import Job, Subject
from monitor.audit.reference import Reference
from monitor.audit.series import chosen_layers, parts_of, series_of, target_of
from monitor.audit.sources import LIVE, AnchorSet, AnchorSource
from monitor.audit_settings import AuditSettings, listed
from monitor.errors import Misconfigured, Rejected, Retryable
from workers.gate import Gate

log = structlog.get_logger("watchkeeper.audits")

SAY_EVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an audit: `measured`, or None where it was refused, with the reason. `parts` and `series` as far as they are known."""

    subject: Subject
    series: str
    parts: Mapping[str, str]
    beginning: int
    measured: Measured | None
    reason: str
    detail: str
    seconds: float


@dataclass
class Measuring:
    """`open_probe`: connects, anew for each audit: a probe that is away is no concern of anything else. `now`: the broker's time."""

    open_probe: Callable[[], AbstractAsyncContextManager[Probe]]
    anchors: AnchorSource
    store: AuditStore
    settings: AuditSettings
    gate: Gate
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic_s: Callable[[], float] = time.monotonic
    _done: int = field(default=0)
    _of: int = field(default=0)

    @property
    def progress(self) -> float:
        """How much of the texts has been probed, 0 to 1."""
        return self._done / self._of if self._of else 0.0

    async def outcome(self, job: Job, beginning: int) -> Outcome:
        """Measure it. `beginning`: of the series that the target is in. Raises Retryable where the probe or the store is away, replaced in the
        midst or too slow, and Misconfigured where a person has to do something before it can be tried again."""
        self._done = self._of = 0
        began_s = self.monotonic_s()
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                async with self.open_probe() as probe:
                    return await self._outcome(probe, job, beginning, began_s)
        except TimeoutError as exc:
            raise Retryable(
                f"the audit took longer than {self.settings.deadline_s:.0f} s: {self._done} of {self._of} texts were probed"
            ) from exc

    async def _outcome(self, probe: Probe, job: Job, beginning: int, began_s: float) -> Outcome:
        facts = await probe.facts()
        layers = chosen_layers(self.settings.layers, facts.layers)
        subject, series, parts = Subject(facts=facts), "", dict[str, str]()
        truncated = 0
        try:
            given = await self.anchors.anchors(job.anchor_set)
            anchors = given.anchors()
            parts = self._parts(facts, layers, given, anchors, beginning)
            series = series_of(target_of(job.model, job.anchor_set), parts)
            subject = _subject(facts, given, anchors, truncated)
            check_room(self.settings, len(given.texts), layers, facts)
            try:
                references = await self._references(series, layers)
            except Misconfigured as exc:
                beginning += 1
                parts = self._parts(facts, layers, given, anchors, beginning)
                series = series_of(target_of(job.model, job.anchor_set), parts)
                log.error("references can't be read, a new series begins", series=series, error=str(exc))
                references = await self._references(series, layers)
            states, truncated = await self._states(probe, facts, given.texts, layers)
            subject = _subject(facts, given, anchors, truncated)
            found = await asyncio.to_thread(measured_as_set, self.settings, states, anchors, references)
        except Rejected as exc:
            return Outcome(
                subject, series, parts, beginning, None, exc.reason, exc.detail, self.monotonic_s() - began_s
            )
        if references is None:
            await self._fix(series, found.references)
        return Outcome(subject, series, parts, beginning, found, "", "", self.monotonic_s() - began_s)

    def _parts(
        self, facts: ProbeFacts, layers: Sequence[str], given: AnchorSet, anchors: Anchors, beginning: int
    ) -> dict[str, str]:
        return parts_of(
            facts,
            layers,
            anchors=LIVE if given.is_live else anchors.digest,
            poolings=listed(self.settings.poolings),
            draws=self.settings.draws,
            seed=self.settings.seed,
            beginning=beginning,
        )

    async def _references(self, series: str, layers: Sequence[str]) -> dict[str, Reference] | None:
        """Those that the series was begun with; None where it begins now. Raises Misconfigured where they can't be read."""
        kept = await self.store.references(series)
        if not kept:
            return None
        if set(kept) != set(layers):
            raise Misconfigured(
                f"{len(kept)} references are kept for {len(layers)} layers", "A new series begins."
            )
        return {layer: Reference.from_bytes(kept[layer]) for layer in layers}

    async def _fix(self, series: str, references: Mapping[str, Reference]) -> None:
        """Keep them for the whole series. Raises Retryable where another worker was faster: the audit is to be made on its."""
        stored = {layer: reference.to_bytes() for layer, reference in references.items()}
        standing = await self.store.keep_references(series, stored, self.now())
        if dict(standing) != stored:
            raise Retryable("another worker has begun this series, with references of its own")

    async def _states(
        self, probe: Probe, facts: ProbeFacts, texts: Sequence[str], layers: Sequence[str]
    ) -> tuple[dict[str, Matrix], int]:
        """The states of all texts, [N, d] by layer, and how many texts were cut."""
        self._of = len(texts)
        states: dict[str, States] = {
            layer: np.empty((len(texts), facts.dimensions), np.float32) for layer in layers
        }
        truncated, said_s = 0, self.monotonic_s()
        batch = self.settings.probe_batch
        for start in range(0, len(texts), batch):
            part = texts[start : start + batch]
            await self.gate.wait(len(part))
            try:
                probed = await probe.states(part, layers)
            except Rejected:
                await self._must_be_same(probe, facts)
                raise
            for layer in layers:
                rows = probed.layers[layer]
                if rows.shape != (len(part), facts.dimensions):
                    await self._must_be_same(probe, facts)
                    raise rejected(
                        AuditFault.CHANGED_SHAPE,
                        f"states of shape {rows.shape} for {len(part)} texts of {facts.dimensions} dimensions",
                    )
                states[layer][start : start + len(part)] = rows
            truncated += int(np.count_nonzero(probed.truncated))
            self._done = start + len(part)
            if self.monotonic_s() - said_s >= SAY_EVERY_S:
                said_s = self.monotonic_s()
                log.info("an audit goes on", probed=self._done, of=self._of)
            await self.sleep(self.settings.pause_s)
        await self._must_be_same(probe, facts)
        return dict(states), truncated

    async def _must_be_same(self, probe: Probe, facts: ProbeFacts) -> None:
        """Raises Retryable where another model was loaded in the midst: states of two models are no audit of either."""
        if await probe.facts() != facts:
            raise Retryable("the probe was replaced by another model in the midst of an audit")


def _subject(facts: ProbeFacts, given: AnchorSet, anchors: Anchors, truncated: int) -> Subject:
    return Subject(
        facts=facts,
        truncated=truncated,
        anchors=anchors.digest,
        is_live=given.is_live,
        safe=anchors.safe,
        unsafe=anchors.unsafe,
        clusters=len(anchors.strata),
    )
