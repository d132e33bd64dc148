"""A judge behind any OpenAI-compatible endpoint (/chat/completions): the same rubrics as Triton's judge, the same answers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx
import msgspec
from pydantic import SecretStr

from monitor.adapters.breaker import Breaker
from monitor.adapters.openai_replies import Completion, completion_of, fault_of, retry_after_s
from monitor.adapters.token_budget import TokenBudget
from monitor.adapters.triton_wire import head_and_tail
from monitor.errors import Misconfigured, Retryable
from monitor.judging import rubrics
from monitor.judging.answers import Reading, first_rubrics, to_answer, why_no_care
from monitor.judging.by_code import ByCode
from monitor.judging.chat_questions import json_schema, messages, passes_of, read_reply
from monitor.judging.reasons import NotJudged
from monitor.judging.rubrics import CARE, REQUEST, Pass, Rubrics
from monitor.ports import JudgeIdentity
from schemas.judgements import JudgeAnswer, JudgeRequest

Constraint = Literal["json_schema", "json_object", "none"]

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_TOP_LOGPROBS: Final = 20  # OpenAI's most
_MODEL_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the judge is and what it may cost.

    `url` ends before /chat/completions. `constraint`: how the reply is kept to the options: by a JSON Schema (OpenAI, vLLM,
    SGLang), by asking for some JSON object, or by the words of the message alone. `max_reply_tokens` is of one call;
    `max_text_chars` cuts a longer prompt or response to head and tail. `tokens_per_hour` 0: no limit. `tokens_field`:
    newer models of OpenAI's want max_completion_tokens.
    """

    url: str
    model: str
    api_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    constraint: Constraint = "json_schema"
    deadline_s: float = 60.0
    attempts: int = 3
    concurrency: int = 8
    max_text_chars: int = 8_000
    max_reply_tokens: int = 128
    tokens_per_hour: int = 0
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    breaker_failures: int = 5
    breaker_open_s: float = 15.0


