"""The weekly report for whoever looks: made beside the event loop, one at a time, and kept for a while, so that many who ask cost
what one does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.reporting.document import Report
from monitor.reporting.formats import Format, rendered
from monitor.reporting.weeks import Week

log = structlog.get_logger("watchkeeper.dashboard")

OFFERED: Final = 9
"""Weeks: the one that goes on, and those before it. No other is made, or kept."""
FRESH_S: Final = 600.0
"""Late data correct a week: one that is older is made anew by whoever looks next, who is shown the old one meanwhile."""
AGAIN_S: Final = 10.0
"""After one that could not be made."""
WITHIN_S: Final = 120.0

Tell = Callable[[int, str], None]
Make = Callable[[Week, Tell], Awaitable[Report]]


@dataclass(slots=True)
class Made:
    """A week's report as far as it is. `step` of STEPS and `doing` say how far the next one is while `is_making`; `trouble` why the
    last try brought none."""

    report: Report | None = None
    trouble: str = ""
    step: int = 0
    doing: str = "waiting for its turn"
    files: dict[Format, asyncio.Task[bytes]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    ended_s: float = -math.inf

    @property
    def is_making(self) -> bool:
        """Whether one is on its way."""
        return self.task is not None and not self.task.done()


@dataclass(slots=True)
class ReportDesk:
    """`make` asks and builds; raises what the store raises. `on_step` is told of every step. `now_s` never goes back."""

    make: Make
    on_step: Callable[[], None]
    now_s: Callable[[], float]
    _made: dict[Week, Made] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @staticmethod
    def offered(this: Week) -> Mapping[str, Week]:
        """The weeks that may be asked for, by name: the last complete one first, then those before it, the one that goes on last."""
        weeks = [this.before(back) for back in range(1, OFFERED)] + [this]
        return {week.name: week for week in weeks}

    def look(self, week: Week) -> Made:
        """What there is of a week; begins to make it where there is none, or an old one."""
        made = self._made.pop(week, None) or Made()
        self._made[week] = made
        while len(self._made) > OFFERED:
            self._forget(next(iter(self._made)))
        keeps_s = AGAIN_S if made.trouble else FRESH_S
        if not made.is_making and self.now_s() - made.ended_s > keeps_s:
            made.task = asyncio.create_task(self._run(week, made), name="dashboard report")
        return made

    async def file(self, week: Week, form: Format) -> bytes | None:
        """The report as a file; None where it can't be made now. Raises Misconfigured for a PDF where Typst isn't installed."""
        made = self.look(week)
        if made.report is None and made.task is not None:
            await asyncio.shield(made.task)
        if made.report is None:
            return None
        if form not in made.files:
            made.files[form] = asyncio.create_task(self._render(made.report, form))
        return await asyncio.shield(made.files[form])

    async def aclose(self) -> None:
        """Give up what is on its way."""
        for week in list(self._made):
            self._forget(week)

    async def _run(self, week: Week, made: Made) -> None:
        def tell(step: int, doing: str) -> None:
            made.step, made.doing = step, doing
            self.on_step()

        try:
            async with self._lock, asyncio.timeout(WITHIN_S):
                made.report = await self.make(week, tell)
            made.trouble, made.files = "", {}
        except TimeoutError:
            made.trouble = f"the report wasn't ready within {WITHIN_S:g} s"
        except (Retryable, Misconfigured, Rejected) as exc:
            made.trouble = exc.line
        except Exception as exc:  # noqa: BLE001  # told to whoever looks, and tried again
            log.error("report failed", week=week.name, error=type(exc).__name__)
            made.trouble = "the report can't be made: a fault of the dashboard, whose log says where"
        finally:
            made.ended_s, made.step = self.now_s(), 0
            # Who is told looks at once, and would find it on its way.
            asyncio.get_running_loop().call_soon(self.on_step)

    async def _render(self, report: Report, form: Format) -> bytes:
        async with self._lock:
            return await asyncio.to_thread(rendered, report, form)

    def _forget(self, week: Week) -> None:
        made = self._made.pop(week)
        for task in (made.task, *made.files.values()):
            if task is not None:
                task.cancel()
