"""From the event that makes a shift sure to its alert: p50 and p99, at 200 events a second on the embedded stack.

`python -m benchmarks.alert_latency` starts the whole stack (real broker, Triton with guard_lite, engine, workers) with default
settings and a webhook channel, lets 24 tenants be refused now and then, and one after the other much more often. The moment
at which a stream crossed is found by taking the same windows again, the one that crossed in slices of a tenth of a second. From
there to the broker's time of the record on safety.alerts, and to the message at a test receiver on this machine. The gates:
10 s for p50, 20 s for p99. The texts are those of the demo's corpus: guard_lite remembers its answers on texts that it has seen,
so that 200 a second fit on two cores beside the rest, its encoder included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.alert_latency.crossing import crossings
from benchmarks.alert_latency.traffic import Plan, name, produce
from monitor.adapters.clickhouse import connect
from monitor.adapters.control import alert_in
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.adapters.windows import WatchTables
from monitor.drift.policy import policy_of
from monitor.embedded.stack import STACK_DEFAULTS, Stack
from monitor.settings import Settings, load
from schemas.alerts import Alert
from tests.fakes.receiver import Receiver, Request

P50_S: Final = 10.0
P99_S: Final = 20.0
LEAST: Final = 20


class Stamped(list[Request]):
    """Requests, each with the time at which it came."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s: list[float] = []

    def append(self, request: Request) -> None:
        """Also when."""
        self.at_s.append(time.time())
        super().append(request)

    def first_s(self, id_: str) -> float | None:
        """When an alert came first."""
        return next((at for at, one in zip(self.at_s, self, strict=True) if id_.encode() in one.body), None)


@dataclass(frozen=True, slots=True)
class Injection:
    """A tenant's alert: when its stream crossed and its window ended, when the record was appended, when a receiver had it.
    Seconds since 1970."""

    tenant: str
    crossed_s: float
    closed_s: float
    appended_s: float
    received_s: float | None


async def measure(plan: Plan, seed: int, folder: Path) -> list[Injection]:
    """One run; an injection for each tenant that was told on its own."""
    (folder / "secret").write_text("secret of the benchmark")
    async with Receiver(requests=Stamped()) as receiver:
        (folder / "channels.toml").write_text(
            f'[channels.bench]\ntype = "webhook"\nurl = "{receiver.address}/"\nallow_private = true\n'
            f'secret = "file:{folder}/secret"\n'
        )
        settings = load(
            {
                "WATCHKEEPER_CHANNELS__FILE": str(folder / "channels.toml"),
                "WATCHKEEPER_JUDGING__JUDGE": "off",
                "WATCHKEEPER_DRIFT__LEARN_DAYS": "0",
            },
            STACK_DEFAULTS,
        )
        async with Stack(folder / "data", settings) as stack:
            await produce(stack.addresses.kafka, settings.kafka.chat_logs_topic, plan, seed)
            own = load({**stack.environment()})
            return await _injections(own, plan, receiver)


async def _injections(settings: Settings, plan: Plan, receiver: Receiver) -> list[Injection]:
    fleet, topic = settings.kafka.group_prefix, settings.kafka.alerts_topic
    first: dict[str, tuple[Alert, float]] = {}
    async with KafkaAdmin.connect(settings.kafka) as admin:
        async for record in admin.read(topic, await admin.ranges(topic)):
            alert = alert_in(record)
            tenant = alert.place.get("tenant") if alert is not None and alert.drift is not None else None
            if alert is not None and tenant is not None:
                first.setdefault(tenant, (alert, record.timestamp / 1000))
    ends = {tenant: alert.drift.window_ends_at for tenant, (alert, _) in first.items() if alert.drift}
    by_end: dict[datetime, set[str]] = {}
    for tenant, end in ends.items():
        by_end.setdefault(end, set()).add(tenant)
    async with await connect(settings.clickhouse) as store:
        tables = WatchTables(store, fleet, settings.kafka.chat_logs_topic)
        long_ago = datetime.now(UTC) - timedelta(days=1)
        windows = [one async for one in tables.windows(long_ago, max(ends.values(), default=long_ago))]
        crossed = await crossings(tables, policy_of(settings.drift), windows, by_end)
    requests = receiver.requests
    return [
        Injection(
            tenant,
            (crossed.get(tenant) or ends[tenant]).timestamp(),
            ends[tenant].timestamp(),
            appended_s,
            requests.first_s(alert.id) if isinstance(requests, Stamped) else None,
        )
        for tenant, (alert, appended_s) in sorted(first.items())
        if tenant in {name(number) for number in range(plan.tenants)}
    ]


def quantiles(values: list[float]) -> tuple[float, float, float]:
    """p50, p99 and the longest."""
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return cut[49], cut[98], max(values)


def main() -> int:
    """Print the table. Exit status 1 where a gate isn't kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.alert_latency", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tenants", type=int, default=Plan.tenants)
    parser.add_argument("--json", action="store_true", help="print the seconds of each injection as JSON")
    arguments = parser.parse_args()
    plan = Plan(tenants=arguments.tenants)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        found = asyncio.run(measure(plan, arguments.seed, Path(folder)))
    legs = {
        "from the crossing event to the end of its window": [one.closed_s - one.crossed_s for one in found],
        "from the end of the window to the record on safety.alerts": [
            one.appended_s - one.closed_s for one in found
        ],
        "from the crossing event to the record": [one.appended_s - one.crossed_s for one in found],
        "from the crossing event to the receiver": [
            one.received_s - one.crossed_s for one in found if one.received_s is not None
        ],
    }
    if arguments.json:
        sys.stdout.write(json.dumps({leg: sorted(values) for leg, values in legs.items()}) + "\n")
    table = Table(
        title=f"{plan.per_s} events/s, {plan.tenants} injected shifts, {len(found)} told each by an alert of its own"
    )
    for column in ("", "p50", "p99", "longest", "of gates 10 s, 20 s"):
        table.add_column(column, justify="left" if not column else "right")
    is_kept = len(found) >= min(LEAST, plan.tenants)
    for leg, values in legs.items():
        if len(values) < 2:
            table.add_row(leg, "none", "", "", "")
            is_kept = False
            continue
        p50, p99, longest = quantiles(values)
        gated = leg.startswith("from the crossing event to the re")
        is_kept = is_kept and (not gated or (p50 <= P50_S and p99 <= P99_S))
        table.add_row(
            leg,
            f"{p50:.1f} s",
            f"{p99:.1f} s",
            f"{longest:.1f} s",
            f"{p50 / P50_S:.2f}, {p99 / P99_S:.2f}" if gated else "",
        )
    Console(width=130).print(table)
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
