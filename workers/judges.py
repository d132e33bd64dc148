"""The judge of the settings, connected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from monitor.adapters.judge_openai import Endpoint
from monitor.adapters.judge_openai import connect_judge as connect_openai
from monitor.adapters.judge_triton import connect_judge as connect_triton
from monitor.errors import Misconfigured
from monitor.judging.judge_lite import JudgeLite
from monitor.metrics import Metrics
from monitor.ports import Judge
from monitor.settings import Settings, TritonSettings, variable


@dataclass(frozen=True, slots=True)
class Connected:
    """A judge, and how its connections are closed."""

    judge: Judge
    aclose: Callable[[], Awaitable[None]]


def require_judge(settings: Settings, roles: Sequence[str]) -> None:
    """Raises Misconfigured where a role has to judge and nobody is to."""
    judging = sorted({"judging", "judging_backfill"} & set(roles))
    if judging and settings.judging.judge == "off":
        raise Misconfigured(
            f"the role {judging[0]} needs a judge, and {variable('judging', 'judge')} is off",
            "set it to lite, triton or openai (docs/judging.md), or leave the role out",
        )


async def connect_judge(settings: Settings, *, metrics: Metrics) -> Connected:
    """The judge of the settings. Raises Retryable where it is away, Misconfigured where it can't be used or is off."""
    match settings.judging.judge:
        case "off":
            raise Misconfigured(
                "there is no judge to connect", f"set {variable('judging', 'judge')} (docs/judging.md)"
            )
        case "lite":
            return Connected(JudgeLite(), _nothing)
        case "triton":
            on_triton = await connect_triton(
                judge_on_triton(settings),
                model=settings.judging.triton_model,
                url_variable=variable("judging", "triton_url")
                if settings.judging.triton_url
                else variable("triton", "url"),
                metrics=metrics,
            )
            return Connected(on_triton, on_triton.aclose)
        case "openai":
            at_endpoint = await connect_openai(openai_endpoint(settings))
            return Connected(at_endpoint, at_endpoint.aclose)


def judge_on_triton(settings: Settings) -> TritonSettings:
    """The guard's connection, with what is the judge's own: its address, and more time."""
    judging = settings.judging
    return settings.triton.model_copy(
        update={
            "url": judging.triton_url or settings.triton.url,
            "deadline_s": judging.deadline_s,
            "attempts": judging.attempts,
            "concurrency": judging.concurrency,
        }
    )


def openai_endpoint(settings: Settings) -> Endpoint:
    """Where the judge is, and what it may cost."""
    judging = settings.judging
    return Endpoint(
        url=judging.openai_url,
        model=judging.openai_model,
        api_key=judging.openai_api_key,
        constraint=judging.openai_constraint,
        deadline_s=judging.deadline_s,
        attempts=judging.attempts,
        concurrency=judging.concurrency,
        tokens_per_hour=judging.openai_tokens_per_hour,
        tokens_field=judging.openai_tokens_field,
    )


async def _nothing() -> None:
    """There is nothing to close."""
