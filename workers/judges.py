"""The judge of the settings, connected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from monitor.errors import Misconfigured
from monitor.metrics import Metrics
from monitor.ports import Judge
from monitor.roles import JUDGING
from monitor.settings import Settings, variable


@dataclass(frozen=True, slots=True)
class Connected:
    """A judge, and how its connections are closed."""

    judge: Judge
    aclose: Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """There is nothing to close."""


def require_judge(settings: Settings, roles: Sequence[str]) -> None:
    """Raises Misconfigured where a role has to judge and nobody is to."""
    judging = sorted(set(roles) & set(JUDGING) - {"judgements"})
    if judging and settings.judging.judge == "off":
        raise Misconfigured(
            f"the role {judging[0]} needs a judge, and {variable('judging', 'judge')} is off",
            "set it to lite, triton or openai (docs/judging.md), or leave the role out",
        )


async def connect_judge(settings: Settings, *, metrics: Metrics) -> Connected:
    """The judge of the settings. Raises Retryable where it is away, Misconfigured where it can't be used."""
    match settings.judging.judge:
        case "lite":
            from monitor.judging.judge_lite import JudgeLite

            return Connected(JudgeLite(), _nothing)
    raise Misconfigured("there is no such judge", "")
