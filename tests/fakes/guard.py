"""A guard in memory that can be told to fail, be slow, or answer wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.errors import WatchkeeperError
from monitor.ports import GuardIdentity, Score

ERROR = Score("error", None, None, None, "", None, False)
UNKNOWN = Score("unknown", None, None, None, "", None, False)


def by_keyword(prompt: str, response: str | None) -> Score:
    """Harmful where the prompt says "bomb", a refusal where the response begins with "I'm sorry"."""
    harm = 0.9 if "bomb" in prompt else 0.1
    category = "violence_physical_harm" if "bomb" in prompt else "benign"
    if response is None:
        return Score("ok", harm, None, None, category, 0.9, False)
    refusal = 0.95 if response.startswith("I'm sorry") else 0.05
    return Score("ok", harm, refusal, harm * (1 - refusal), category, 0.9, False)


@dataclass
class FakeGuard:
    """Implements ports.Guard.

    `failures` are raised one a call, first to last. A call waits until `gate` is set. Prompts in `refused` get status
    "error", those in `unreadable` "unknown". `distort` may change the whole answer, its length too.
    """

    identity: GuardIdentity = field(default_factory=lambda: GuardIdentity("fake", "1", "0" * 16))
    failures: list[WatchkeeperError] = field(default_factory=list)
    gate: asyncio.Event | None = None
    refused: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    distort: Callable[[list[Score]], list[Score]] = list
    judge: Callable[[str, str | None], Score] = by_keyword
    calls: list[int] = field(default_factory=list)

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """The scores of `judge`, or the next failure. `calls` keeps the sizes of all calls."""
        self.calls.append(len(prompts))
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return self.distort([self._one(p, r) for p, r in zip(prompts, responses, strict=True)])

    def _one(self, prompt: str, response: str | None) -> Score:
        if prompt in self.refused:
            return ERROR
        return UNKNOWN if prompt in self.unreadable else self.judge(prompt, response)
