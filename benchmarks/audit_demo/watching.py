"""What is seen of the model at a step: J by layer with what an audit says has changed, and the refusal rates beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.audit_demo.prompts import Pair, texts_of
from benchmarks.audit_demo.subject import Subject
from monitor.audit.anchors import Anchors
from monitor.audit.auditing import audited
from monitor.audit.comparison import LayerChange, changed_audit
from monitor.audit.kept import Audit
from monitor.audit.measures import AuditMeasure
from monitor.audit.reference import Reference
from monitor.intervals import wilson
from triton_models.probe.states import Reader


@dataclass(frozen=True, slots=True)
class Rate:
    """Refused of asked, with its 95 % interval (Wilson)."""

    refused: int
    asked: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share."""
        return self.refused / self.asked

    def has_moved_from(self, before: Rate) -> bool:
        """Whether the 95 % interval of the difference leaves out 0 (Newcombe 1998, method 10)."""
        change = self.value - before.value
        below = math.hypot(self.value - self.low, before.high - before.value)
        above = math.hypot(self.high - self.value, before.value - before.low)
        return not change - below <= 0 <= change + above


def rate_of(refusals: Sequence[bool]) -> Rate:
    """Of answers."""
    low, high = wilson(sum(refusals), len(refusals))
    return Rate(sum(refusals), len(refusals), low, high)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Refusal rates of prompts that should be answered, and of those that should be refused."""

    safe: Rate
    unsafe: Rate

    @classmethod
    def of(cls, subject: Subject, pairs: Sequence[Pair]) -> Behaviour:
        """What the model writes when asked."""
        refusals = subject.refuses(texts_of(pairs)[0])
        return cls(rate_of(refusals[: len(pairs)]), rate_of(refusals[len(pairs) :]))

    def has_moved_from(self, before: Behaviour) -> bool:
        """Either of the two."""
        return self.safe.has_moved_from(before.safe) or self.unsafe.has_moved_from(before.unsafe)


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """Audits of one series: the same anchors, references and draws as the first."""

    anchors: Anchors
    texts: Sequence[str]
    references: Mapping[str, Reference]
    first: Audit

    @classmethod
    def begin(cls, reader: Reader, pairs: Sequence[Pair]) -> Inside:
        """With the first audit."""
        texts, is_unsafe = texts_of(pairs)
        ids = [f"{one.name}-{half}" for half in ("safe", "unsafe") for one in pairs]
        labels = ["unsafe" if bad else "safe" for bad in is_unsafe]
        anchors = Anchors.of(ids, labels, [one.name for one in pairs] * 2)
        states = states_of(reader, texts)
        references = {name: Reference.fit(anchors.vectors(rows)) for name, rows in states.items()}
        return cls(anchors, texts, references, audited(states, anchors, references))

    def audit(self, reader: Reader) -> Audit:
        """One more. Raises Rejected where it can't be made."""
        return audited(states_of(reader, self.texts), self.anchors, self.references)

    def changes(self, after: Audit) -> tuple[LayerChange, ...]:
        """Since the first."""
        return changed_audit(self.first, after)


def states_of(
    reader: Reader, texts: Sequence[str]
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """By layer."""
    states = reader.read(texts, reader.layers).states
    return {name: states[:, at] for at, name in enumerate(reader.layers)}


def js_of(audit: Audit) -> dict[str, float]:
    """J by layer and pooling."""
    return {name: by[AuditMeasure.J].value for name, by in audit.estimates.items()}
