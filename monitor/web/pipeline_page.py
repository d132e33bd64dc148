"""How the stream itself is: what `watchkeeper check` finds, what was read, answered and refused lately, and how far the watch is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from monitor.checking.outcomes import TITLES, PartCheck
from monitor.checking.parts import all_checks
from monitor.checking.store import store_checks
from monitor.settings import Settings
from monitor.web.figures import figure
from monitor.web.rendering import page
from monitor.web.site import Site, answered

FRESH_S: Final = 10.0
WITHIN_S: Final = 4.0
SPANS: Final = (
    ("minute", timedelta(minutes=1)),
    ("10 minutes", timedelta(minutes=10)),
    ("hour", timedelta(hours=1)),
)


@dataclass(slots=True)
class Checks:
    """The checks of `watchkeeper check`, asked for all pages together and at most every FRESH_S."""

    ask: Callable[[], Awaitable[list[PartCheck]]]
    _asked_s: float = 0.0
    _task: asyncio.Task[list[PartCheck]] | None = None
    last: Sequence[PartCheck] = field(default_factory=tuple)

    async def get(self) -> Sequence[PartCheck]:
        """The newest."""
        now = time.monotonic()
        if self._task is None or (self._task.done() and now - self._asked_s > FRESH_S):
            self._asked_s = now
            self._task = asyncio.create_task(self._run())
        self.last = await asyncio.shield(self._task)
        return self.last

    async def _run(self) -> list[PartCheck]:
        return list(await self.ask())

    async def aclose(self) -> None:
        """Give up what is on its way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def checks_of(settings: Settings) -> Checks:
    """The checks of these parts."""
    return Checks(
        lambda: all_checks(settings, lambda: store_checks(settings.clickhouse), deadline_s=WITHIN_S)
    )


async def pipeline_page(request: Request) -> Response:
    """`/pipeline`."""
    site: Site = request.app.state.site
    checks: Checks = request.app.state.checks
    now = site.now().replace(microsecond=0)
    now -= timedelta(seconds=now.second % 5)
    letters, expected, told, last = await asyncio.gather(
        answered(site.store.query("dashboard_letters", since=now - timedelta(days=1), until=now)),
        site.expected(),
        checks.get(),
        answered(site.store.query("watch_last_window", fleet=site.fleet)),
    )
    spans = await asyncio.gather(
        *(
            answered(site.store.query("dashboard_coverage", fleet=site.fleet, since=now - span, until=now))
            for _, span in SPANS
        )
    )
    ends_at = last.value[0]["ends_at"] if last.value else None
    return page(
        request,
        "pipeline.html",
        troubles=(
            letters.trouble,
            expected.trouble,
            last.trouble,
            site.book.trouble,
            *(one.trouble for one in spans),
        ),
        title="Pipeline",
        part_checks=[
            (words, [check for check in told if check.part == part])
            for part, words in TITLES.items()
            if any(check.part == part for check in told)
        ],
        spans=[
            (words, one.value[0], figure(one.value[0]["answered"], one.value[0]["to_be_scored"]))
            for (words, _), one in zip(SPANS, spans, strict=True)
            if one.value
        ],
        letters=letters.value or [],
        ends_at=ends_at,
        position=expected.position,
        states=expected.states,
        streams=site.hub.streams,
    )
