"""The guard behind Triton's gRPC (monitor/adapters/triton_model.py)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from monitor.adapters.triton_model import BACKFILL, LIVE, Client, Meters, TritonModel, Wire, open_client
from monitor.adapters.triton_wire import (
    ERROR,
    ERROR_CUT,
    Encoded,
    encode,
    identity_of,
    infer_request,
    read_scores,
)
from monitor.errors import Retryable
from monitor.metrics import Metric, Metrics
from monitor.ports import GuardIdentity, Score
from monitor.settings import TritonSettings

_IDENTITY_TRIES: Final = 3
_URL_VARIABLE: Final = "WATCHKEEPER_TRITON__URL"


async def connect(
    settings: TritonSettings,
    *,
    metrics: Metrics | None = None,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
) -> TritonGuard:
    """A connected guard. Raises Retryable where Triton is away or still loading, Misconfigured where the model isn't
    there or isn't a guard of this release. `now_s` is a monotonic clock."""
    client = open_client(settings, _URL_VARIABLE)
    guard = TritonGuard(
        client, settings, metrics=metrics or Metrics(), now_s=now_s, sleep=sleep, rng=rng or random.Random()
    )
    try:
        await guard.open()
    except BaseException:
        await guard.aclose()
        raise
    return guard


def _wire(model: str) -> Wire[Encoded, Score]:
    return Wire(
        what="guard",
        model=model,
        model_variable="WATCHKEEPER_TRITON__GUARD_MODEL",
        url_variable=_URL_VARIABLE,
        request=partial(infer_request, model),
        read=read_scores,
        refused=lambda row: ERROR_CUT if row[3] else ERROR,
        size_bytes=lambda row: len(row[0]) + len(row[1]),
        known_good=(b"", b"", False, False),
        check=identity_of,
        meters=Meters(
            Metric.GUARD_CALLS, Metric.GUARD_SECONDS, Metric.GUARD_TURNED_AWAY, Metric.BREAKER_OPENINGS
        ),
    )


class TritonGuard(TritonModel[Encoded, Score]):
    """Implements ports.Guard and ports.Probe. For use from one event loop; build it with `connect`."""

    def __init__(
        self,
        client: Client,
        settings: TritonSettings,
        *,
        metrics: Metrics,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
    ) -> None:
        super().__init__(
            client, settings, _wire(settings.guard_model), metrics=metrics, now_s=now_s, sleep=sleep, rng=rng
        )
        self._identity = GuardIdentity(settings.guard_model, "", "")

    @property
    def identity(self) -> GuardIdentity:
        """Who answered the last `score`: it follows when Triton loads other weights."""
        return self._identity

    async def read_config(self) -> Any:
        """The ModelConfig, checked, from which the identity is taken. Raises Retryable or Misconfigured."""
        config = await super().read_config()
        self._identity = identity_of(config)
        return config

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """As many scores as prompts, in order, all by the guard that `identity` then names.

        Raises Retryable where the guard is away, refuses everything, or its breaker is open; Misconfigured where it
        has become another kind of model. An exchange that alone makes it fail gets status "error".
        """
        return await self.score_at(LIVE, prompts, responses)

    def behind_live(self) -> BehindLive:
        """The same guard, for backfill."""
        return BehindLive(self)

    async def score_at(
        self, priority: int, prompts: Sequence[str], responses: Sequence[str | None]
    ) -> Sequence[Score]:
        """`score` at one of Triton's priorities."""
        if not prompts:
            return []
        limit = self._settings.max_text_chars
        encoded = [encode(prompt, reply, limit) for prompt, reply in zip(prompts, responses, strict=True)]
        for _ in range(_IDENTITY_TRIES):
            asked = self._identity
            scores = await self.ask(encoded, priority)
            # Read anew after every call: a restarted or reloaded Triton serves other weights as the same version.
            await self.read_config()
            if self._identity == asked:
                return scores
        raise Retryable(
            f"the model {self._settings.guard_model!r} was replaced during {_IDENTITY_TRIES} tries in a row"
        )

    async def ping(self) -> Mapping[str, str]:
        """Facts for a person: server, each model's state, who the guard is. Raises Retryable or Misconfigured."""
        found = await self.facts()
        identity = self._identity
        return {
            **found,
            "guard": f"{identity.name} {identity.version}",
            "prompt_hash": identity.prompt_hash,
        }


@dataclass(frozen=True, slots=True)
class BehindLive:
    """Implements ports.Guard: a guard whose answers live traffic is served before, where the model has priorities. Client,
    limits and breaker are the guard's."""

    guard: TritonGuard

    @property
    def identity(self) -> GuardIdentity:
        """Who answered the last `score`."""
        return self.guard.identity

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """As the guard's own."""
        return await self.guard.score_at(BACKFILL, prompts, responses)
