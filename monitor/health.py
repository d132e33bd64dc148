"""What is wrong with a fleet now, from what is known of it: pure. What becomes of that over time: monitor/alerting.py.

One finding a condition and role, however many partitions and workers it concerns: one cause is one alert.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.alert_kind import AlertKind
from monitor.conditions import Condition
from monitor.fleet import GATED_ROLES, GUARD_ROLES, Claim, Fleet, GroupView
from monitor.health_settings import HealthSettings
from schemas.status import RoleStatus, WorkerStatus

KEEPS_SHARE: Final = 0.5
"""A share above this part of its limit keeps an alert firing, and starts none."""
NAMED_AT_MOST: Final = 5

Place = tuple[tuple[str, str], ...]

STAGE_PLACES: Final[Mapping[tuple[str, str], str]] = {
    ("moderation", "guard"): "the guard",
    ("moderation", "write"): "writing to Kafka",
    ("backfill", "guard"): "the guard",
    ("backfill", "write"): "writing to Kafka",
    ("storage", "write"): "ClickHouse",
    ("judging", "guard"): "the judge",
    ("judging", "write"): "writing to Kafka",
    ("judging_backfill", "guard"): "the judge",
    ("judging_backfill", "write"): "writing to Kafka",
    ("judgements", "write"): "ClickHouse",
    ("alert_rows", "write"): "ClickHouse",
    ("dead_letter_rows", "write"): "ClickHouse",
    ("calibration_rows", "write"): "ClickHouse",
    ("audit_rows", "write"): "ClickHouse",
}
_REMEDIES: Final[Mapping[str, str]] = {
    "the guard": "see whether Triton answers and what it is busy with: `watchkeeper check`",
    "the judge": "see whether the judge answers and what it is busy with; questions are kept for a day (docs/judging.md)",
    "writing to Kafka": "see whether the brokers are well and have their in-sync replicas: `watchkeeper check`",
    "ClickHouse": "see whether ClickHouse answers and has room: `watchkeeper check`",
}
_LOOK: Final = "run `watchkeeper check`, and look for `batch waits` in the worker's log"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong now. `concerned`: the partitions or workers; another one is news of the same alert.

    `since_s` is when it began, as far as can be told. One that `only_keeps` keeps an alert firing, and starts none.
    """

    condition: AlertKind
    place: Place
    concerned: frozenset[str]
    since_s: float
    title: str
    remedy: str
    facts: Mapping[str, float | str] = field(default_factory=dict)
    only_keeps: bool = False


def fleet_findings(fleet: Fleet, now_s: float) -> list[Finding]:
    """All that is wrong, as the overseer sees it; after `Fleet.look`."""
    found: list[Finding] = []
    for view in fleet.views.values():
        claims = fleet.claims(view.group, now_s)
        found += _of_claims(fleet.settings, list(claims.values()))
        found += _unowned(fleet, view, now_s)
        found += _uncommitted(fleet, view, claims, now_s)
        found += _dead_letters(fleet, view, now_s)
    found += _guard(fleet, now_s)
    found += _silent(fleet, now_s)
    found += _watch(fleet)
    return found


def worker_findings(settings: HealthSettings, status: WorkerStatus, now_s: float) -> list[Finding]:
    """What a worker can tell of itself, with no broker in reach."""
    return [
        finding
        for role in status.roles
        for finding in _of_claims(
            settings, [Claim(status.worker, role, partition, now_s) for partition in role.partitions]
        )
    ]


def is_stalled(settings: HealthSettings, claim: Claim) -> bool:
    """Whether it makes no progress, for a reason that isn't known to need a person, and not on purpose."""
    partition = claim.partition
    is_held_back = claim.role.role in GATED_ROLES and not partition.in_flight and not partition.trouble
    return claim.still_s >= settings.stalled_after_s and not partition.is_halted and not is_held_back


