"""How many tokens an endpoint may cost us in an hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from monitor.errors import Retryable

_HOUR_S: Final = 3_600.0


@dataclass(slots=True)
class TokenBudget:
    """Counts tokens over the last hour. `per_hour` 0: no limit. Not for use from several threads."""

    per_hour: int
    now_s: Callable[[], float]
    _spent: deque[tuple[float, int]] = field(default_factory=deque, init=False)
    _total: int = field(default=0, init=False)

    def admit(self) -> None:
        """Let a call through while something is left, or raise Retryable with the wait. One call may overdraw it."""
        now = self.now_s()
        while self._spent and self._spent[0][0] <= now - _HOUR_S:
            self._total -= self._spent.popleft()[1]
        if self.per_hour and self._total >= self.per_hour:
            raise Retryable(
                f"the judge has cost {self._total} tokens within an hour, and {self.per_hour} are allowed",
                retry_after_s=max(self._spent[0][0] + _HOUR_S - now, 1.0),
            )

    def spend(self, tokens: int) -> None:
        """Count what a call has cost."""
        if tokens > 0:
            self._spent.append((self.now_s(), tokens))
            self._total += tokens

    @property
    def spent(self) -> int:
        """Tokens of the last hour, as of the last `admit`."""
        return self._total
