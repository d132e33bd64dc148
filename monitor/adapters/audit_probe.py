"""The probe of the settings: which Triton, which model, how many texts a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monitor.adapters.probe_triton import TritonProbe, connect_probe
from monitor.metrics import Metrics
from monitor.settings import Settings, TritonSettings, variable


@asynccontextmanager
async def opened_probe(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[TritonProbe]:
    """Connected, and closed at the end of the block. Raises Retryable, Misconfigured."""
    group = "audit" if settings.audit.probe_url else "triton"
    probe = await connect_probe(
        probe_on_triton(settings),
        model=settings.audit.probe_model,
        url_variable=variable(group, "probe_url" if group == "audit" else "url"),
        metrics=metrics,
    )
    async with probe:
        yield probe


def probe_on_triton(settings: Settings) -> TritonSettings:
    """How the probe's Triton is spoken to."""
    audit = settings.audit
    return settings.triton.model_copy(
        update={
            "url": audit.probe_url or settings.triton.url,
            "deadline_s": audit.probe_deadline_s,
            "max_batch": audit.probe_batch,
            "concurrency": 1,
        }
    )
