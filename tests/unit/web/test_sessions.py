"""Who may act with the dashboard."""

from __future__ import annotations

from contextlib import suppress

import pytest
from pydantic import SecretStr

from monitor.web.sessions import (
    ATTEMPTS_PER_MINUTE,
    MOST_ADDRESS_CHARS,
    MOST_GUESSERS,
    MOST_SESSIONS,
    Sessions,
    TooManyAttemptsError,
    network_of,
)


class Time:
    now = 1_000.0


def sessions(token: str = "right") -> Sessions:
    return Sessions(SecretStr(token), 3600.0, lambda: Time.now)


def test_the_right_token_makes_a_session_that_ends() -> None:
    kept = sessions()
    session_id = kept.log_in("right", "  Ada \n Lovelace ", "here")
    session = kept.of(session_id)

    assert session is not None
    assert (session.name, session.who) == ("Ada Lovelace", "dashboard: Ada Lovelace")
    assert kept.is_csrf(session, session.csrf)
    assert not kept.is_csrf(session, kept.csrf(None))
    Time.now += 3601
    assert kept.of(session_id) is None


def test_whoever_logs_out_is_out() -> None:
    kept = sessions()
    session_id = kept.log_in("right", "", "here")
    kept.log_out(session_id)

    assert kept.of(session_id) is None
    assert kept.of(None) is None
    assert kept.of("") is None


@pytest.mark.parametrize("token", ["", "wrong", "righ", "right ", "ünïcode", "\ud800"])
def test_a_wrong_token_makes_none(token: str) -> None:
    assert sessions().log_in(token, "", "here") is None


def test_without_a_token_nobody_gets_in_not_even_with_an_empty_one() -> None:
    kept = sessions("")

    assert not kept.is_open
    assert kept.log_in("", "", "here") is None


def test_who_guesses_is_kept_out_for_a_minute_and_others_are_not() -> None:
    kept = sessions()
    for _ in range(ATTEMPTS_PER_MINUTE):
        assert kept.log_in("wrong", "", "there") is None
    with pytest.raises(TooManyAttemptsError):
        kept.log_in("right", "", "there")
    assert kept.log_in("right", "", "here")
    Time.now += 61
    assert kept.log_in("right", "", "there")


def test_a_stranger_with_many_addresses_keeps_nobody_else_out_and_costs_little() -> None:
    kept = sessions()
    for number in range(MOST_GUESSERS + 50):
        for _ in range(1 + ATTEMPTS_PER_MINUTE * (number < 20)):
            with suppress(TooManyAttemptsError):
                assert (
                    kept.log_in("wrong", "", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}") is None
                )

    assert len(kept._wrong) == MOST_GUESSERS
    assert kept.log_in("right", "", "192.0.2.1")


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # a socket for both families says so
        ("2001:db8:0:7:ffff::1", "2001:db8:0:7::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:" + "x" * 1_000, "unix:" + "x" * (MOST_ADDRESS_CHARS - 5)),
    ],
)
def test_an_address_stands_for_whoever_has_it(address: str, whose: str) -> None:
    assert network_of(address) == whose


def test_sessions_are_bounded_the_oldest_goes_first() -> None:
    kept = sessions()
    ids = [kept.log_in("right", "", "here") for _ in range(MOST_SESSIONS + 1)]

    assert kept.of(ids[0]) is None
    assert kept.of(ids[1]) is not None
    assert kept.of(ids[-1]) is not None


def test_who_guesses_with_many_addresses_of_one_ipv6_network_is_one() -> None:
    kept = sessions()
    for number in range(ATTEMPTS_PER_MINUTE):
        assert kept.log_in("wrong", "", f"2001:db8:0:7::{number:x}") is None
    with pytest.raises(TooManyAttemptsError):
        kept.log_in("right", "", "2001:db8:0:7:ffff::1")
    assert kept.log_in("right", "", "2001:db8:0:8::1")
    assert kept.log_in("wrong", "", "fe80::1%eth0") is None


def test_what_a_page_says_was_done_is_sealed_for_one_session_and_these_words() -> None:
    kept = sessions()
    ada, ben = (kept.of(kept.log_in("right", name, "here")) for name in ("Ada", "Ben"))
    seal = kept.seal(ada, "ab" * 16, "resolve")

    assert kept.is_sealed(ada, seal, "ab" * 16, "resolve")
    assert not kept.is_sealed(ada, seal, "ab" * 16, "mute")
    assert not kept.is_sealed(ben, seal, "ab" * 16, "resolve")
    assert not kept.is_sealed(None, seal, "ab" * 16, "resolve")
    assert not kept.is_sealed(ada, "ünïcode\ud800", "ab" * 16, "resolve")
