"""Whether all is well, in a sentence that somebody reads who was woken up for it; and what to open if it isn't."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from monitor.settings import Settings
from monitor.web.site import Site, answered
from monitor.wording.figures import duration
from schemas.alerts import Alert

Tone = Literal["good", "quiet", "warn", "bad"]

LEAST_LATELY: Final = timedelta(minutes=10)
LEAST_LATE: Final = timedelta(minutes=1)
"""A watch whose last window is older than this, and than three windows, stands still."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """`ends_at`: the end of the last window that was closed. `messages`: those of the windows that began `lately`. None: not known, or
    none yet. `trouble`: why the store says nothing."""

    ends_at: datetime | None = None
    messages: int | None = None
    trouble: str = ""
    lately: timedelta = LEAST_LATELY


@dataclass(frozen=True, slots=True)
class Standing:
    """`words`: one sentence. `opens`: the address of what to look at, and its name; None where nothing has to be opened, or where
    it stands below."""

    tone: Tone
    words: str
    opens: tuple[str, str] | None = None


PIPELINE: Final = ("/pipeline", "Look at the pipeline")


async def pulse(site: Site, now: datetime) -> Pulse:
    """Asked of the store. Never raises for a part that is away."""
    until = now.replace(
        second=now.second // 5 * 5, microsecond=0
    )  # who asks at about the same time asks the same
    windows = 3 * timedelta(seconds=site.settings.drift.window_s + site.settings.drift.settle_s)
    since = until - max(LEAST_LATELY, windows)
    last, arrived = await asyncio.gather(
        answered(site.store.query("watch_last_window", fleet=site.fleet)),
        answered(site.store.query("dashboard_coverage", fleet=site.fleet, since=since, until=until)),
    )
    return Pulse(
        ends_at=last.value[0]["ends_at"] if last.value else None,
        messages=arrived.value[0]["messages"] if arrived.value else None,
        trouble=last.trouble or arrived.trouble,
        lately=until - since,
    )


def late_after(settings: Settings) -> timedelta:
    """How old the last window is at least when the watch stands still."""
    return max(LEAST_LATE, 3 * timedelta(seconds=settings.drift.window_s + settings.drift.settle_s))


def standing(
    going: Sequence[Alert], pulse: Pulse, *, alerts_trouble: str, now: datetime, late: timedelta
) -> Standing:
    """`going`: the alerts that go on. `alerts_trouble`: why they may not be all."""
    if going:
        critical = sum(alert.severity == "critical" for alert in going)
        many = "1 alert goes on" if len(going) == 1 else f"{len(going):,} alerts go on"
        worst = (
            "" if not critical else ", critical" if len(going) == 1 else f", {critical:,} of them critical"
        )
        known = ", as far as is known: the alerts can't be read now" if alerts_trouble else ""
        return Standing("bad" if critical else "warn", f"{many}{worst}{known}.")
    if alerts_trouble:
        return Standing("warn", "Whether an alert goes on isn't known: they can't be read now.", PIPELINE)
    if pulse.trouble:
        return Standing("warn", "No alert goes on, but the store doesn't say how the rates are.", PIPELINE)
    if pulse.ends_at is None:
        return Standing("quiet", "Nothing is watched yet: no window of traffic has been closed.", PIPELINE)
    if now - pulse.ends_at > late:
        return Standing("warn", "No alert goes on, but nobody looks: the watch stands still.", PIPELINE)
    if not pulse.messages:
        return Standing(
            "quiet", f"No alert goes on; nothing has arrived in the last {duration(pulse.lately)}.", PIPELINE
        )
    return Standing("good", "All is well: no alert goes on, and the watch looks at what arrives.")
