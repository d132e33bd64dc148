"""Bad input: the record that keeps it whole, and the limit that stops a bad deploy from draining a topic."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from monitor.errors import Misconfigured
from monitor.origin import origin_in
from monitor.ports import OutRecord
from monitor.settings import DeadLetterSettings
from schemas import topics

WHOLE_MESSAGE: Final = -1
_MAX_DETAIL_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """The record that was bad, as it was read. `attempts` counts this try; a replayed dead letter brings its own."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    arrived_at: datetime


def dead_letter(
    origin: Origin, *, reason: str, detail: str, version: str, index: int = WHOLE_MESSAGE
) -> OutRecord:
    """The dead letter of `origin`: key, value and its own headers whole, ours beside them, none with user text."""
    kept = tuple((name, value) for name, value in origin.headers if not name.startswith("watchkeeper-"))
    attempts = 1 + max(
        (int(value) for name, value in origin.headers if name == topics.HEADER_ATTEMPTS and value.isdigit()),
        default=0,
    )
    ours = {
        topics.HEADER_TOPIC: origin.topic,
        topics.HEADER_PARTITION: str(origin.partition),
        topics.HEADER_OFFSET: str(origin.offset),
        topics.HEADER_INDEX: str(index),
        topics.HEADER_ATTEMPTS: str(attempts),
        topics.HEADER_REASON: reason,
        topics.HEADER_DETAIL: detail[:_MAX_DETAIL_CHARS],
        topics.HEADER_VERSION: version,
        topics.HEADER_ARRIVED_AT: origin.arrived_at.isoformat(),
    }
    first = origin_in(origin.headers)
    if first:
        ours[topics.HEADER_ORIGIN] = first
    headers = tuple((name, value.encode("ascii", "backslashreplace")) for name, value in ours.items())
    return OutRecord(origin.key, origin.value, kept + headers)


@dataclass(slots=True)
class DeadLetterLimit:
    """Watches the share and the run of bad messages of one partition, in order.

    `check` is asked before a batch's dead letters are written, so that the batch that crosses the limit is not
    drained. It changes nothing; `record` does, once the batch is durable: a batch tried twice counts once.
    """

    settings: DeadLetterSettings
    _window: deque[bool] = field(default_factory=deque)
    _run: int = 0

    def check(self, is_bad: Sequence[bool], *, place: str, reasons: str) -> None:
        """Raise Misconfigured if these messages, after those before, are too many bad ones."""
        window, run = self._after(is_bad)
        share = sum(window) / len(window) if window else 0.0
        limit = self.settings
        if run >= limit.max_run:
            what = f"{run} messages in a row"
        elif len(window) >= limit.window_messages and share > limit.max_share:
            what = f"{share:.0%} of the last {len(window)} messages"
        else:
            return
        raise Misconfigured(
            f"{what} of {place} can't be used ({reasons}): stopped before they drain into the dead letters",
            "look at the producer's last deploy; if these messages are really to be dead-lettered, raise "
            "WATCHKEEPER_DEAD_LETTERS__MAX_RUN, and __MAX_SHARE (1: any share), and restart the workers",
        )

    def record(self, is_bad: Sequence[bool]) -> None:
        """Remember these messages."""
        self._window, self._run = self._after(is_bad)

    def _after(self, is_bad: Sequence[bool]) -> tuple[deque[bool], int]:
        window = deque(self._window, maxlen=self.settings.window_messages)
        window.extend(is_bad)
        run = self._run
        for bad in is_bad:
            run = run + 1 if bad else 0
            if run >= self.settings.max_run:
                break
        return window, run
