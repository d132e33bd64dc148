"""The judge behind Triton's gRPC: the rubrics asked in batches, over the same client as the guard's."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from monitor.adapters.judge_wire import Row, Said, check, judge_request, read_answers, refused
from monitor.adapters.triton_model import Client, TritonModel, Wire, open_client
from monitor.adapters.triton_wire import encode
from monitor.errors import Misconfigured, Retryable
from monitor.judging import rubrics
from monitor.judging.answers import Reading, Readings, first_rubrics, to_answer, why_no_care
from monitor.judging.by_code import ByCode
from monitor.judging.rubrics import CARE, REQUEST, Rubrics
from monitor.metrics import Metrics
from monitor.ports import JudgeIdentity
from monitor.settings import TritonSettings
from schemas.judgements import JudgeAnswer, JudgeRequest

_VERSION_TRIES: Final = 3


async def connect_judge(
    settings: TritonSettings,
    *,
    model: str = "judge",
    url_variable: str = "WATCHKEEPER_TRITON__URL",
    loaded: Rubrics | None = None,
    by_code: ByCode | None = None,
    metrics: Metrics | None = None,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
) -> TritonJudge:
    """A connected judge; close it with `aclose`.

    `settings`: the guard's with the judge's own address, deadline, attempts and concurrency
    (`settings.triton.model_copy(update={...})`); `url_variable` is what messages tell a person to set. A judge is slow: a
    deadline of 60 s, not the guard's 10. `loaded`: this release's rubrics unless given. Raises Retryable where Triton is away
    or still loading, Misconfigured where the model isn't there, isn't a judge, or has other rubrics.
    """
    client = open_client(settings, url_variable)
    judge = TritonJudge(
        client,
        settings,
        _wire(model, url_variable),
        loaded=loaded or rubrics.load(rubrics.installed()),
        by_code=by_code or ByCode(),
        metrics=metrics or Metrics(),
        now_s=now_s,
        sleep=sleep,
        rng=rng or random.Random(),
    )
    try:
        await judge.open()
    except BaseException:
        await judge.aclose()
        raise
    return judge


def _wire(model: str, url_variable: str) -> Wire[Row, Said]:
    return Wire(
        what="judge",
        model=model,
        model_variable="WATCHKEEPER_JUDGING__TRITON_MODEL",
        url_variable=url_variable,
        request=partial(judge_request, model),
        read=read_answers,
        refused=refused,
        size_bytes=lambda row: len(row[0][0]) + len(row[0][1]),
        known_good=((b"", b"", False, False), REQUEST),
        check=check,
    )


class TritonJudge(TritonModel[Row, Said]):
    """Implements ports.Judge and ports.Probe. For use from one event loop; build it with `connect_judge`."""

    def __init__(
        self,
        client: Client,
        settings: TritonSettings,
        wire: Wire[Row, Said],
        *,
        loaded: Rubrics,
        by_code: ByCode,
        metrics: Metrics,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
    ) -> None:
        super().__init__(client, settings, wire, metrics=metrics, now_s=now_s, sleep=sleep, rng=rng)
        self._rubrics = loaded
        self._by_code = by_code
        self._identity = JudgeIdentity(wire.model, "", loaded.hash)

    @property
    def identity(self) -> JudgeIdentity:
        """Who gave the last answers: it follows when Triton loads other weights."""
        return self._identity

    async def open(self) -> None:
        """Check that the model is ready, and ask it something to learn who it is. Raises Retryable or Misconfigured."""
        await super().open()
        (said,) = await self.ask([self._wire.known_good])
        if not said.model_version:
            raise Misconfigured(
                f"the judge {self._wire.model!r} at {self._settings.url} doesn't answer as one of this Watchkeeper",
                "serve the model repository of this release (triton_models); read Triton's log",
            )
        self._check_rubrics([said], [self._wire.known_good])
        self._know(said.model_version)

    async def judge(self, requests: Sequence[JudgeRequest]) -> Sequence[JudgeAnswer]:
        """As many answers as requests, in order, all by the judge that `identity` then names.

        An exchange is asked first about itself, and a refusal in one of the five domains then about its care. Raises
        Retryable, or Misconfigured where the judge has come to have other rubrics than these.
        """
        for _ in range(_VERSION_TRIES):
            readings, versions = await self._readings(requests)
            if len(versions) <= 1:
                for version in versions:
                    self._know(version)
                return [
                    to_answer(request, found, self._by_code)
                    for request, found in zip(requests, readings, strict=True)
                ]
        raise Retryable(f"the model {self._wire.model!r} was replaced during {_VERSION_TRIES} tries in a row")

    async def ping(self) -> Mapping[str, str]:
        """Facts for a person: server, each model's state, who the judge is. Raises Retryable or Misconfigured."""
        identity = self._identity
        return {
            **await self.facts(),
            "judge": f"{identity.name} {identity.version}",
            "rubric_hash": identity.rubric_hash,
        }

    async def _readings(self, requests: Sequence[JudgeRequest]) -> tuple[list[Readings], set[str]]:
        """What the rubrics say of each, and the versions of the model that said so."""
        limit = self._settings.max_text_chars
        encoded = [encode(request.prompt, request.response, limit) for request in requests]
        readings: list[dict[str, Reading]] = [{} for _ in requests]
        versions: set[str] = set()

        async def ask(places: Sequence[tuple[int, str]]) -> None:
            rows = [(encoded[index], rubric) for index, rubric in places]
            said = await self.ask(rows)
            self._check_rubrics(said, rows)
            versions.update(one.model_version for one in said if one.model_version)
            for (index, rubric), one in zip(places, said, strict=True):
                readings[index][rubric] = one.reading

        await ask([(i, rubric) for i, request in enumerate(requests) for rubric in first_rubrics(request)])
        await ask(
            [(i, CARE) for i, request in enumerate(requests) if why_no_care(request, readings[i]) is None]
        )
        return list(readings), versions

    def _check_rubrics(self, said: Sequence[Said], rows: Sequence[Row]) -> None:
        for one, (_, rubric) in zip(said, rows, strict=True):
            ours = self._rubrics.by_name[rubric].hash
            if one.rubric_hash and one.rubric_hash != ours:
                raise Misconfigured(
                    f"the judge at {self._settings.url} has the rubric {rubric!r} as {one.rubric_hash}, here it is {ours}",
                    "give both the same files (triton_models/judge/prompts), and restart Triton",
                )

    def _know(self, version: str) -> None:
        self._identity = msgspec.structs.replace(self._identity, version=version)
