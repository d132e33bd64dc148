"""The real parts of a chaos run, each with a proxy in front of it that only the workers go through."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from benchmarks.chaos import timeouts
from benchmarks.chaos.faults.clickhouse_proxy import ClickHouseProxy
from benchmarks.chaos.faults.guard import FaultyGuard, make_repository
from benchmarks.chaos.faults.tcp_proxy import TcpProxy
from benchmarks.chaos.truth import STAGES
from monitor.embedded.clickhouse import ClickHousePart
from monitor.embedded.free_ports import LOOPBACK, free_port
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.triton import TritonPart
from monitor.settings import Settings, load


class TwoDoors(KafkaPart):
    """A broker with a second listener: whoever asks there is told of that one, whoever asks at the first, of the proxy."""

    port_names: ClassVar[tuple[str, ...]] = ("broker", "controller", "direct")

    @property
    def direct_address(self) -> str:
        """The bootstrap for those that no fault is meant for."""
        return f"{LOOPBACK}:{self.ports['direct']}"

    def _prepare(self, java: Sequence[str]) -> Path:
        configuration = super()._prepare(java)
        broker, controller, direct = (self.ports[name] for name in self.port_names)
        lines = (  # of two lines with one key, the later one counts
            f"listeners=PLAINTEXT://{LOOPBACK}:{broker},DIRECT://{LOOPBACK}:{direct},CONTROLLER://{LOOPBACK}:{controller}",
            f"advertised.listeners=PLAINTEXT://{LOOPBACK}:{self._advertised_port},DIRECT://{LOOPBACK}:{direct}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        )
        with configuration.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        return configuration


class Rig:
    """`async with` it: then all serve, the workers' topics aside."""

    kafka: TwoDoors
    triton: TritonPart
    clickhouse: ClickHousePart
    guard: FaultyGuard
    to_kafka: TcpProxy
    to_triton: TcpProxy
    to_store: TcpProxy
    """In front of `store`."""
    store: ClickHouseProxy

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        broker = free_port()
        async with AsyncExitStack() as made:
            self._stack = made
            enter = made.enter_async_context
            self.guard = make_repository(self._folder / "models", stages=STAGES)
            self.to_kafka = await enter(TcpProxy(LOOPBACK, broker))
            self.kafka = TwoDoors(
                self._folder / "kafka", ports={"broker": broker}, advertised_port=self.to_kafka.port
            )
            self.triton = TritonPart(self._folder / "triton", self.guard.repository)
            self.clickhouse = ClickHousePart(self._folder / "clickhouse")
            for part in (self.kafka, self.triton, self.clickhouse):
                await enter(part)
            if self.kafka.ports["broker"] != broker:
                raise RuntimeError(f"the port {broker} was taken before the broker had it; run again")
            self.to_triton = await enter(TcpProxy(LOOPBACK, self.triton.ports["grpc"]))
            self.store = await enter(ClickHouseProxy(self.clickhouse.address))
            self.to_store = await enter(TcpProxy(LOOPBACK, self.store.port))
            self._stack = made.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def worker_environment(self) -> dict[str, str]:
        """The variables of a worker, which sees every part through its proxy."""
        return timeouts.worker_settings(
            kafka=self.to_kafka.address,
            triton=self.to_triton.address,
            clickhouse=f"http://{self.to_store.address}",
        )

    def direct_settings(self) -> Settings:
        """The settings of the harness, past all proxies and with time-outs of its own."""
        return load(
            {
                "WATCHKEEPER_KAFKA__BOOTSTRAP": self.kafka.direct_address,
                "WATCHKEEPER_TRITON__URL": self.triton.address,
                "WATCHKEEPER_CLICKHOUSE__URL": self.clickhouse.address,
                "WATCHKEEPER_PRIVACY__HASH_KEY": timeouts.HASH_KEY,
            }
        )