async def connect_judge(
    endpoint: Endpoint,
    *,
    loaded: Rubrics | None = None,
    by_code: ByCode | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
) -> OpenAIJudge:
    """A judge that has answered once, with token probabilities or, where the endpoint has none, without; close it with
    `aclose`. Raises Retryable where it is away, Misconfigured where a person has to change something."""
    if not endpoint.url.startswith(("http://", "https://")) or not endpoint.model:
        raise Misconfigured(
            "the judge's endpoint has no http address or no model",
            "set WATCHKEEPER_JUDGING__OPENAI_URL (https://host/v1) and WATCHKEEPER_JUDGING__OPENAI_MODEL",
        )
    key = endpoint.api_key.get_secret_value()
    client = httpx.AsyncClient(
        base_url=endpoint.url.rstrip("/") + "/",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=endpoint.deadline_s,
        limits=httpx.Limits(max_connections=endpoint.concurrency),
        transport=transport,
    )
    judge = OpenAIJudge(
        client,
        endpoint,
        loaded=loaded or rubrics.load(rubrics.installed()),
        by_code=by_code or ByCode(),
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


class OpenAIJudge:
    """Implements ports.Judge and ports.Probe. For use from one event loop; build it with `connect_judge`.

    Whether it has token probabilities is found out once, and is part of its version: "logprobs" or "one_hot".
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: Endpoint,
        *,
        loaded: Rubrics,
        by_code: ByCode,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._rubrics = loaded
        self._by_code = by_code
        self._sleep = sleep
        self._rng = rng
        self._breaker = Breaker(
            endpoint.breaker_failures,
            endpoint.breaker_open_s,
            now_s,
            "judge",
            "see whether its endpoint is up",
        )
        self._budget = TokenBudget(endpoint.tokens_per_hour, now_s)
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._has_logprobs = True
        self._model = ""
        self._missing_mass = 0.0
        self._answers = 0

    async def __aenter__(self) -> Self:
        """Itself: `connect_judge` has opened it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Idempotent."""
        await self._client.aclose()

    @property
    def identity(self) -> JudgeIdentity:
        """Who gave the last answers: the model as the endpoint names it."""
        kind = "logprobs" if self._has_logprobs else "one_hot"
        answered_as = self._model or self._endpoint.model
        return JudgeIdentity(self._endpoint.model, f"{answered_as} {kind}", self._rubrics.hash)

    async def open(self) -> None:
        """Ask something harmless, with token probabilities and where they are refused or left out without.

        Raises Retryable or Misconfigured.
        """
        reply = None
        try:
            reply = await self._ask_harmless()
        except _Refused:
            pass
        if reply is None or not reply.tokens:
            self._has_logprobs = False
            try:
                reply = await self._ask_harmless()
            except _Refused as exc:
                raise Misconfigured(
                    f"the endpoint {self._endpoint.url} refuses what the judge asks (HTTP {exc.status}, {exc.code or 'no code'})",
                    "see whether the model's name is right and whether it takes structured output "
                    "(WATCHKEEPER_JUDGING__OPENAI_MODEL; docs/judges.md)",
                ) from exc
        self._model = reply.model

    async def judge(self, requests: Sequence[JudgeRequest]) -> Sequence[JudgeAnswer]:
        """As many answers as requests, in order, all by the model that `identity` then names.

        Raises Retryable where the endpoint is away, overloaded or over its budget, with the wait that it asks for.
        An exchange that it refuses to be asked about has status "error"; what it refuses to answer, or answers with
        something else, is "unknown".
        """
        for _ in range(_MODEL_TRIES):
            models: set[str] = set()
            tasks = [asyncio.create_task(self._readings(request, models)) for request in requests]
            try:
                found = await asyncio.gather(*tasks)
            except BaseException:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise
            await self._check_that_it_serves(found)
            if len(models) <= 1:
                self._model = next(iter(models), self._model)
                return [
                    to_answer(request, readings, self._by_code)
                    for request, readings in zip(requests, found, strict=True)
                ]
        raise Retryable(
            f"the endpoint {self._endpoint.url} answered as several models in {_MODEL_TRIES} tries in a row"
        )

    async def ping(self) -> Mapping[str, str]:
        """Facts for a person. It costs one call. Raises Retryable or Misconfigured."""
        try:
            await self._ask_harmless()
        except _Refused as exc:
            raise self._refuses_everything(exc) from exc
        answers = self._answers
        missing = f"{self._missing_mass / answers:.2%} of {answers} answers" if answers else ""
        return {
            "address": self._endpoint.url,
            "judge": f"{self.identity.name} {self.identity.version}",
            "rubric_hash": self.identity.rubric_hash,
            "missing mass": missing,
            "tokens within an hour": str(self._budget.spent),
        }

    async def _ask_harmless(self) -> Completion:
        (one,) = passes_of(self._rubrics.by_name[REQUEST].passes, has_response=False)
        return await self._complete(one, "Hello!", None)

    async def _check_that_it_serves(self, found: Sequence[Mapping[str, Reading]]) -> None:
        """Return where nothing was refused, or something harmless isn't: then the fault is in what was. Else raise."""
        failed = [
            reading
            for readings in found
            for reading in readings.values()
            if reading.failure is NotJudged.FAILED and not reading.questions
        ]
        if not failed:
            return
        try:
            await self._ask_harmless()
        except _Refused as exc:
            raise self._refuses_everything(exc) from exc

    def _refuses_everything(self, exc: _Refused) -> Retryable:
        return Retryable(
            f"the endpoint {self._endpoint.url} refuses everything, a greeting too (HTTP {exc.status}, "
            f"{exc.code or 'no code'}); see whether the model is still there"
        )

    async def _readings(self, request: JudgeRequest, models: set[str]) -> dict[str, Reading]:
        asked = first_rubrics(request)
        readings = {name: await self._reading(name, request, models) for name in asked}
        if why_no_care(request, readings) is None:
            readings[CARE] = await self._reading(CARE, request, models)
        return readings

    async def _reading(self, rubric: str, request: JudgeRequest, models: set[str]) -> Reading:
        """One rubric on one exchange: a call for each of its passes."""
        limit = self._endpoint.max_text_chars
        prompt = head_and_tail(request.prompt, limit)
        response = None if request.response is None else head_and_tail(request.response, limit)
        is_truncated = (prompt, response) != (request.prompt, request.response)
        questions: dict[str, Any] = {}
        failure = NotJudged.UNREAD
        passes = passes_of(self._rubrics.by_name[rubric].passes, has_response=response is not None)
        for one in passes:
            try:
                reply = await self._complete(one, prompt, response)
            except _Refused as exc:
                failure = exc.reason
                continue
            models.add(reply.model)
            if reply.failure is not None:
                failure = reply.failure
                continue
            read = read_reply(one, reply.content, reply.tokens if self._has_logprobs else None)
            questions |= read.questions
            self._missing_mass += sum(read.missing.values())
            self._answers += len(read.missing)
        return Reading(questions, failure, is_truncated, is_one_hot=not self._has_logprobs)

    async def _complete(self, one: Pass, prompt: str, response: str | None) -> Completion:
        """One call with its tries. Raises _Refused, Retryable or Misconfigured."""
        body = self._body(one, prompt, response)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._slots:
                    return await self._try(body)
            except Retryable as exc:
                wait_s = self._rng.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt))
                # A wait that the endpoint asks for is the caller's: it may have other partitions to go on with.
                if attempt >= self._endpoint.attempts or (exc.retry_after_s or 0) > wait_s:
                    raise
            await self._sleep(wait_s)

    async def _try(self, body: bytes) -> Completion:
        self._budget.admit()
        self._breaker.admit()
        try:
            answer = await self._client.post(
                "chat/completions", content=body, headers={"Content-Type": "application/json"}
            )
        except (httpx.TransportError, httpx.StreamError) as exc:
            self._breaker.failed()
            # The exception's own text can hold the address with what is in it: its class is enough.
            raise Retryable(
                f"the judge's endpoint didn't answer ({type(exc).__name__}); see whether it is up"
            ) from exc
        except BaseException:
            self._breaker.abandoned()
            raise
        status = answer.status_code
        if (
            status == httpx.codes.TOO_MANY_REQUESTS
            or status >= httpx.codes.INTERNAL_SERVER_ERROR
            or status == 408
        ):
            self._breaker.failed()
            raise Retryable(f"the judge's endpoint answered HTTP {status}", retry_after_s(answer.headers))
        self._breaker.succeeded()
        if status in (401, 403):
            raise Misconfigured(
                f"the judge's endpoint turns us away (HTTP {status})",
                "set WATCHKEEPER_JUDGING__OPENAI_API_KEY to a key that may use the model",
            )
        if status in (404, 405) or 300 <= status < 400:
            raise Misconfigured(
                f"the judge's endpoint has no such model or address (HTTP {status})",
                "set WATCHKEEPER_JUDGING__OPENAI_URL (it ends before /chat/completions) and …_OPENAI_MODEL",
            )
        if status >= 400:
            raise _Refused(status, *fault_of(status, answer.content))
        completion = completion_of(answer.content)
        self._budget.spend(completion.total_tokens)
        return completion

    def _body(self, one: Pass, prompt: str, response: str | None) -> bytes:
        endpoint = self._endpoint
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": messages(one, prompt, response),
            "temperature": 0,
            endpoint.tokens_field: endpoint.max_reply_tokens,
        }
        if self._has_logprobs:
            body |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        if endpoint.constraint == "json_schema":
            schema = {"name": one.name, "strict": True, "schema": json_schema(one)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif endpoint.constraint == "json_object":
            body["response_format"] = {"type": "json_object"}
        return msgspec.json.encode(body)


class _Refused(Exception):
    """The endpoint answered, and refused this request. Never leaves this module."""

    def __init__(self, status: int, code: str, reason: NotJudged) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.code = code
        self.reason = reason
