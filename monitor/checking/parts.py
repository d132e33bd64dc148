"""The checks of `watchkeeper check`: each asks one part and says what it found and what to do. All run, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from monitor.adapters import triton
from monitor.adapters.kafka import judging_topics, owned_topics
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.checking.audits import audit_checks
from monitor.checking.channels import channel_checks
from monitor.checking.fleet import Backlog, fleet_checks
from monitor.checking.judging import idle_group_check, judging_checks, lag
from monitor.checking.outcomes import PartCheck, PartName, failed, passed, warned
from monitor.errors import Misconfigured, Retryable
from monitor.kafka_settings import KafkaSettings
from monitor.settings import Settings

DEADLINE_S: Final = 8.0
"""Longest wait for one part; all are asked side by side."""
ENVELOPE_BYTES: Final = 16_384
"""What a dead letter's headers add to its message, at most."""

_START: Final = "start it with `watchkeeper up`, or correct the address: `watchkeeper config --changed`"
_WORKERS: Final = "start them: `python -m workers` (the embedded stack of `watchkeeper up` has its own)"


async def all_checks(
    settings: Settings,
    store_checks: Callable[[], Awaitable[list[PartCheck]]],
    *,
    deadline_s: float = DEADLINE_S,
) -> list[PartCheck]:
    """Ask every part, side by side; never raises for what is wrong with one."""
    jobs: tuple[tuple[PartName, Awaitable[list[PartCheck]]], ...] = (
        ("kafka", kafka_checks(settings)),
        ("triton", triton_checks(settings)),
        ("clickhouse", store_checks()),
        ("audits", audit_checks(settings, deadline_s=deadline_s - 1)),
        ("channels", channel_checks(settings)),
    )
    answers = await asyncio.gather(*(_within(deadline_s, part, job) for part, job in jobs))
    return [check for answer in answers for check in answer]


async def _within(deadline_s: float, part: PartName, job: Awaitable[list[PartCheck]]) -> list[PartCheck]:
    try:
        async with asyncio.timeout(deadline_s):
            return await job
    except TimeoutError:
        return [failed(part, "answers", f"no answer within {deadline_s:g} s", _START)]
    except Misconfigured as exc:
        what, _, remedy = str(exc).partition("\n  → ")
        return [failed(part, "answers", what, remedy)]
    except Retryable as exc:
        return [failed(part, "answers", str(exc), _START)]


async def kafka_checks(settings: Settings) -> list[PartCheck]:
    """Broker, topics, limits, the consumer groups of the workers, and what the workers say of themselves."""
    kafka = settings.kafka
    async with KafkaAdmin.connect(kafka, DEADLINE_S - 1) as admin:
        partitions = await admin.partitions()
        checks = [passed("kafka", "answers", f"{kafka.bootstrap}, {len(partitions)} topics")]
        checks += topic_checks(kafka, partitions)
        present = [topic.name for topic in owned_topics(kafka) if topic.name in partitions]
        if present:
            checks += limit_checks(kafka, await admin.topic_configs(present))
        backlogs: dict[str, Backlog] = {}
        for role, topic in (
            ("moderation", kafka.chat_logs_topic),
            ("backfill", kafka.chat_logs_backfill_topic),
            ("storage", kafka.verdicts_topic),
            ("alert_rows", kafka.alerts_topic),
            ("dead_letter_rows", kafka.chat_logs_dlq_topic),
            *([("calibration_rows", kafka.calibrations_topic)] if _has_secret(settings) else []),
            *((("audit_rows", kafka.audits_topic),) if settings.audit.enabled else ()),
        ):
            group = f"{kafka.group_prefix}.{role}"
            state = await admin.group(group)
            if topic in partitions:
                ranges, commits = await admin.ranges(topic), await admin.commits(group, topic)
                waiting = lag(ranges, commits)
                is_shared = state.is_settled and state.members > 0
                unowned = set(ranges) - state.owned.get(topic, frozenset()) if is_shared else ()
                backlogs[role] = Backlog(waiting, frozenset(unowned))
                if role not in ("moderation", "storage"):
                    checks.append(idle_group_check(role, group, members=state.members, lag=waiting))
                else:
                    checks.append(group_check(role, group, members=state.members, lag=waiting))
        judging, waiting_judgements = await judging_checks(settings, admin, partitions)
        checks += judging
        backlogs |= waiting_judgements
        checks += await fleet_checks(settings, admin, partitions, backlogs)
    return checks


def _has_secret(settings: Settings) -> bool:
    """Whether calibrations become rows here."""
    return bool(settings.recalibration.secret.get_secret_value())


