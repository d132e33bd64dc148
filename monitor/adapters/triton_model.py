"""A model behind Triton's gRPC: one long-lived client, deadlines, retries, a breaker, bad rows singled out.

What the rows are is the business of a `Wire`: monitor/adapters/triton.py has the guard's, judge_triton.py the judge's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import grpc  # type: ignore[import-untyped]  # ships no types
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.breaker import Breaker, State
from monitor.adapters.triton_codes import AMBIGUOUS, FORBIDDEN, Code, code_of, has_died, is_away
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from monitor.settings import TritonSettings

Row = TypeVar("Row")
Answer = TypeVar("Answer")

LIVE: Final = 1
AUDITS: Final = 2
BACKFILL: Final = 3
"""Triton's priorities, where a model has them; a lower number is served first. guard_lite has none, and ignores it."""

_AMBIGUOUS_ATTEMPTS: Final = 2
_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 2.0
_REQUEST_BYTES: Final = 3 << 20  # proxies often stop gRPC messages at 4 MiB
_CHANNEL_ARGS: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),  # retries are ours: counted, jittered, broken off
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # gRPC's own is two minutes
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


class _Refused(Exception):
    """The server answered, and refused this request. Never leaves this module."""

    def __init__(self, code: Any) -> None:
        super().__init__(code.name)
        self.code = code


class Client(InferenceServerClient):  # type: ignore[misc]  # untyped base
    """tritonclient's aio client with one more call, for a request that is already built."""

    async def infer_built(self, request: Any, timeout_s: float) -> Any:
        """The ModelInferResponse. Raises grpc.aio.AioRpcError."""
        return await self._client_stub.ModelInfer(request=request, timeout=timeout_s)


@dataclass(frozen=True, slots=True)
class Meters:
    """Where calls of this kind are counted."""

    calls: Metric
    seconds: Metric
    turned_away: Metric
    openings: Metric


@dataclass(frozen=True, slots=True)
class Wire(Generic[Row, Answer]):
    """How one kind of model is asked, and what it is called. All functions are pure.

    `request`: rows and the deadline in seconds to a ModelInferRequest. `read`: the response to as many answers as rows, in
    order; what can't be read is an answer of its own. `refused`: the answer about a row that alone is refused.
    `known_good`: a row that every such model answers. `check`: raises Misconfigured where a ModelConfig breaks the contract.
    """

    what: str
    model: str
    model_variable: str
    url_variable: str
    request: Callable[[Sequence[Row], float], Any]
    read: Callable[[Any, Sequence[Row]], list[Answer]]
    refused: Callable[[Row], Answer]
    size_bytes: Callable[[Row], int]
    known_good: Row
    check: Callable[[Any], object]
    meters: Meters | None = None


def open_client(settings: TritonSettings, url_variable: str) -> Client:
    """A client that hasn't connected yet. Raises Misconfigured."""
    if "://" in settings.url:
        raise Misconfigured(
            f"{url_variable} is {settings.url!r}: gRPC takes host:port",
            "write host:port, without a scheme; WATCHKEEPER_TRITON__TLS=true turns TLS on",
        )
    try:
        return Client(
            settings.url,
            ssl=settings.tls,
            root_certificates=None if settings.tls_ca_file is None else str(settings.tls_ca_file),
            channel_args=_CHANNEL_ARGS,
        )
    except OSError as exc:
        raise Misconfigured(
            f"WATCHKEEPER_TRITON__TLS_CA_FILE can't be read: {settings.tls_ca_file} ({exc.strerror})",
            "name a readable PEM file",
        ) from exc