def _of_claims(settings: HealthSettings, claims: Sequence[Claim]) -> Iterator[Finding]:
    halted = [claim for claim in claims if claim.partition.is_halted]
    if halted:
        role = halted[0].role
        cause, _, remedy = halted[0].partition.trouble.partition("\n  → ")
        yield Finding(
            Condition.PARTITION_HALTED,
            _place(role),
            _numbers(halted),
            min(claim.still_since_s for claim in halted),
            f"{role.role} waits for a person in {_of(halted)} of {role.topic}: {cause}",
            remedy or _LOOK,
            {**_facts(halted), "cause": cause},
        )
    stalled = [claim for claim in claims if is_stalled(settings, claim)]
    if stalled:
        role = stalled[0].role
        longest = max(stalled, key=lambda claim: claim.still_s)
        still_s = round(longest.still_s, 3)
        where = _waits_for(role.role, stalled)
        trouble = longest.partition.trouble.partition("\n  → ")[0]
        why = f", waiting for {where}" if where else f": {trouble}" if trouble else ""
        breakers = {claim.role.breaker for claim in stalled} - {"", "closed"}
        yield Finding(
            Condition.WORKER_STALLED,
            _place(role),
            _numbers(stalled),
            min(claim.still_since_s for claim in stalled),
            f"{role.role} has made no progress in {_of(stalled)} of {role.topic} for {still_s:.0f} s{why}",
            _REMEDIES.get(where, _LOOK),
            {**_facts(stalled), "still_s": still_s, "waits_for": where, "trouble": trouble}
            | ({"breaker": min(breakers)} if breakers else {}),
        )


def _waits_for(role: str, claims: Sequence[Claim]) -> str:
    """The part that most of their batches are at, or between two tries were at when they failed; "" where they are at none."""
    stages = ((claim.partition.doing, claim.partition.failed_at) for claim in claims)
    places = Counter(
        STAGE_PLACES.get((role, now)) or STAGE_PLACES.get((role, failed)) for now, failed in stages
    )
    del places[None]
    return max(places, key=lambda place: places[place], default=None) or ""


def _unowned(fleet: Fleet, view: GroupView, now_s: float) -> Iterator[Finding]:
    settings = fleet.settings
    lost = {
        number: unowned_s
        for number, offsets in view.offsets.items()
        if (view.must_be_owned or offsets.waiting)
        and (
            (unowned_s := fleet.unowned_s(view.group, number)) >= settings.rebalance_within_s
            or fleet.unowned_at_rest_s(view.group, number) >= settings.unowned_after_s
        )
    }
    if not lost:
        return
    waiting = sum(view.offsets[number].waiting for number in lost)
    starting = sorted(
        f"{worker} waits for {heard.status.waits_for}"
        for worker, heard in fleet.workers.items()
        if heard.status.state == "starting" and heard.status.waits_for
    )
    remedy = f"start workers with this role: `python -m workers --roles {view.role}`"
    if not view.is_settled:
        remedy = "the group has been rebalancing for long: look for a worker that is frozen or restarts again and again"
    elif starting:
        remedy = f"a worker is there and can't start yet: {_listed(starting)}; `watchkeeper check` says how that part is"
    yield Finding(
        Condition.PARTITION_UNOWNED,
        _place(view),
        frozenset(map(str, lost)),
        now_s - max(lost.values()),
        f"nobody owns {_partitions(lost)} of {view.topic} for {view.role}; {_messages(waiting)}",
        remedy,
        {"partitions": spans(lost), "waiting": waiting},
    )


def _uncommitted(
    fleet: Fleet, view: GroupView, claims: Mapping[int, Claim], now_s: float
) -> Iterator[Finding]:
    """Owned, with more to commit, and no worker that says why not: commits don't arrive, or its owner says nothing."""
    still = {
        number: still_s
        for number in view.owned & set(view.offsets)
        if (still_s := fleet.uncommitted_s(view.group, number)) >= fleet.settings.uncommitted_after_s
    }
    if not still:
        return
    dumb = sorted(number for number in still if number not in claims)
    waiting = sum(view.offsets[number].waiting for number in still)
    why = "its owner says nothing of itself" if dumb else "the worker goes on, and its commits don't arrive"
    yield Finding(
        Condition.GROUP_STALLED,
        _place(view),
        frozenset(map(str, still)),
        now_s - max(still.values()),
        f"the committed offset of {_partitions(still)} of {view.topic} hasn't moved for {max(still.values()):.0f} s: {why}",
        f"see who is in the group {view.group}: a worker that is frozen, an older release, or another consumer"
        if dumb
        else "look for `commit failed` in the worker's log, and see whether the group's coordinator is well",
        {"partitions": spans(still), "without_status": spans(dumb), "waiting": waiting},
    )