def topic_checks(kafka: KafkaSettings, partitions: dict[str, int]) -> list[PartCheck]:
    """Each topic there, and those that follow another with as many partitions as that."""
    checks: list[PartCheck] = []
    expected = partitions.get(kafka.chat_logs_topic)
    judging = judging_topics(kafka)
    for topic in owned_topics(kafka):
        count = partitions.get(topic.name)
        name = f"topic {topic.name}"
        if count is None and topic.name == kafka.chat_logs_backfill_topic:
            checks.append(
                warned(
                    "kafka",
                    name,
                    "doesn't exist",
                    "only replays need it: start the workers, which create it, or send replays with --live",
                )
            )
        elif count is None and topic.name in judging:
            checks.append(
                warned(
                    "kafka",
                    name,
                    "doesn't exist",
                    "only judging needs it: start the workers, which create it, before a judge is switched on",
                )
            )
        elif count is None and not topic.follows_chat_logs:
            checks.append(
                warned(
                    "kafka",
                    name,
                    "doesn't exist, so no alert about the workers can be told"
                    if topic.name in (kafka.control_topic, kafka.alerts_topic)
                    else "doesn't exist",
                    "start the workers, which create it, or create it with one partition",
                )
            )
        elif count is None:
            checks.append(
                failed(
                    "kafka",
                    name,
                    "doesn't exist",
                    "start the workers, which create what is missing, or create it with the partitions of the chat logs",
                )
            )
        elif topic.follows_chat_logs and expected is not None and count != expected:
            checks.append(
                warned(
                    "kafka",
                    name,
                    f"{count} partitions, but {kafka.chat_logs_topic} has {expected}",
                    "give both as many: a partition's verdicts keep its order only then",
                )
            )
        else:
            checks.append(passed("kafka", name, f"{count} partition{'' if count == 1 else 's'}"))
    return checks


def limit_checks(kafka: KafkaSettings, configs: dict[str, dict[str, str]]) -> list[PartCheck]:
    """Message sizes that fit one another, and arrival stamped by the broker."""
    sources = (kafka.chat_logs_topic, kafka.chat_logs_backfill_topic)
    faults = [check for topic in sources for check in _size_faults(kafka, topic, configs)]
    limit = _size(configs.get(kafka.chat_logs_topic, {}))
    if limit is not None and not faults:
        faults = [
            passed("kafka", "message sizes", f"{kafka.chat_logs_topic} takes {limit:,} bytes, the others fit")
        ]
    return faults + [check for topic in sources for check in _stamp_faults(topic, configs.get(topic, {}))]


def _size_faults(kafka: KafkaSettings, topic: str, configs: dict[str, dict[str, str]]) -> Iterable[PartCheck]:
    letters_topic = kafka.chat_logs_dlq_topic
    limit, letters = _size(configs.get(topic, {})), _size(configs.get(letters_topic, {}))
    if limit is not None and limit > kafka.max_message_bytes:
        yield failed(
            "kafka",
            f"message size of {topic}",
            f"the topic takes {limit:,} bytes, the workers {kafka.max_message_bytes:,}",
            f"set WATCHKEEPER_KAFKA__MAX_MESSAGE_BYTES={limit}, or one larger message stops its partition",
        )
    if limit is not None and letters is not None and letters < limit + ENVELOPE_BYTES:
        yield failed(
            "kafka",
            f"message size of {letters_topic}",
            f"{letters:,} bytes, too few for a dead letter of a message of {limit:,} with its headers",
            f"set max.message.bytes of {letters_topic} to at least {limit + 65_536}",
        )


def _stamp_faults(topic: str, config: dict[str, str]) -> Iterable[PartCheck]:
    stamp = config.get("message.timestamp.type")
    if stamp is not None and stamp != "LogAppendTime":
        yield warned(
            "kafka",
            f"arrival times of {topic}",
            f"message.timestamp.type is {stamp}: arrival is what the producer says",
            "set message.timestamp.type=LogAppendTime on the topic, so that no event is ever late",
        )


def _size(config: dict[str, str]) -> int | None:
    value = config.get("max.message.bytes", "")
    return int(value) if value.isdigit() else None


def group_check(role: str, group: str, *, members: int, lag: int) -> PartCheck:
    """Whether anybody works for a role."""
    if members == 0:
        return failed("workers", role, f"group {group} has no member; {lag:,} messages wait", _WORKERS)
    return passed(
        "workers", role, f"group {group}: {members} member{'s' if members > 1 else ''}, {lag:,} messages wait"
    )


async def triton_checks(settings: Settings) -> list[PartCheck]:
    """Live, ready, and serving a guard whose tensors are those of schemas/tensors.py (`connect` compares them)."""
    quick = settings.triton.model_copy(
        update={"deadline_s": min(settings.triton.deadline_s, DEADLINE_S / 2), "attempts": 1}
    )
    guard = await triton.connect(quick)
    try:
        facts = dict(await guard.ping())
    finally:
        await guard.aclose()
    return [
        passed("triton", "answers", f"{facts.get('address', '')}, {facts.get('server', '')}"),
        passed(
            "triton",
            f"model {settings.triton.guard_model}",
            f"{facts.get('guard', '')}, tensors as agreed, {facts.get('prompt_hash', '')[:12]}",
        ),
    ]
