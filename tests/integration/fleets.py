"""A fleet of real workers with topics, groups and a database of their own, a guard that can be told to fail, and thresholds
that are reached in seconds."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from aiokafka import AIOKafkaProducer

from monitor.adapters.control import alert_log, said_lately
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.embedded.part import Part
from monitor.embedded.workers import WorkersPart
from monitor.kafka_settings import KafkaSettings
from schemas.alerts import Alert
from schemas.status import WorkerStatus
from tests.waiting import until

QUICK = {
    "WATCHKEEPER_HEALTH__STATUS_EVERY_S": "0.5",
    "WATCHKEEPER_HEALTH__LOOK_EVERY_S": "0.5",
    "WATCHKEEPER_HEALTH__LEADER_SESSION_TIMEOUT_S": "6",
    "WATCHKEEPER_HEALTH__STALLED_AFTER_S": "4",
    "WATCHKEEPER_HEALTH__UNCOMMITTED_AFTER_S": "6",
    "WATCHKEEPER_HEALTH__UNOWNED_AFTER_S": "8",
    "WATCHKEEPER_HEALTH__REBALANCE_WITHIN_S": "20",
    "WATCHKEEPER_HEALTH__SILENT_AFTER_S": "4",
    "WATCHKEEPER_HEALTH__FORGOTTEN_AFTER_S": "8",
    "WATCHKEEPER_HEALTH__WINDOW_S": "2",
    "WATCHKEEPER_HEALTH__RESOLVE_AFTER_S": "2",
}


class Fleet:
    """Worker processes with topics, groups and a database of their own, and a guard that can be told to fail."""

    def __init__(self, folder: Path, kafka: Part, clickhouse: Part, guard_address: str) -> None:
        name = secrets.token_hex(4)
        self.folder = folder
        self.clickhouse = clickhouse
        self.kafka = KafkaSettings(
            bootstrap=kafka.address,
            chat_logs_topic=f"chat.logs.{name}",
            chat_logs_backfill_topic=f"chat.logs.{name}.backfill",
            chat_logs_dlq_topic=f"chat.logs.{name}.dlq",
            verdicts_topic=f"safety.verdicts.{name}",
            verdicts_dlq_topic=f"safety.verdicts.{name}.dlq",
            judge_requests_topic=f"safety.judge_requests.{name}",
            judge_requests_backfill_topic=f"safety.judge_requests.{name}.backfill",
            judge_requests_dlq_topic=f"safety.judge_requests.{name}.dlq",
            judgements_topic=f"safety.judgements.{name}",
            judgements_dlq_topic=f"safety.judgements.{name}.dlq",
            judge_policies_topic=f"safety.judge_policies.{name}",
            control_topic=f"safety.control.{name}",
            alerts_topic=f"safety.alerts.{name}",
            alert_actions_topic=f"safety.alert_actions.{name}",
            alert_deliveries_topic=f"safety.alert_deliveries.{name}",
            audits_topic=f"safety.audits.{name}",
            audit_requests_topic=f"safety.audit_requests.{name}",
            calibrations_topic=f"safety.calibrations.{name}",
            group_prefix=f"wk-{name}",
            session_timeout_s=6,
        )
        self.environment = {
            **{
                f"WATCHKEEPER_KAFKA__{field.upper()}": str(value)
                for field, value in self.kafka.model_dump(exclude_defaults=True).items()
            },
            "WATCHKEEPER_TRITON__URL": guard_address,
            "WATCHKEEPER_TRITON__DEADLINE_S": "1",
            "WATCHKEEPER_TRITON__BREAKER_OPEN_S": "1",
            "WATCHKEEPER_CLICKHOUSE__URL": clickhouse.address,
            "WATCHKEEPER_CLICKHOUSE__DATABASE": f"watchkeeper_{name}",
            "WATCHKEEPER_RETRY__MAX_S": "1",
            "WATCHKEEPER_WORKER__HTTP_PORT": "0",
            "WATCHKEEPER_WORKER__LOG_FORMAT": "json",
            "WATCHKEEPER_WORKER__DRAIN_S": "2",
            **QUICK,
        }
        self.workers: list[WorkersPart] = []

    async def start(self, *roles: str, **settings: str) -> WorkersPart:
        """One more worker. Who stores verdicts stores alerts and dead letters too."""
        folder = self.folder / f"workers-{len(self.workers)}"
        given = list(roles or ("moderation", "storage"))
        recording = [
            role for role in ("alert_rows", "dead_letter_rows") if "storage" in given and role not in given
        ]
        worker = WorkersPart(folder, {**self.environment, **settings}, roles=[*given, *recording])
        self.workers.append(worker)
        await worker.start()
        return worker

    async def produce(self, values: list[bytes], partitions: int = 4, topic: str = "") -> None:
        """Round robin over the partitions, of the chat logs unless another topic is given."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap)
        await producer.start()
        for number, value in enumerate(values):
            await producer.send(topic or self.kafka.chat_logs_topic, value, partition=number % partitions)
        await producer.stop()

    async def alerts(self) -> list[Alert]:
        """All that stands on the topic, oldest first; none before it is there."""
        async with KafkaAdmin.connect(self.kafka) as admin:
            if self.kafka.alerts_topic not in await admin.partitions():
                return []
            return await alert_log(admin, self.kafka.alerts_topic, datetime.now(UTC) - timedelta(hours=1))

    async def statuses(self) -> list[WorkerStatus]:
        """All that the workers have said lately."""
        async with KafkaAdmin.connect(self.kafka) as admin:
            said = await said_lately(admin, self.kafka.control_topic, self.kafka.group_prefix)
            return [one.status for one in said]

    async def told(self, kind: str, state: str, *, within_s: float = 60.0) -> Alert:
        """The newest alert of this kind, once it is in this state."""

        async def newest() -> Alert | None:
            of_kind = [alert for alert in await self.alerts() if alert.kind == kind]
            return of_kind[-1] if of_kind and of_kind[-1].state == state else None

        alert = await until(newest, f"{kind} {state}", within_s=within_s)
        if alert is None:
            raise TypeError("`until` returned what isn't truthy")
        return alert

    async def rows(self, query: str) -> list[list[Any]]:
        """What a query on its database gives."""
        database = self.environment["WATCHKEEPER_CLICKHOUSE__DATABASE"]
        url = f"{self.clickhouse.address}/?database={database}&default_format=JSONCompactEachRow"
        body = await asyncio.to_thread(lambda: urlopen(url, query.encode()).read())
        return [json.loads(line) for line in body.splitlines()]

    async def is_stored(self, count: int) -> bool:
        """Whether so many exchanges are, and no more."""
        return await self.rows("SELECT toUInt32(count()) FROM verdicts") == [[count]]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The workers' log lines of this event."""
        lines = [line for worker in self.workers for line in worker.log.read_text().splitlines()]
        return [
            entry for line in lines if line.startswith("{") and (entry := json.loads(line))["event"] == event
        ]

    def metrics(self, worker: WorkersPart) -> dict[str, float]:
        """What a worker serves, by name with labels."""
        ready = [line for line in worker.log.read_text().splitlines() if '"event": "workers ready"' in line]
        url = json.loads(ready[-1])["endpoints"]
        lines = urlopen(f"{url}/metrics").read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


