"""When a channel is tried again, and when it is dead."""

from __future__ import annotations

import random

from monitor.channel_settings import ChannelSettings
from monitor.notifying.dead_channels import Standing
from tests.unit.notifying.made import FLEET, NOON_S, SOURCE


def standing(seed: int = 0) -> Standing:
    return Standing("team", "slack", FLEET, SOURCE, ChannelSettings(), 300.0, rng=random.Random(seed))


def test_waits_grow_with_jitter_up_to_the_longest_and_begin_anew_once_it_works() -> None:
    waits = []
    one, now_s = standing(), NOON_S
    for _ in range(12):
        one.failed("retryable", "away", now_s)
        waits.append(one.next_try_s - now_s)
        now_s = one.next_try_s
    assert all(2.0**n / 2 <= wait <= 2.0**n for n, wait in enumerate(waits[:6]))
    assert all(30 <= wait <= 60 for wait in waits[6:])
    one.worked(now_s)
    one.failed("retryable", "away", now_s)
    assert one.next_try_s - now_s <= 1
    other = standing(1)
    other.failed("retryable", "away", NOON_S)
    assert other.next_try_s - NOON_S != waits[0]


def test_a_wish_to_be_left_alone_is_kept_but_for_no_more_than_an_hour() -> None:
    one = standing()
    one.failed("retryable", "busy", NOON_S, retry_after_s=120)
    assert one.next_try_s == NOON_S + 120
    one.failed("retryable", "busy", NOON_S, retry_after_s=1e9)
    assert one.next_try_s == NOON_S + 3600


def test_a_channel_is_dead_after_five_minutes_once_and_until_it_works() -> None:
    one = standing()
    assert one.failed("retryable", "away", NOON_S) is None
    assert one.failed("retryable", "away", NOON_S + 299) is None
    dead = one.failed("retryable", "away", NOON_S + 300)
    assert dead is not None
    assert (dead.kind, dead.severity, dead.state, dead.place) == (
        "channel_dead",
        "warning",
        "firing",
        {"channel": "team"},
    )
    assert dead.started_at.timestamp() == NOON_S
    assert dead.facts == {"type": "slack", "error": "away"}
    assert one.failed("retryable", "still away", NOON_S + 400) is None
    assert one.again(NOON_S + 500) is None
    again = one.again(NOON_S + 601)
    assert again is not None
    assert (again.id, again.facts["error"]) == (dead.id, "still away")
    over = one.worked(NOON_S + 700)
    assert over is not None
    assert (over.id, over.state) == (dead.id, "resolved")
    assert one.worked(NOON_S + 701) is None


def test_a_channel_that_only_a_person_can_mend_is_dead_at_once() -> None:
    one = standing()
    dead = one.failed("misconfigured", "it answered 403\n  → correct the key", NOON_S)
    assert dead is not None
    assert dead.facts["error"] == "it answered 403"
    assert one.next_try_s == NOON_S + 300


def test_a_channel_that_refuses_everything_is_dead_after_a_while_and_is_kept_from_no_message() -> None:
    one = standing()
    assert one.failed("refused", "answered 400", NOON_S) is None
    assert one.next_try_s == NOON_S
    assert one.failed("refused", "answered 400", NOON_S + 301) is not None


def test_who_takes_over_ends_the_same_alert() -> None:
    first, second = standing(), standing()
    dead = first.failed("misconfigured", "403", NOON_S)
    assert dead is not None
    second.restore(dead)
    assert second.failed("misconfigured", "403", NOON_S + 10) is None
    over = second.worked(NOON_S + 20)
    assert over is not None
    assert over.id == dead.id
