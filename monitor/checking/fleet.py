"""What `watchkeeper check` concludes from what the workers say of themselves, and from the alerts that fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.adapters.control import Said, alert_log, newest, said_lately
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.checking.outcomes import PartCheck, failed, passed, warned
from monitor.health import spans
from monitor.kafka_settings import KafkaSettings
from monitor.settings import Settings
from monitor.slow_part import Slowness, pairs, slowness
from schemas.alerts import Alert
from schemas.status import WorkerStatus

LATELY_S: Final = 30.0
"""Over so much time the slow part is looked for."""
SILENT_S: Final = 60.0
ALERTS_OF: Final = timedelta(hours=24)
NAMED_AT_MOST: Final = 10

_REMEDIES: Final[Mapping[str, str]] = {
    "stage": "make that part faster, or give it more room: more workers help only while it has some to spare",
    "cpu": "run more workers, on other machines or cores, up to one a partition",
    "reading": "see how the brokers are, and whether the worker's processor is taken by others",
    "trouble": "mend what it names: nothing is lost meanwhile, the backlog waits in Kafka",
    "unknown": "look for workers without a status: an older release, or no right to write to the control topic",
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the broker says of a role's group: messages that wait, and partitions that nobody owns."""

    waiting: int
    unowned: frozenset[int] = frozenset()


async def fleet_checks(
    settings: Settings, admin: KafkaAdmin, topics: Mapping[str, int], backlogs: Mapping[str, Backlog]
) -> list[PartCheck]:
    """Workers, what they wait for, and alerts. A topic that isn't there is another check's fault."""
    kafka, checks = settings.kafka, unowned_checks(settings.kafka, backlogs)
    if kafka.control_topic in topics:
        said = await said_lately(admin, kafka.control_topic, kafka.group_prefix)
        checks += worker_checks(said, backlogs, datetime.now(UTC).timestamp())
    if kafka.alerts_topic in topics:
        log = await alert_log(admin, kafka.alerts_topic, datetime.now(UTC) - ALERTS_OF)
        checks += alert_checks(newest(log, kafka.group_prefix))
    return checks


def unowned_checks(kafka: KafkaSettings, backlogs: Mapping[str, Backlog]) -> list[PartCheck]:
    """Partitions without an owner in a group that has members: one without any is another check's fault."""
    return [
        failed(
            "workers",
            f"partitions of {role}",
            f"nobody in the group {kafka.group_prefix}.{role} owns partition{'s' if len(backlog.unowned) > 1 else ''} "
            f"{spans(backlog.unowned)}",
            "look again in a minute: a rebalance takes some seconds; then look for a worker that restarts again and again",
        )
        for role, backlog in backlogs.items()
        if backlog.unowned
    ]


def worker_checks(said: Sequence[Said], backlogs: Mapping[str, Backlog], now_s: float) -> list[PartCheck]:
    """Who is there, which partitions wait for a person, and which part each role waits for."""
    until_s = said[-1].at_s if said else 0.0
    if now_s - until_s > SILENT_S:
        return [
            warned(
                "workers",
                "statuses",
                f"no worker has said how it stands in the last {SILENT_S:.0f} s",
                "start workers, and see whether they may write to the control topic",
            )
        ]
    lately = [(one.status, one.at_s) for one in said if until_s - one.at_s <= LATELY_S]
    workers = {status.worker: status for status, _ in lately}
    there = [status for status in workers.values() if status.state != "leaving"]
    if not there:
        return [warned("workers", "seen", "all workers have stopped", "start workers: `python -m workers`")]
    checks = [passed("workers", "seen", _named(there))]
    checks += [
        warned(
            "workers",
            status.worker,
            f"waits for {status.waits_for or 'its start'}",
            "it begins by itself once that part answers",
        )
        for status in there
        if status.state == "starting"
    ]
    checks += [check for status in there for check in _halted(status)]
    seen = pairs(lately)
    for role, backlog in backlogs.items():
        if any(one.role == role for pair in seen for one in pair.after.roles):
            checks.append(slowness_check(slowness(role, seen, backlog.waiting)))
    return checks


def slowness_check(told: Slowness) -> PartCheck:
    """Which part is slow, in a sentence."""
    check = f"pace of {told.role}"
    if told.verdict == "keeps up":
        return passed("workers", check, told.sentence)
    return warned("workers", check, told.sentence, _REMEDIES[told.verdict])


def alert_checks(alerts: Sequence[Alert]) -> list[PartCheck]:
    """Those that fire; a critical one fails."""
    firing = [alert for alert in alerts if alert.state == "firing"]
    if not firing:
        return [passed("alerts", "firing", "none")]
    return [
        (failed if alert.severity == "critical" else warned)("alerts", alert.kind, alert.title, alert.remedy)
        for alert in firing
    ]


def _halted(status: WorkerStatus) -> list[PartCheck]:
    found = []
    for role in status.roles:
        halted = [partition for partition in role.partitions if partition.is_halted]
        if halted:
            cause, _, remedy = halted[0].trouble.partition("\n  → ")
            numbers = spans(partition.partition for partition in halted)
            found.append(
                failed("workers", f"{role.topic}/{numbers}", f"waits for a person: {cause}", remedy or cause)
            )
    return found


def _named(workers: Sequence[WorkerStatus]) -> str:
    """How many workers, and what each has, as far as there is room for."""
    names = []
    for status in sorted(workers, key=lambda one: one.worker)[:NAMED_AT_MOST]:
        roles = [
            f"{role.role} {spans(p.partition for p in role.partitions) or 'none'}" for role in status.roles
        ]
        names.append(f"{status.worker} ({'; '.join(roles) or status.state})")
    more = len(workers) - NAMED_AT_MOST
    if more > 0:
        names.append(f"{more} more")
    return f"{len(workers)} worker{'' if len(workers) == 1 else 's'}: {', '.join(names)}"
