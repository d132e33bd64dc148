"""What `watchkeeper check` says of audits: whether the probe is there, and the files of anchors can be read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from monitor.adapters.anchor_sources import MATCHED
from monitor.adapters.audit_probe import opened_probe
from monitor.audit.sources import LIVE
from monitor.audit_settings import listed
from monitor.checking.outcomes import PartCheck, failed, passed
from monitor.errors import Misconfigured, Retryable
from monitor.settings import Settings, variable


async def audit_checks(settings: Settings, *, deadline_s: float) -> list[PartCheck]:
    """The probe and each file of anchors; nothing where audits are off. Raises nothing for what is wrong with them."""
    audit = settings.audit
    if not audit.enabled:
        return []
    files = [name for name in listed(audit.anchor_sets) if name not in (MATCHED, LIVE)]
    return [
        await _probe_check(settings, deadline_s),
        *await asyncio.gather(*(asyncio.to_thread(anchors_check, path) for path in files)),
    ]


async def _probe_check(settings: Settings, deadline_s: float) -> PartCheck:
    name = f"probe {settings.audit.probe_model}"
    quick = settings.audit.model_copy(
        update={"probe_deadline_s": min(settings.audit.probe_deadline_s, deadline_s / 2)}
    )
    once = settings.triton.model_copy(update={"attempts": 1})
    try:
        async with (
            asyncio.timeout(deadline_s),
            opened_probe(settings.model_copy(update={"audit": quick, "triton": once})) as probe,
        ):
            facts = await probe.ping()
    except TimeoutError:
        return failed("audits", name, f"no answer within {deadline_s:g} s", "read Triton's log")
    except Misconfigured as exc:
        what, _, remedy = str(exc).partition("\n  → ")
        return failed("audits", name, what, remedy)
    except Retryable as exc:
        return failed(
            "audits",
            name,
            str(exc),
            f"give Triton the folder of triton_models.probe.model_folder (docs/audit.md), or set {variable('audit', 'probe_url')}; "
            "audits wait until it is there",
        )
    return passed("audits", name, f"{facts['probe']}, {facts['states']}")


def anchors_check(path: str) -> PartCheck:
    """Whether a file of anchors is there to be read. What is in it, the audit says: a check is to be quick."""
    name = f"anchors {ascii(path)[1:-1]}"
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        return failed(
            "audits",
            name,
            f"can't be read here: {why}",
            f"put it there, or correct {variable('audit', 'anchor_sets')}",
        )
    return passed("audits", name, "there")