class TritonModel(Generic[Row, Answer]):
    """One model. For use from one event loop."""

    def __init__(
        self,
        client: Client,
        settings: TritonSettings,
        wire: Wire[Row, Answer],
        *,
        metrics: Metrics,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
    ) -> None:
        self._client = client
        self._settings = settings
        self._wire = wire
        self._metrics = metrics
        self._sleep = sleep
        self._rng = rng
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_open_s, now_s, wire.what)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._batch = settings.max_batch
        self._is_closed = False

    async def __aenter__(self) -> Self:
        """Itself: `connect` has opened it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection. Idempotent; calls in flight and later ones end with Retryable."""
        self._is_closed = True
        await self._client.close()

    @property
    def breaker_state(self) -> State:
        """Whether calls go out."""
        return self._breaker.state

    async def open(self) -> None:
        """Read the config and check that the model is ready. Raises Retryable or Misconfigured."""
        await self.read_config()
        if not await self._ask(
            self._client.is_model_ready(self._wire.model, client_timeout=self._settings.deadline_s)
        ):
            raise Retryable(f"the model {self._wire.model!r} at {self._settings.url} is not ready yet")

    async def read_config(self) -> Any:
        """The ModelConfig, checked. Raises Retryable or Misconfigured."""
        call = self._client.get_model_config(self._wire.model, client_timeout=self._settings.deadline_s)
        config = (await self._ask(call)).config
        self._wire.check(config)
        self._batch = min(self._settings.max_batch, config.max_batch_size)
        return config

    async def facts(self) -> Mapping[str, str]:
        """Facts for a person: server and each model's state. Raises Retryable or Misconfigured."""
        name, deadline = self._wire.model, self._settings.deadline_s
        if not await self._ask(self._client.is_server_live(client_timeout=deadline)):
            raise Retryable(f"Triton at {self._settings.url} is not live; read its log")
        server = await self._ask(self._client.get_server_metadata(client_timeout=deadline))
        await self.read_config()
        found = {"address": self._settings.url, "server": f"{server.name} {server.version}"}
        found |= {f"model {model}": state for model, state in (await self.health()).items()}
        if not await self._ask(self._client.is_model_ready(name, client_timeout=deadline)):
            raise Retryable(f"the model {name!r} at {self._settings.url} is not ready; read Triton's log")
        return found

    async def health(self) -> Mapping[str, str]:
        """Each model in Triton's repository with its state: READY, LOADING, UNLOADING or UNAVAILABLE."""
        index = await self._ask(
            self._client.get_model_repository_index(client_timeout=self._settings.deadline_s)
        )
        states: dict[str, str] = {}
        for model in index.models:
            if states.get(model.name) != "READY":
                states[model.name] = model.state or "UNAVAILABLE"
        return states

    async def ask(self, rows: Sequence[Row], priority: int = LIVE) -> list[Answer]:
        """As many answers as rows, in order.

        Raises Retryable where the model is away, refuses everything, or its breaker is open. A row that alone makes it fail
        has the answer of `Wire.refused`.
        """
        if not rows:
            return []
        chunks = self._chunks(rows)
        answers: list[Answer] = []
        if self._breaker.state != "closed":
            # The trial goes alone: beside it the others would be turned away, and end it.
            answers += await self._ask_chunk(chunks.pop(0), priority)
        tasks = [asyncio.create_task(self._ask_chunk(chunk, priority)) for chunk in chunks]
        try:
            for part in await asyncio.gather(*tasks):
                answers += part
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        return answers

    def _chunks(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """Runs of at most one batch and _REQUEST_BYTES, at least one row each."""
        chunks: list[Sequence[Row]] = []
        start = size = 0
        for index, row in enumerate(rows):
            length = self._wire.size_bytes(row)
            if index > start and (index - start >= self._batch or size + length > _REQUEST_BYTES):
                chunks.append(rows[start:index])
                start, size = index, 0
            size += length
        return [*chunks, rows[start:]]

    async def _ask_chunk(self, chunk: Sequence[Row], priority: int) -> list[Answer]:
        try:
            return self._wire.read(await self._infer(chunk, priority), chunk)
        except _Refused as exc:
            await self._check_that_it_serves(exc.code)
        return await self._bisect(chunk, priority)

    async def _bisect(self, chunk: Sequence[Row], priority: int) -> list[Answer]:
        """The answers of a chunk that was refused: its halves, down to the row that alone is refused.

        That one is asked for once more: Triton (checked: 2.51) fails a whole dynamic batch for a BYTES tensor whose
        last value is cut off, so it may have been the fault of another client's request.
        """
        answers: list[Answer] = []
        middle = len(chunk) // 2
        for half in (chunk[:middle], chunk[middle:]) if middle else (chunk,):
            try:
                answers += self._wire.read(await self._infer(half, priority), half)
            except _Refused:
                if middle:
                    answers += await self._bisect(half, priority)
                else:
                    answers.append(self._wire.refused(half[0]))
        return answers

    async def _check_that_it_serves(self, code: Any) -> None:
        """Return where a known-good row is answered: then the fault is in what was refused. Else raise."""
        try:
            await self._infer([self._wire.known_good], LIVE)
        except _Refused as exc:
            await self.read_config()
            self._failed()
            raise Retryable(
                f"the model {self._wire.model!r} at {self._settings.url} refuses everything, an empty "
                f"exchange too ({code.name}); read Triton's log and restart it: a model process that died stays dead"
            ) from exc

    async def _infer(self, chunk: Sequence[Row], priority: int) -> Any:
        """One inference with its retries. Raises _Refused, Retryable or Misconfigured."""
        request = self._wire.request(chunk, self._settings.deadline_s)
        if priority != LIVE:  # which is every model's default
            request.parameters["priority"].uint64_param = priority
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._slots:
                    return await self._try(request)
            except grpc.aio.AioRpcError as exc:
                code = exc.code()
                if code in FORBIDDEN:
                    raise self._forbidden(code) from exc
                if is_away(exc):
                    if attempt >= self._settings.attempts:
                        raise self._away(code, attempt, has_died=has_died(exc)) from exc
                elif code not in AMBIGUOUS or attempt >= _AMBIGUOUS_ATTEMPTS:
                    raise _Refused(code) from exc
            await self._sleep(self._rng.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt)))

    async def _try(self, request: Any) -> Any:
        if self._is_closed:
            raise self._closed()
        self._admit()
        began_s = time.perf_counter()
        try:
            response = await self._client.infer_built(request, self._settings.deadline_s)
        except grpc.aio.AioRpcError as exc:
            self._called(exc.code().name, began_s)
            # Only silence counts: an answer, even a refusal, shows a server that is there.
            if is_away(exc):
                self._failed()
            else:
                self._breaker.succeeded()
            raise
        except asyncio.CancelledError:
            self._breaker.abandoned()
            if self._is_closed:  # closing a channel cancels whoever waits on it
                raise self._closed() from None
            raise
        except BaseException:
            self._breaker.abandoned()
            raise
        self._called("OK", began_s)
        self._breaker.succeeded()
        return response

    def _admit(self) -> None:
        try:
            self._breaker.admit()
        except Retryable:
            if meters := self._wire.meters:
                self._metrics.count(meters.turned_away)
            raise

    def _called(self, code: str, began_s: float) -> None:
        if meters := self._wire.meters:
            self._metrics.count(meters.calls, code=code)
            self._metrics.observe(meters.seconds, time.perf_counter() - began_s)

    def _failed(self) -> None:
        opened = self._breaker.failed()
        if opened and (meters := self._wire.meters):
            self._metrics.count(meters.openings)

    async def _ask(self, call: Awaitable[Any]) -> Any:
        """The answer to a call about the server or the model. Raises Retryable or Misconfigured."""
        try:
            return await call
        except InferenceServerException as exc:
            code = code_of(exc)
            if code is Code.NOT_FOUND or code is Code.INVALID_ARGUMENT:
                raise Misconfigured(
                    f"Triton at {self._settings.url} has no model {self._wire.model!r} ({code.name})",
                    f"set {self._wire.model_variable} to a model it serves, or give Triton the model repository",
                ) from exc
            if code in FORBIDDEN:
                raise self._forbidden(code) from exc
            raise self._away(code, 1) from exc

    def _closed(self) -> Retryable:
        return Retryable(f"the connection to {self._settings.url} was closed while the worker stopped")

    def _away(self, code: Any, attempts: int, *, has_died: bool = False) -> Retryable:
        remedy = (
            "its process died: read Triton's log and restart it" if has_died else "see whether Triton is up"
        )
        return Retryable(
            f"the model {self._wire.model!r} at {self._settings.url} didn't answer "
            f"({code.name}, {attempts} tries); {remedy}"
        )

    def _forbidden(self, code: Any) -> Misconfigured:
        return Misconfigured(
            f"what listens at {self._settings.url} turns us away ({code.name})",
            f"set {self._wire.url_variable} to Triton's gRPC port (by default 8001), and TLS as the server has it",
        )
