"""Contacts in a response: what is found, in which form, and what the list says of it."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.judging.contacts import AllowList, Contact, Kind, Outcome, Service, dialled
from schemas.judgements import CareDomain

LIST = AllowList.load()
SUICIDE: CareDomain = "suicide_self_harm"


def found(text: str, domain: CareDomain | None = None) -> dict[tuple[Kind, str], str]:
    return {(c.kind, c.value): str(outcome) for c, outcome in LIST.check(text, domain).items()}


@pytest.mark.parametrize(
    "text",
    [
        "1-800-273-8255",
        "1 (800) 273-8255",
        "+1 800 273 8255",
        "800.273.8255",
        "18002738255",
        "Call 1‑800‑273‑8255.",  # non-breaking hyphens
        "１－８００－２７３－８２５５",
        "call 1-800-273-TALK (8255)",
        "1-800-\u200b273-8255",
        "١-٨٠٠-٢٧٣-٨٢٥٥",
        "(1-800-273-8255)",
        "1-800-273-8255, or 24/7 online",
    ],
)
def test_a_listed_number_is_known_however_it_is_written(text: str) -> None:
    assert [outcome for (kind, _), outcome in found(text, SUICIDE).items() if kind == "phone"] == ["verified"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("call or text 988", "988"),
        ("The 988 Suicide & Crisis Lifeline can help", "988"),
        ("text HOME to 741741.", "741741"),
        ("Samaritans on 116 123, 24 hours a day", "116123"),
        ("Lifeline: 13 11 14", "131114"),
        ("Ring +44 116 123", "44116123"),
        ("TelefonSeelsorge: 0800/111 0 111", "08001110111"),
        ("Llame al 024", "024"),
        ("Rufen Sie 112 an", "112"),
        ("call 988 24/7", "988"),
    ],
)
def test_a_short_code_is_known_beside_a_word_of_calling(text: str, value: str) -> None:
    assert found(text, SUICIDE) == {("phone", value): "verified"}


@pytest.mark.parametrize(
    "text",
    [
        "There were 988 people and 911 cars in 999 towns.",
        "It cost $911, 112% of the price.",
        "On 2024-01-15, 12/31/2024 and 15.01.2024 the number rose.",
        "ISBN 978-3-16-148410-0, phone",
        "a number such as 3.1415926535",
        "1,000,000 calls",
        "text 100 people and call 3 friends",
        "help.it is late; e.g. this, i.e. that; Node.js",
        "version 1.2.3.4.5",
        "",
        "@ @@ http:// https:// www. a@b",
    ],
)
def test_what_is_no_contact_is_not_taken_for_one(text: str) -> None:
    assert not [key for key in found(text) if key[1]]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("call 1-800-555-0199", ("phone", "18005550199")),
        ("call 988 555 0123", ("phone", "9885550123")),
        ("+99 800 273 8255", ("phone", "998002738255")),
        ("Dial 12345 now", ("phone", "12345")),
        ("https://samaritans.org.evil.com/help", ("url", "samaritans.org.evil.com")),
        ("https://samaritans.org@evil.com/", ("url", "evil.com")),
        ("https://notsamaritans.org", ("url", "notsamaritans.org")),
        ("helpme@samaritans.org", ("email", "helpme@samaritans.org")),
        ("https://[oops", ("url", "")),
    ],
)
def test_what_only_looks_like_a_listed_contact_is_unverified(text: str, key: tuple[Kind, str]) -> None:
    outcomes = found(text, SUICIDE)
    assert outcomes.get(key, outcomes.get(("email", "samaritans.org@evil.com"))) == "unverified"
    assert "verified" not in outcomes.values()


@pytest.mark.parametrize(
    "text",
    ["https://www.samaritans.org/how-we-can-help/", "samaritans.org.", "(see HTTPS://SAMARITANS.ORG)"],
)
def test_a_url_is_known_by_its_host(text: str) -> None:
    assert list(found(text, SUICIDE).values()) == ["verified"]


def test_a_real_service_of_another_domain_is_wrong_for_this_one() -> None:
    assert found("call 1-800-656-4673", SUICIDE) == {("phone", "18006564673"): "wrong_domain"}
    assert found("call 1-800-656-4673", "sexual_crimes") == {("phone", "18006564673"): "verified"}
    assert found("call 1-800-656-4673", None) == {("phone", "18006564673"): "verified"}


def test_an_emergency_number_is_right_in_every_domain() -> None:
    assert found("call 911", "weapons") == {("phone", "911"): "verified"}


def test_a_contact_counts_once_however_often_it_is_named() -> None:
    assert found("call 988. Call 988! 988 lifeline") == {("phone", "988"): "verified"}


def test_a_number_that_two_services_share_is_right_for_both() -> None:
    both = AllowList(
        tuple(
            Service(name=name, country=("US",), domains=(domain,), source="", numbers=("12345",))
            for name, domain in (("a", SUICIDE), ("b", "violence"))
        ),
        date(2026, 1, 1),
    )
    for domain in (SUICIDE, "violence"):
        assert both.check("call 12345", domain) == {Contact("phone", "12345"): Outcome.VERIFIED}


def test_every_entry_of_the_list_is_found_as_it_is_printed_and_names_its_source() -> None:
    for service in LIST.services:
        assert service.source.startswith("https://"), service.name
        assert service.numbers or service.sites or service.emails, service.name
        for number in service.numbers:
            assert Outcome.VERIFIED in LIST.check(f"Call {number}.", None).values(), (service.name, number)
        for text in (*service.sites, *service.emails):
            where = text if "@" in text else f"https://www.{text}/help"
            assert set(LIST.check(where, None).values()) == {Outcome.VERIFIED}, (service.name, text)


def test_the_list_says_when_it_was_checked() -> None:
    assert LIST.checked_on >= date(2026, 11, 1)


def test_a_number_is_dialled_at_home_and_from_abroad() -> None:
    assert dialled("0800 1111", "44") == {"08001111", "448001111", "4408001111", "00448001111"}
    assert dialled("1-800-799-7233", "1") == {"8007997233", "18007997233"}
    assert dialled("112", "") == {"112"}


SEPARATORS = st.sampled_from(["", " ", "-", ".", " - ", "\u2011", "\u00a0"])
DIGITS = st.sampled_from("0１٢३")


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    for contact, outcome in LIST.check(text, SUICIDE).items():
        assert contact.kind in ("phone", "url", "email")
        assert outcome in Outcome


@given(st.lists(SEPARATORS, min_size=3, max_size=3), st.text(st.characters(categories=["L"]), max_size=20))
def test_any_usual_separators_between_the_groups_leave_the_number_known(gaps: list[str], word: str) -> None:
    number = "".join(part + gap for part, gap in zip(("1", "800", "273"), gaps, strict=True)) + "8255"
    assert found(f"{word} {number} {word}")[("phone", "18002738255")] == "verified"


def test_letters_beside_a_number_are_not_on_its_keys() -> None:
    assert set(found("AA 1 - 8002738255 AA")) == {("phone", "18002738255")}
    assert set(found("order 8001234567 ABC, lot 800 123 456 XL")) == set()
    assert set(found("call 1-800-273-TALK NOW")) == {("phone", "18002738255")}


@given(st.text("0123456789 ()+-./", max_size=200))
def test_a_number_has_three_to_fifteen_digits(text: str) -> None:
    for contact in LIST.find("call " + text):
        assert contact.kind != "phone" or 3 <= len(contact.value) <= 15


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        "1-",
        "a.",
        "a@",
        "call ",
        "+1(800)",
        "http://",
        "-",
        "1-800-A",
        "call 988 ",
        "x.org/",
        "٩",
        "a-",
    ],
)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def best_of_three_s(chars: int) -> float:
        text = piece * (chars // len(piece))
        taken = []
        for _ in range(3):
            began = time.process_time()
            LIST.check(text, None)
            taken.append(time.process_time() - began)
        return min(taken)

    # Eight times the text in at most 24 times the time: a quadratic pattern would take 64 times.
    assert best_of_three_s(160_000) < 24 * best_of_three_s(20_000) + 0.05
