"""A judge in memory that can be told to fail, be slow, or answer twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.errors import WatchkeeperError
from monitor.ports import JudgeIdentity
from schemas.judgements import JudgeAnswer, JudgeRequest

ERROR: Final = JudgeAnswer(status="error")
UNKNOWN: Final = JudgeAnswer(status="unknown")


def by_the_guard(request: JudgeRequest) -> JudgeAnswer:
    """What the request says of the harm given, and why it knows no more."""
    return JudgeAnswer(
        status="ok",
        category=request.category,
        harm_provided=request.response_harm,
        not_judged={"care_grounding": "no_language_model"},
    )


@dataclass
class FakeJudge:
    """Implements ports.Judge.

    `failures` are raised one a call, first to last. A call waits until `gate` is set. Events in `refused` get status
    "error", those in `unreadable` "unknown". With `answers_twice` the first call gives each answer twice.
    """

    identity: JudgeIdentity = field(default_factory=lambda: JudgeIdentity("fake", "1", "r" * 12))
    failures: list[WatchkeeperError] = field(default_factory=list)
    gate: asyncio.Event | None = None
    refused: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    answers_twice: bool = False
    asked: list[str] = field(default_factory=list)

    async def judge(self, requests: Sequence[JudgeRequest]) -> Sequence[JudgeAnswer]:
        """An answer a request, or the next failure. `asked` keeps the ids of all calls."""
        self.asked += [request.event_id for request in requests]
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        answers = [self._one(request) for request in requests]
        if self.answers_twice:
            self.answers_twice = False
            return [*answers, *answers]
        return answers

    def _one(self, request: JudgeRequest) -> JudgeAnswer:
        if request.event_id in self.refused:
            return ERROR
        return UNKNOWN if request.event_id in self.unreadable else by_the_guard(request)