def _dead_letters(fleet: Fleet, view: GroupView, now_s: float) -> Iterator[Finding]:
    settings = fleet.settings
    counts = fleet.lately([view.role], now_s, least=settings.dead_letter_least, of="messages")
    if counts is None:
        return
    share = min(1.0, counts.dead / counts.messages)
    if share < settings.dead_letter_share * KEEPS_SHARE:
        return
    over_s = now_s - counts.from_s
    yield Finding(
        Condition.DEAD_LETTER_SHARE,
        _place(view),
        frozenset(),
        counts.from_s,
        f"{share:.0%} of the last {counts.messages:,} messages of {view.topic} went to the dead letters",
        "`watchkeeper dlq list` says why; look at the producer's last deploy",
        {
            "share": round(share, 4),
            "dead": counts.dead,
            "messages": counts.messages,
            "over_s": round(over_s, 1),
        },
        only_keeps=share < settings.dead_letter_share,
    )


def _guard(fleet: Fleet, now_s: float) -> Iterator[Finding]:
    settings = fleet.settings
    counts = fleet.lately(sorted(GUARD_ROLES), now_s, least=settings.unanswered_least, of="exchanges")
    if counts is None:
        return
    share = counts.unanswered / counts.exchanges
    if share < settings.unanswered_share * KEEPS_SHARE:
        return
    over_s = now_s - counts.from_s
    yield Finding(
        Condition.GUARD_UNANSWERING,
        (("part", "guard"),),
        frozenset(),
        counts.from_s,
        f"the guard gave no usable answer to {share:.0%} of the last {counts.exchanges:,} exchanges",
        "look at Triton's log and at the guard model's last deploy; the rows have status unknown or error, and the rates "
        "leave them out",
        {
            "share": round(share, 4),
            "unanswered": counts.unanswered,
            "exchanges": counts.exchanges,
            "over_s": round(over_s, 1),
        },
        only_keeps=share < settings.unanswered_share,
    )


def _silent(fleet: Fleet, now_s: float) -> Iterator[Finding]:
    silent = {
        worker: fleet.silence_s(heard, now_s)
        for worker, heard in fleet.workers.items()
        if fleet.silence_s(heard, now_s) >= fleet.settings.silent_after_s
    }
    if not silent:
        return
    longest_s = max(silent.values())
    names = sorted(silent, key=lambda worker: -silent[worker])
    yield Finding(
        Condition.WORKER_SILENT,
        (),
        frozenset(silent),
        now_s - longest_s,
        f"{_count(len(silent), 'worker')} said nothing for {longest_s:.0f} s, and no goodbye: {_listed(names)}",
        "see whether the process was killed (memory?), is frozen, or can't reach Kafka; start it again",
        {"workers": _listed(names), "silent_s": round(longest_s, 1)},
    )


def _watch(fleet: Fleet) -> Iterator[Finding]:
    lost = fleet.lost_watch
    if lost is not None:
        yield Finding(
            Condition.WATCH_STATE_DAMAGED,
            (("part", "watch"),),
            frozenset(),
            lost.since_s,
            f"drift isn't watched: {lost.cause}",
            lost.remedy,
            {"cause": lost.cause},
        )


def _place(of: RoleStatus | GroupView) -> Place:
    return (("role", of.role), ("topic", of.topic), ("group", of.group))


def _numbers(claims: Iterable[Claim]) -> frozenset[str]:
    return frozenset(str(claim.partition.partition) for claim in claims)


def _facts(claims: Sequence[Claim]) -> dict[str, float | str]:
    return {
        "partitions": spans(claim.partition.partition for claim in claims),
        "workers": _listed(sorted({claim.worker for claim in claims})),
        "waiting": sum(max(0, claim.partition.end - claim.partition.position) for claim in claims),
    }


def _of(claims: Sequence[Claim]) -> str:
    return _partitions([claim.partition.partition for claim in claims])


def _partitions(numbers: Iterable[int]) -> str:
    numbers = list(numbers)
    return f"partition{'s' if len(numbers) > 1 else ''} {spans(numbers)}"


def _messages(count: int) -> str:
    return f"{_count(count, 'message')} wait{'s' if count == 1 else ''}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def spans(numbers: Iterable[int]) -> str:
    """Numbers as a reader likes them: 0-3, 7. At most a few spans, and then how many more numbers there are."""
    ordered = sorted(set(numbers))
    found: list[tuple[int, int]] = []
    for number in ordered:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    kept = found[: 2 * NAMED_AT_MOST]
    text = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in kept)
    more = len(ordered) - sum(high - low + 1 for low, high in kept)
    return text + (f" and {more} more" if more else "")
