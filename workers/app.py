"""The Faust app: which services run, and in what order they start and stop."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import faust
from faust.app.base import BootStrategy
from mode import ServiceT
from mode.supervisors import OneForOneSupervisor

from monitor.metrics import Metrics
from monitor.settings import Settings
from workers.gate import Gate
from workers.intake import Intake
from workers.partition import BatchLimits
from workers.tally import BreakerState, no_breaker


@dataclass(frozen=True)
class Role:
    """One agent and the intake that feeds it. `gate`: what its batches wait for; `breaker`: the state of its guard's."""

    name: str
    topic: str
    limits: BatchLimits
    consume: Callable[[Any], Any]
    gate: Gate | None = None
    breaker: Callable[[], BreakerState] = no_breaker


class _Boot(BootStrategy):
    """Agents, then intakes; stopped in reverse, so that an intake drains through agents that still run.

    None of Faust's own Kafka: no consumer, producer, conductor, leader election, tables or web server.
    """

    enable_kafka = False
    enable_web = False
    enable_sensors = False

    def server(self) -> Iterable[ServiceT]:
        """The services to start, in order."""
        intakes: Sequence[Intake] = self.app.intakes  # type: ignore[attr-defined]  # ours is the app's only class
        return [self.app.agents, *intakes]


class App(faust.App):
    """A Faust app of agents over in-memory channels, each fed by an intake."""

    BootStrategy = _Boot
    mundane_level = "debug"
    intakes: Sequence[Intake] = ()

    async def on_first_start(self) -> None:
        """Faust would create a data folder here, for tables that we don't have.

        What is imported and built by now stays: the collector need not walk it again and again, nor so often, for the few
        cycles that a batch makes. It took 7 % of the time.
        """
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)


APP_ID: Final = "watchkeeper"


def build_app(settings: Settings, roles: Sequence[Role], metrics: Metrics | None = None) -> App:
    """An app that runs `roles`. Nothing is started, nothing is connected."""
    # The broker address is Faust's required argument; its transport is never started (see _Boot).
    app = App(APP_ID, broker="kafka://", store="memory://", web_enabled=False, autodiscover=False)
    intakes = []
    for role in roles:
        channel = app.channel(maxsize=1)
        app.agent(
            channel,
            name=role.name,
            concurrency=role.limits.in_flight,
            supervisor_strategy=OneForOneSupervisor,
        )(role.consume)
        intakes.append(
            Intake(
                channel,
                role=role.name,
                topic=role.topic,
                group=f"{settings.kafka.group_prefix}.{role.name}",
                kafka=settings.kafka,
                limits=role.limits,
                retry=settings.retry,
                drain_s=settings.worker.drain_s,
                metrics=metrics,
                gate=role.gate,
                breaker=role.breaker,
            )
        )
    app.intakes = intakes
    # Flow control starts closed and is opened by Faust's consumer, which doesn't run: our intakes do that work.
    app.flow_control.resume()
    return app
