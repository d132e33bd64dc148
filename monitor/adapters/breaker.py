"""A circuit breaker: after a run of failures, fail at once for a while instead of waiting for a dead server.

    closed ──failures in a row──► open ──open_s──► half-open ──the one trial succeeds──► closed
                                    ▲                  │
                                    └──the trial fails─┘

Only a server that doesn't answer is a failure: a refusal of one input shows that it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.errors import Retryable

State = Literal["closed", "open", "half-open"]

_TRIAL_WAIT_S: Final = 0.5
"""Least useful wait for whoever comes while a trial is under way."""


@dataclass(slots=True)
class Breaker:
    """Counts outcomes of calls. `now_s` is a monotonic clock in seconds. Not for use from several threads."""

    failures: int
    open_s: float
    now_s: Callable[[], float]
    what: str = "guard"
    remedy: str = "see whether Triton is up"
    _in_a_row: int = field(default=0, init=False)
    _opened_at: float | None = field(default=None, init=False)
    _is_trying: bool = field(default=False, init=False)

    @property
    def state(self) -> State:
        """Where it stands now."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self.now_s() >= self._opened_at + self.open_s else "open"

    def admit(self) -> None:
        """Let a call through, or raise Retryable with the wait. Whoever is let through reports the outcome."""
        if self._opened_at is None:
            return
        remaining = self._opened_at + self.open_s - self.now_s()
        if remaining > 0:
            raise Retryable(
                f"the {self.what} failed {self._in_a_row} calls in a row, so calls stop for {remaining:.1f} s more; "
                f"{self.remedy}",
                retry_after_s=remaining,
            )
        if self._is_trying:
            raise Retryable(
                f"the {self.what} was away and one trial call is under way; try again", _TRIAL_WAIT_S
            )
        self._is_trying = True

    def succeeded(self) -> None:
        """The server answered, if only with a refusal of this input."""
        self._in_a_row = 0
        self._opened_at = None
        self._is_trying = False

    def failed(self) -> bool:
        """The server as a whole didn't answer. True where that has opened it, or a failed trial opened it again."""
        self._in_a_row += 1
        opens = self._is_trying or (self._opened_at is None and self._in_a_row >= self.failures)
        if opens:
            self._opened_at = self.now_s()
        self._is_trying = False
        return opens

    def abandoned(self) -> None:
        """The call was cancelled: it says nothing of the server."""
        self._is_trying = False