def chat_log(number: int) -> bytes:
    """An OpenAI record."""
    message = {"role": "assistant", "content": "With light."}
    return json.dumps(
        {
            "id": f"e{number}",
            "created": 1_741_000_000,
            "model": "gpt-4o",
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "How do plants grow?"}]},
            "response": {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
        }
    ).encode()


LOGS = [chat_log(number) for number in range(200)]


class Flow:
    """Chat logs as they come in; those that `is_bad` names can't be used."""

    is_bad: Callable[[int], bool] = staticmethod(lambda _: False)


@asynccontextmanager
async def flowing(fleet: Fleet) -> AsyncIterator[Flow]:
    """Some forty chat logs a second, in and after the block's beginning, until its end."""
    flow = Flow()

    async def flow_on() -> None:
        number = 0
        while True:
            batch = range(number, number + 20)
            await fleet.produce([b"no chat log" if flow.is_bad(n) else chat_log(n) for n in batch])
            number += 20
            await asyncio.sleep(0.5)

    streaming = asyncio.ensure_future(flow_on())
    try:
        yield flow
    finally:
        streaming.cancel()
        with suppress(asyncio.CancelledError):
            await streaming


def freeze(part: Part) -> None:
    os.kill(pid_of(part), signal.SIGSTOP)


def thaw(part: Part) -> None:
    os.kill(pid_of(part), signal.SIGCONT)


def pid_of(part: Part) -> int:
    if part.pid is None:
        raise RuntimeError("the part doesn't run")
    return part.pid
