"""What `watchkeeper check` says of judging: whether anybody works on it, and by which policy. Nothing where nobody judges."""

from __future__ import annotations

from typing import Final

import msgspec

from monitor.adapters.kafka_admin import Commit, KafkaAdmin, Range
from monitor.checking.fleet import Backlog
from monitor.checking.outcomes import PartCheck, passed, warned
from monitor.judging.policy import MUSTS
from monitor.settings import Settings
from schemas.judgements import JudgePolicy

NEWEST_POLICIES: Final = 1_000


async def judging_checks(
    settings: Settings, admin: KafkaAdmin, partitions: dict[str, int]
) -> tuple[list[PartCheck], dict[str, Backlog]]:
    """The groups of the judging roles, what waits for each, and the policy in force."""
    kafka = settings.kafka
    checks: list[PartCheck] = []
    backlogs: dict[str, Backlog] = {}
    for role, topic in (
        ("judging", kafka.judge_requests_topic),
        ("judging_backfill", kafka.judge_requests_backfill_topic),
        ("judgements", kafka.judgements_topic),
    ):
        if topic not in partitions:
            continue
        group = f"{kafka.group_prefix}.{role}"
        state = await admin.group(group)
        waiting = lag(await admin.ranges(topic), await admin.commits(group, topic))
        if settings.judging.judge == "off" and not waiting and not state.members:
            continue
        backlogs[role] = Backlog(waiting)
        checks.append(idle_group_check(role, group, members=state.members, lag=waiting))
    if checks and kafka.judge_policies_topic in partitions:
        checks += policy_checks(await policy_in_force(admin, kafka.judge_policies_topic, kafka.group_prefix))
    return checks, backlogs


async def policy_in_force(admin: KafkaAdmin, topic: str, fleet: str) -> JudgePolicy | None:
    """The newest policy of this fleet; None before there is one."""
    ranges = {
        number: Range(max(offsets.start, offsets.end - NEWEST_POLICIES), offsets.end)
        for number, offsets in (await admin.ranges(topic)).items()
    }
    newest = None
    async for record in admin.read(topic, ranges):
        try:
            policy = JudgePolicy.from_bytes(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        newest = policy if policy.fleet == fleet else newest
    return newest


def policy_checks(policy: JudgePolicy | None) -> list[PartCheck]:
    """Whether the budget holds what must be judged."""
    if policy is None:
        facts = (
            "the first one, made before any traffic; the workers replace it once they see that it doesn't fit"
        )
        return [passed("workers", "judging policy", facts)]
    share = policy.strata.get(MUSTS[0], 1.0)
    facts = (
        f"{policy.version} of {policy.made_at:%Y-%m-%d %H:%M} UTC: about {policy.asked_per_hour:,.0f} questions an "
        f"hour, budget {policy.budget_per_hour:,.0f}"
    )
    if policy.is_crowded_out:
        return [
            warned(
                "workers",
                "judging policy",
                f"{facts}; only {share:.1%} of what is harmful and not refused, or uncertain, is judged",
                "raise WATCHKEEPER_JUDGING__BUDGET_PER_HOUR, if the judge can take more; rates are weighted for it meanwhile",
            )
        ]
    return [passed("workers", "judging policy", facts)]


def lag(ranges: dict[int, Range], commits: dict[int, Commit]) -> int:
    """Offsets that a group has not handled yet."""
    return sum(
        max(0, r.end - max(r.start, commits[n].offset if n in commits else r.start))
        for n, r in ranges.items()
    )


def idle_group_check(role: str, group: str, *, members: int, lag: int) -> PartCheck:
    """Whether anybody works on what waits, of a role that live traffic doesn't wait for."""
    if members == 0 and lag:
        return warned(
            "workers",
            role,
            f"group {group} has no member; {lag:,} messages wait",
            f"start workers with the role: `python -m workers --roles {role}`",
        )
    facts = f"group {group}: {members} member{'' if members == 1 else 's'}, {lag:,} messages wait"
    return passed("workers", role, facts)
