"""An outbox in memory that can be told to fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.ports import Headers, OutRecord


@dataclass
class FakeOutbox:
    """Implements ports.LetterBox. `failures` are raised one a call, first to last, before anything is written; `on_publish` is
    called at each write."""

    failures: list[BaseException] = field(default_factory=list)
    published: dict[tuple[str, int], list[OutRecord]] = field(default_factory=lambda: defaultdict(list))

    on_publish: Callable[[], None] = lambda: None

    async def publish(self, topic: str, partition: int, records: Sequence[OutRecord]) -> None:
        """Append, or raise the next failure."""
        if not records:
            return
        if self.failures:
            raise self.failures.pop(0)
        self.on_publish()
        self.published[topic, partition].extend(records)

    async def last_headers(self, topic: str, partition: int, count: int) -> Sequence[Headers]:
        """Of what was published."""
        return [record.headers for record in self.published[topic, partition][-count:]]
