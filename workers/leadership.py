"""Whether this worker oversees the fleet, for all that is done once in it (docs/adr/0006)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

FROZEN_AFTER_S: Final = 5.0
"""A loop that comes round so much too late may no longer own what it thinks it owns: it waits to hear."""


class Replaced(Exception):
    """Another may oversee by now, or was faster, or we stop: what is done once in the fleet ends here."""


class Membership(Protocol):
    """A member of the control group (workers/control.py)."""

    @property
    def term(self) -> int:
        """Counts the times that the partition became ours."""
        ...

    @property
    def is_owner(self) -> bool:
        """Whether it is ours, as far as we have heard."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether its history is read, so that `now_s` can be told."""
        ...

    @property
    def now_s(self) -> float:
        """The broker's time, seconds since 1970."""
        ...


class Leadership:
    """What the overseer's loop knows of its membership, kept for others, whose own loops may be slow or stand still.

    `is_owner` is true while the loop comes round in time: a process that was frozen doesn't act before it has had time to hear
    that it was replaced. `term` is another number whenever somebody else may have acted in between; it never comes again.
    """

    def __init__(self, sure_after_s: float, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """`sure_after_s`: so long after it stood still, the loop has heard if another has taken over."""
        self._sure_after_s = sure_after_s
        self._monotonic_s = monotonic_s
        self._member: Membership | None = None
        self._turned_s = 0.0
        self._sure_from_s = 0.0
        self._stood_still = 0
        self._before = 0
        """Terms of the memberships before this one."""

    def joined(self, member: Membership) -> None:
        """This is our membership from now on."""
        self.left()
        self._member, self._turned_s = member, self._monotonic_s()

    def left(self) -> None:
        """We are in no group."""
        if self._member is not None:
            self._before += self._member.term + 1
        self._member = None

    def turned(self) -> bool:
        """The loop comes round. Returns whether it comes so late that another may have taken over."""
        now_s = self._monotonic_s()
        is_late = now_s - self._turned_s > FROZEN_AFTER_S
        if is_late:
            self._sure_from_s = now_s + self._sure_after_s
            self._stood_still += 1
        self._turned_s = now_s
        return is_late

    def waited(self) -> None:
        """The loop waited for an answer, and was not frozen."""
        self._turned_s = self._monotonic_s()

    @property
    def is_sure(self) -> bool:
        """Whether there has been time to hear of another since the loop last stood still."""
        now_s = self._monotonic_s()
        return now_s >= self._sure_from_s and now_s - self._turned_s <= FROZEN_AFTER_S

    @property
    def is_owner(self) -> bool:
        """Whether we oversee, for sure."""
        return self._member is not None and self._member.is_owner and self.is_sure

    @property
    def is_live(self) -> bool:
        """Whether `now_s` can be told."""
        return self._member is not None and self._member.is_live

    @property
    def term(self) -> int:
        """Of this spell of overseeing."""
        return self._before + self._stood_still + (self._member.term if self._member is not None else 0)

    @property
    def now_s(self) -> float:
        """The broker's time, seconds since 1970; 0 while we are in no group."""
        return self._member.now_s if self._member is not None else 0.0
