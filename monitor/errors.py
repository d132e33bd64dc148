"""What can go wrong, in the classes that the loops decide by.

    WatchkeeperError
    ├── Retryable       the other side is away, slow or overloaded: wait and do the same again
    ├── Rejected        this input will never be good: dead-letter it, with the reason
    └── Misconfigured   a person has to change something: say what, and stop

Adapters translate a library's exception into one of these at the edge (`raise ... from exc`).
Messages say what happened, the value, the place and the next step. They never hold user text.
"""

from __future__ import annotations


class WatchkeeperError(Exception):
    """The root of everything that Watchkeeper raises on purpose."""

    @property
    def line(self) -> str:
        """What happened and the next step, on one line."""
        return str(self).replace("\n  → ", ": ").replace("\n", " ")


class Retryable(WatchkeeperError):
    """The same call may succeed later. `retry_after_s` is the least useful wait in seconds, if known."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Rejected(WatchkeeperError):
    """This input can't be used, now or later.

    `reason` is one of a bounded set of slugs (it becomes a header and a metric label);
    `detail` says where in the input and what was expected, without quoting the input.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Misconfigured(WatchkeeperError):
    """A setting, an address or an installation is wrong. `remedy` is the next step for a person."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}\n  → {remedy}" if remedy else message)
        self.remedy = remedy
