"""A probe in memory that can be told to fail, be slow, be replaced, or change shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

import numpy as np

from monitor.audit.ports import Probed, ProbeFacts, States
from monitor.audit.probe_faults import ProbeFault, refused
from monitor.errors import WatchkeeperError

FACTS: Final = ProbeFacts(
    model="probe",
    version="weights@0123456789ab",
    tokenizer_hash="a" * 16,
    template_hash="b" * 16,
    layers=("layer_00", "layer_01", "layer_02", "layer_03"),
    dimensions=16,
    pooling="mean",
    template="chat",
    projection="none",
    max_tokens=512,
    dtype="float32",
)


@dataclass
class FakeProbe:
    """Implements monitor.audit.ports.Probe.

    A state is noise that the text fixes (the same for the same text, another in each layer), moved along one direction by
    `apart` where `is_unsafe` says so: J is about apart^2 / dimensions. Set `apart` lower between two audits and safe and unsafe
    have come closer; it may name layers one by one in `apart_in`.

    `failures` are raised by calls of `states`, first to last; `facts_failures` by calls of `facts`. A call of `states` waits until
    `gate` is set. Texts in `refuses` get REFUSED_TEXT, with those in `spoils` a state is NaN. `found` may be replaced
    (`dataclasses.replace`) to load another model; `gives_dimensions` gives another number than the facts say.
    """

    found: ProbeFacts = FACTS
    is_unsafe: Callable[[str], bool] = field(default=lambda text: "unsafe" in text)
    apart: float = 2.0
    apart_in: dict[str, float] = field(default_factory=dict)
    failures: list[WatchkeeperError] = field(default_factory=list)
    facts_failures: list[WatchkeeperError] = field(default_factory=list)
    gate: asyncio.Event | None = None
    refuses: frozenset[str] = frozenset()
    spoils: frozenset[str] = frozenset()
    cuts: frozenset[str] = frozenset()
    gives_dimensions: int | None = None
    asked: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    async def facts(self) -> ProbeFacts:
        """`found`, or the next failure."""
        if self.facts_failures:
            raise self.facts_failures.pop(0)
        return self.found

    async def states(self, texts: Sequence[str], layers: Sequence[str]) -> Probed:
        """States, or the next failure. `asked` keeps how many texts and which layers each call was about."""
        self.asked.append((len(texts), tuple(layers)))
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        if not texts or not all(text.strip() for text in texts):
            raise refused(ProbeFault.NO_TEXT, f"one of {len(texts)} texts is empty")
        if (unknown := [name for name in layers if name not in self.found.layers]) or not layers:
            raise refused(ProbeFault.UNKNOWN_LAYER, f"{len(unknown)} of {len(layers)} layers aren't there")
        if bad := [place for place, text in enumerate(texts) if text in self.refuses]:
            raise refused(ProbeFault.REFUSED_TEXT, f"text {bad[0]} of {len(texts)}")
        if bad := [place for place, text in enumerate(texts) if text in self.spoils]:
            raise refused(ProbeFault.NOT_FINITE, f"text {bad[0]} of {len(texts)}")
        width = self.gives_dimensions or self.found.dimensions
        if width != self.found.dimensions:
            raise refused(ProbeFault.CHANGED_SHAPE, f"{width} dimensions, not {self.found.dimensions}")
        return Probed(
            {name: np.stack([self._state(text, name) for text in texts]) for name in layers},
            np.array([text in self.cuts for text in texts], np.bool_),
        )

    def becomes(self, **changes: object) -> None:
        """Another model is loaded: `becomes(version="weights@…")`."""
        self.found = replace(self.found, **changes)  # type: ignore[arg-type]  # a test names the fields

    def _state(self, text: str, layer: str) -> States:
        digest = blake2b(f"{layer}\x00{text}".encode("utf-8", "replace"), digest_size=8).digest()
        state = np.random.default_rng(int.from_bytes(digest, "big")).normal(size=self.found.dimensions)
        if self.is_unsafe(text):
            state[0] += self.apart_in.get(layer, self.apart)
        found: States = state.astype(np.float32)
        return found
