"""The guard behind Triton's gRPC: one long-lived client, deadlines, retries, a breaker, bad exchanges singled out."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import grpc  # type: ignore[import-untyped]  # ships no types
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.breaker import Breaker, State
from monitor.adapters.triton_codes import AMBIGUOUS, FORBIDDEN, Code, code_of, has_died, is_away
from monitor.adapters.triton_wire import (
    ERROR,
    ERROR_CUT,
    Encoded,
    encode,
    identity_of,
    infer_request,
    read_scores,
)
from monitor.errors import Misconfigured, Retryable
from monitor.metrics import Metric, Metrics
from monitor.ports import GuardIdentity, Score
from monitor.settings import TritonSettings

_AMBIGUOUS_ATTEMPTS: Final = 2
_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 2.0
_REQUEST_BYTES: Final = 3 << 20  # proxies often stop gRPC messages at 4 MiB
_IDENTITY_TRIES: Final = 3
_KNOWN_GOOD: Final[Encoded] = (b"", b"", False, False)
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


class _Client(InferenceServerClient):  # type: ignore[misc]  # untyped base
    """tritonclient's aio client with one more call, for a request that is already built."""

    async def infer_built(self, request: Any, timeout_s: float) -> Any:
        """The ModelInferResponse. Raises grpc.aio.AioRpcError."""
        return await self._client_stub.ModelInfer(request=request, timeout=timeout_s)


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
    if "://" in settings.url:
        raise Misconfigured(
            f"WATCHKEEPER_TRITON__URL is {settings.url!r}: gRPC takes host:port",
            "write host:port, without a scheme; WATCHKEEPER_TRITON__TLS=true turns TLS on",
        )
    try:
        client = _Client(
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
    guard = TritonGuard(
        client, settings, metrics=metrics or Metrics(), now_s=now_s, sleep=sleep, rng=rng or random.Random()
    )
    try:
        await guard.open()
    except BaseException:
        await guard.aclose()
        raise
    return guard


class TritonGuard:
    """Implements ports.Guard and ports.Probe. For use from one event loop; build it with `connect`."""

    def __init__(
        self,
        client: _Client,
        settings: TritonSettings,
        *,
        metrics: Metrics,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
    ) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._sleep = sleep
        self._rng = rng
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_open_s, now_s)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._identity = GuardIdentity(settings.guard_model, "", "")
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
    def identity(self) -> GuardIdentity:
        """Who answered the last `score`: it follows when Triton loads other weights."""
        return self._identity

    @property
    def breaker_state(self) -> State:
        """Whether calls go out."""
        return self._breaker.state

    async def open(self) -> None:
        """Read the identity and check that the model is ready. Raises Retryable or Misconfigured."""
        await self._read_identity()
        if not await self._ask(
            self._client.is_model_ready(self._settings.guard_model, client_timeout=self._deadline)
        ):
            raise Retryable(
                f"the model {self._settings.guard_model!r} at {self._settings.url} is not ready yet"
            )

    async def score(self, prompts: Sequence[str], responses: Sequence[str | None]) -> Sequence[Score]:
        """As many scores as prompts, in order, all by the guard that `identity` then names.

        Raises Retryable where the guard is away, refuses everything, or its breaker is open; Misconfigured where it
        has become another kind of model. An exchange that alone makes it fail gets status "error".
        """
        if not prompts:
            return []
        limit = self._settings.max_text_chars
        encoded = [encode(prompt, reply, limit) for prompt, reply in zip(prompts, responses, strict=True)]
        for _ in range(_IDENTITY_TRIES):
            asked = self._identity
            scores = await self._score_all(encoded)
            # Read anew after every call: a restarted or reloaded Triton serves other weights as the same version.
            await self._read_identity()
            if self._identity == asked:
                return scores
        raise Retryable(
            f"the model {self._settings.guard_model!r} was replaced during {_IDENTITY_TRIES} tries in a row"
        )

    async def ping(self) -> Mapping[str, str]:
        """Facts for a person: server, each model's state, who the guard is. Raises Retryable or Misconfigured."""
        name, deadline = self._settings.guard_model, self._deadline
        if not await self._ask(self._client.is_server_live(client_timeout=deadline)):
            raise Retryable(f"Triton at {self._settings.url} is not live; read its log")
        server = await self._ask(self._client.get_server_metadata(client_timeout=deadline))
        await self._read_identity()
        facts = {"address": self._settings.url, "server": f"{server.name} {server.version}"}
        facts |= {f"model {model}": state for model, state in (await self.health()).items()}
        if not await self._ask(self._client.is_model_ready(name, client_timeout=deadline)):
            raise Retryable(f"the model {name!r} at {self._settings.url} is not ready; read Triton's log")
        identity = self._identity
        return facts | {"guard": f"{identity.name} {identity.version}", "prompt_hash": identity.prompt_hash}

    async def health(self) -> Mapping[str, str]:
        """Each model in Triton's repository with its state: READY, LOADING, UNLOADING or UNAVAILABLE."""
        index = await self._ask(self._client.get_model_repository_index(client_timeout=self._deadline))
        states: dict[str, str] = {}
        for model in index.models:
            if states.get(model.name) != "READY":
                states[model.name] = model.state or "UNAVAILABLE"
        return states

    @property
    def _deadline(self) -> float:
        return self._settings.deadline_s

    async def _score_all(self, encoded: Sequence[Encoded]) -> list[Score]:
        chunks = self._chunks(encoded)
        scores: list[Score] = []
        if self._breaker.state != "closed":
            # The trial goes alone: beside it the others would be turned away, and end it.
            scores += await self._score_chunk(chunks.pop(0))
        tasks = [asyncio.create_task(self._score_chunk(chunk)) for chunk in chunks]
        try:
            for part in await asyncio.gather(*tasks):
                scores += part
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        return scores

    def _chunks(self, encoded: Sequence[Encoded]) -> list[Sequence[Encoded]]:
        """Runs of at most one batch and _REQUEST_BYTES, at least one exchange each."""
        chunks: list[Sequence[Encoded]] = []
        start = size = 0
        for index, (prompt, response, _, _) in enumerate(encoded):
            length = len(prompt) + len(response)
            if index > start and (index - start >= self._batch or size + length > _REQUEST_BYTES):
                chunks.append(encoded[start:index])
                start, size = index, 0
            size += length
        return [*chunks, encoded[start:]]

    async def _score_chunk(self, chunk: Sequence[Encoded]) -> list[Score]:
        try:
            return read_scores(await self._infer(chunk), chunk)
        except _Refused as exc:
            await self._check_that_it_serves(exc.code)
        return await self._bisect(chunk)

    async def _bisect(self, chunk: Sequence[Encoded]) -> list[Score]:
        """The scores of a chunk that was refused: its halves, down to the exchange that alone is refused.

        That one is asked for once more: Triton (checked: 2.51) fails a whole dynamic batch for a BYTES tensor whose
        last value is cut off, so it may have been the fault of another client's request.
        """
        scores: list[Score] = []
        middle = len(chunk) // 2
        for half in (chunk[:middle], chunk[middle:]) if middle else (chunk,):
            try:
                scores += read_scores(await self._infer(half), half)
            except _Refused:
                if middle:
                    scores += await self._bisect(half)
                else:
                    scores.append(ERROR_CUT if half[0][3] else ERROR)
        return scores

    async def _check_that_it_serves(self, code: Any) -> None:
        """Return where an empty exchange is scored: then the fault is in what was refused. Else raise."""
        try:
            await self._infer([_KNOWN_GOOD])
        except _Refused as exc:
            await self._read_identity()
            self._failed()
            raise Retryable(
                f"the model {self._settings.guard_model!r} at {self._settings.url} refuses everything, an empty "
                f"exchange too ({code.name}); read Triton's log and restart it: a model process that died stays dead"
            ) from exc

    async def _infer(self, chunk: Sequence[Encoded]) -> Any:
        """One inference with its retries. Raises _Refused, Retryable or Misconfigured."""
        request = infer_request(self._settings.guard_model, chunk, self._deadline)
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
            response = await self._client.infer_built(request, self._deadline)
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
            self._metrics.count(Metric.GUARD_TURNED_AWAY)
            raise

    def _called(self, code: str, began_s: float) -> None:
        self._metrics.count(Metric.GUARD_CALLS, code=code)
        self._metrics.observe(Metric.GUARD_SECONDS, time.perf_counter() - began_s)

    def _failed(self) -> None:
        if self._breaker.failed():
            self._metrics.count(Metric.BREAKER_OPENINGS)

    async def _read_identity(self) -> None:
        call = self._client.get_model_config(self._settings.guard_model, client_timeout=self._deadline)
        config = (await self._ask(call)).config
        self._identity = identity_of(config)
        self._batch = min(self._settings.max_batch, config.max_batch_size)

    async def _ask(self, call: Awaitable[Any]) -> Any:
        """The answer to a call about the server or the model. Raises Retryable or Misconfigured."""
        try:
            return await call
        except InferenceServerException as exc:
            code = code_of(exc)
            if code is Code.NOT_FOUND or code is Code.INVALID_ARGUMENT:
                raise Misconfigured(
                    f"Triton at {self._settings.url} has no model {self._settings.guard_model!r} ({code.name})",
                    "set WATCHKEEPER_TRITON__GUARD_MODEL to a model it serves, or give Triton the model repository",
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
            f"the model {self._settings.guard_model!r} at {self._settings.url} didn't answer "
            f"({code.name}, {attempts} tries); {remedy}"
        )

    def _forbidden(self, code: Any) -> Misconfigured:
        return Misconfigured(
            f"what listens at {self._settings.url} turns us away ({code.name})",
            "set WATCHKEEPER_TRITON__URL to Triton's gRPC port (by default 8001), and TLS as the server has it",
        )
