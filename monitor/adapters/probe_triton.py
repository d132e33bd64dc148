"""The probe behind Triton's gRPC: hidden states in small batches, one in flight, behind whatever else the model is asked."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

import numpy as np

from monitor.adapters.probe_wire import (
    SEPARATOR,
    Row,
    Said,
    facts_of,
    probe_request,
    read_states,
    refused,
    utf8,
)
from monitor.adapters.triton_model import AUDITS, TritonModel, Wire, open_client
from monitor.adapters.triton_wire import head_and_tail
from monitor.audit.ports import Probed, ProbeFacts, States
from monitor.audit.probe_faults import ProbeFault
from monitor.audit.probe_faults import refused as rejected
from monitor.metrics import Metrics
from monitor.settings import TritonSettings

_KNOWN_GOOD: Final = b"What is the capital of France?"


async def connect_probe(
    settings: TritonSettings,
    *,
    model: str = "probe",
    url_variable: str = "WATCHKEEPER_TRITON__URL",
    metrics: Metrics | None = None,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
) -> TritonProbe:
    """A connected probe; close it with `aclose`.

    `settings`: the guard's with the probe's own address, deadline and batch (`settings.triton.model_copy(update={...})`): some
    8 texts a call, a deadline of 120 s. Its concurrency isn't looked at: one call is in flight, so that live traffic on the
    same GPU waits for eight short texts at most. Raises Retryable where Triton is away or still loading, Misconfigured where the
    model isn't there, or isn't a probe.
    """
    client = open_client(settings, url_variable)
    probe = TritonProbe(
        TritonModel(
            client,
            settings.model_copy(update={"concurrency": 1}),
            _wire(model, url_variable),
            metrics=metrics or Metrics(),
            now_s=now_s,
            sleep=sleep,
            rng=rng or random.Random(),
        ),
        settings.max_text_chars,
    )
    try:
        await probe.open()
    except BaseException:
        await probe.aclose()
        raise
    return probe


def _wire(model: str, url_variable: str) -> Wire[Row, Said]:
    return Wire(
        what="probe",
        model=model,
        model_variable="WATCHKEEPER_AUDIT__PROBE_MODEL",
        url_variable=url_variable,
        request=partial(probe_request, model),
        read=read_states,
        refused=refused,
        size_bytes=lambda row: len(row[0]),
        known_good=(_KNOWN_GOOD, "layer_01"),
        check=facts_of,
    )


class TritonProbe:
    """Implements monitor.audit.ports.Probe, and monitor.ports.Probe. For use from one event loop; build it with `connect_probe`."""

    def __init__(self, model: TritonModel[Row, Said], max_chars: int) -> None:
        self._model = model
        self._max_chars = max_chars
        self._known: tuple[ProbeFacts, str] | None = None

    async def __aenter__(self) -> Self:
        """Itself: `connect_probe` has opened it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection. Idempotent."""
        await self._model.aclose()

    async def open(self) -> None:
        """Check that the model is a probe, and ready. Raises Retryable or Misconfigured."""
        await self._model.open()
        await self.facts()

    async def facts(self) -> ProbeFacts:
        """See Probe. `states` then gives those of this model, or raises."""
        self._known = facts_of(await self._model.read_config())
        return self._known[0]

    async def states(self, texts: Sequence[str], layers: Sequence[str]) -> Probed:
        """See Probe. CHANGED_SHAPE also where Triton has loaded another probe since `facts` was asked."""
        facts, mark = self._known or facts_of(await self._model.read_config())
        if empty := [place for place, text in enumerate(texts) if not text.strip()]:
            raise rejected(ProbeFault.NO_TEXT, f"text {empty[0]} of {len(texts)} is empty: leave it out")
        if not texts:
            raise rejected(ProbeFault.NO_TEXT, "no texts: give one at least")
        unknown = [name for name in layers if name not in facts.layers]
        if unknown or not layers:
            raise rejected(
                ProbeFault.UNKNOWN_LAYER,
                f"{len(unknown)} unknown of {len(layers)} layers; the model has {facts.layers[0]} to {facts.layers[-1]}",
            )
        joined = SEPARATOR.join(layers)
        said = await self._model.ask(
            [(utf8(head_and_tail(text, self._max_chars)), joined) for text in texts], AUDITS
        )
        states = np.stack(_checked(said, (len(layers), facts.dimensions), mark))
        is_cut = [len(text) > self._max_chars for text in texts]
        return Probed(
            {name: np.ascontiguousarray(states[:, at]) for at, name in enumerate(layers)},
            np.array([one.is_truncated for one in said], np.bool_) | np.array(is_cut, np.bool_),
        )

    async def ping(self) -> Mapping[str, str]:
        """Facts for a person: server, each model's state, which model is probed. Raises Retryable or Misconfigured."""
        found = await self._model.facts()
        facts = await self.facts()
        return {
            **found,
            "probe": f"{facts.model} {facts.version}",
            "states": f"{len(facts.layers)} layers of {facts.dimensions}, {facts.pooling} token, {facts.template}, "
            f"projection {facts.projection}",
        }


def _checked(said: Sequence[Said], shape: tuple[int, int], mark: str) -> list[States]:
    """The states of all. Raises Rejected."""
    found = []
    for place, one in enumerate(said):
        where = f"text {place} of {len(said)}"
        if one.is_refused:
            raise rejected(ProbeFault.REFUSED_TEXT, f"{where}: leave it out, and read Triton's log")
        if one.states is None:
            raise rejected(ProbeFault.CHANGED_SHAPE, f"{where}: the answer isn't a probe's of this release")
        if one.states.shape != shape:
            raise rejected(
                ProbeFault.CHANGED_SHAPE, f"{where}: {one.states.shape} layers and dimensions, not {shape}"
            )
        if one.mark != mark:
            raise rejected(
                ProbeFault.CHANGED_SHAPE, f"{where}: Triton has loaded another probe; ask its facts again"
            )
        if not np.isfinite(one.states).all():
            raise rejected(
                ProbeFault.NOT_FINITE, f"{where}: take --dtype float32 for the probe, or leave the text out"
            )
        found.append(one.states)
    return found
