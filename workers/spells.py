"""What is done once in the fleet: spell after spell, each for as long as this worker surely oversees (docs/adr/0006).

A duty says what it does in a spell and what it shows; all else is the same for each: when a spell begins and ends, how long a failure
is waited for, and how a stop goes.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

from mode import Service
from structlog.typing import FilteringBoundLogger

from monitor.backoff import Backoff
from monitor.clock import at_millisecond
from monitor.errors import Misconfigured
from monitor.settings import RetrySettings
from workers.leadership import Membership, Replaced
from workers.trouble import is_cancelled, said, where

POLL_S: Final = 0.5
"""So often it is looked whether we oversee."""
SHOW_EVERY_S: Final = 1.0
CLOSE_WITHIN_S: Final = 10.0
"""So long a stop lets what is being done come to its end; what isn't kept by then is done again by the next."""


class Duty(Service):
    """Done while it is us who oversee, in a task of its own, so that what is slow or away delays nothing else. Goes on whatever fails."""

    mundane_level = "debug"

    def __init__(
        self,
        leads: Membership,
        retry: RetrySettings,
        *,
        doing: str,
        log: FilteringBoundLogger,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`doing`: how lines of `log` begin that say of it that it failed."""
        super().__init__()
        self._leads = leads
        self._retry = retry
        self._doing = doing
        self._log = log
        self._monotonic_s = monotonic_s
        self._going: asyncio.Future[None] | None = None

    @abstractmethod
    async def act(self, spell: Spell, stack: AsyncExitStack) -> None:
        """Do it until the spell isn't ours any more; what is opened on `stack` is closed then. May raise anything: Replaced ends the
        spell quietly, Misconfigured is tried again after `retry.halted_s`, all else after a backoff."""

    def show(self) -> None:
        """The figures, once a second while we oversee, also while nothing can be done."""

    def show_nothing(self) -> None:
        """The figures, once a second while we don't: they are another's."""

    async def on_start(self) -> None:
        """Begin."""
        self._going = self.add_future(self._go_on())
        self.add_future(self._show_for_ever())

    async def on_stop(self) -> None:
        """Let what is being done come to its end, within CLOSE_WITHIN_S."""
        if self._going is not None:
            await asyncio.wait((self._going,), timeout=CLOSE_WITHIN_S)

    async def _go_on(self) -> None:
        backoff, term = Backoff(self._retry), 0
        while not self.should_stop:
            if not (self._leads.is_owner and self._leads.is_live):
                await self.sleep(POLL_S)
                continue
            spell = Spell(self, self._leads, monotonic_s=self._monotonic_s)
            if spell.term != term:
                backoff, term = Backoff(self._retry), spell.term
            await spell.sleep(await self._held(spell, backoff))

    async def _held(self, spell: Spell, backoff: Backoff) -> float:
        """A spell, to its end: how long the next in the same term is waited for."""
        try:
            async with AsyncExitStack() as stack:
                await self.act(spell, stack)
        except Replaced:
            self._log.info(f"{self._doing} ends here: another may oversee, or this worker stops")
        except asyncio.CancelledError as exc:
            if is_cancelled():
                raise
            return self._failed(spell, backoff, where(exc))
        except Misconfigured as exc:
            wait_s = self._retry.halted_s
            self._log.error(
                f"{self._doing} waits for a person, tried again", error=str(exc), retry_in_s=wait_s
            )
            return wait_s
        except Exception as exc:  # noqa: BLE001  # whatever it was, it waits and nothing is lost
            return self._failed(spell, backoff, said(exc))
        return POLL_S

    def _failed(self, spell: Spell, backoff: Backoff, error: str) -> float:
        backoff.went_well(spell.went_well_for_s)
        wait_s = backoff.next_s()
        self._log.warning(f"{self._doing} failed, begun again", error=error, retry_in_s=round(wait_s, 2))
        return wait_s

    async def _show_for_ever(self) -> None:
        while not self.should_stop:
            try:
                if self._leads.is_owner and self._leads.is_live:
                    self.show()
                else:
                    self.show_nothing()
            except Exception as exc:  # noqa: BLE001  # a fault of what is shown is no reason to end
                self._log.error(f"{self._doing} can't be shown", error=where(exc))
            await self.sleep(SHOW_EVERY_S)


class Spell:
    """Our time as the one who oversees, from one taking over to the next change."""

    def __init__(
        self, duty: Service, leads: Membership, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Of the term that is now. It is over when `duty` is to stop, too."""
        self._duty = duty
        self._leads = leads
        self._monotonic_s = monotonic_s
        self.term = leads.term
        self._now_s = leads.now_s
        self._well_from_s: float | None = None
        self._well_until_s = 0.0

    def is_ours(self) -> bool:
        """Whether we may act; asked before each thing that others could do too."""
        return self.is_held() and not self._duty.should_stop

    def is_held(self) -> bool:
        """Whether nobody else may act yet, though we may be about to stop: for the end of what was begun."""
        leads = self._leads
        return leads.is_owner and leads.is_live and leads.term == self.term

    @property
    def now_s(self) -> float:
        """The broker's time, seconds since 1970; once the spell is over, the last that was asked for: a member that has left knows none."""
        self._now_s = max(self._now_s, self._leads.now_s)
        return self._now_s

    @property
    def now(self) -> datetime:
        """The same to the millisecond, as it is written down."""
        return at_millisecond(self.now_s)

    async def sleep(self, seconds: float) -> None:
        """That long, or until the spell is over."""
        until_s = self._monotonic_s() + seconds
        while self.is_ours() and (left_s := until_s - self._monotonic_s()) > 0:
            await self._duty.sleep(min(POLL_S, left_s))

    def went_well(self) -> None:
        """All was done that could be, for now."""
        self._well_until_s = self._monotonic_s()
        if self._well_from_s is None:
            self._well_from_s = self._well_until_s

    @property
    def went_well_for_s(self) -> float:
        """From the first to the last time. So long a spell that failed at last needs no patience from before it."""
        return 0.0 if self._well_from_s is None else self._well_until_s - self._well_from_s
