"""The rules of monitor/redaction.py: nothing of a secret is shown wherever it stands and wherever the cut falls."""

from __future__ import annotations

import random
import re
import string
import time
from hashlib import blake2b

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.redaction import MARGIN, Redactor, redact
from monitor.settings import PrivacySettings

MARKER = re.compile(r"\[(?:email|phone|card|key|iban|ip|id|number)\]")
AROUND = "abc ,.;\n"
SHOWN = set("abc ,.;…")


def redactor(limit: int = 160, policy: str = "redacted", key: str = "") -> Redactor:
    return Redactor(
        PrivacySettings.model_validate(
            {"excerpt_policy": policy, "excerpt_max_chars": limit, "hash_key": SecretStr(key)}
        )
    )


def luhn_check_digit(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def grouped(text: str, sizes: list[int], joint: str) -> str:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(text[place : place + size])
        place += size
    return joint.join([*pieces, text[place:]] if place < len(text) else pieces)


digits = st.text(alphabet=string.digits, min_size=1)


@st.composite
def cards(draw: st.DrawFn) -> str:
    prefix, size, sizes = draw(
        st.sampled_from(
            [
                ("4", 16, [4, 4, 4, 4]),
                ("55", 16, [4, 4, 4, 4]),
                ("2221", 16, [4, 4, 4, 4]),
                ("37", 15, [4, 6, 5]),
                ("36", 14, [4, 6, 4]),
                ("62", 19, [6, 13]),
                ("4", 16, [1] * 16),
                ("4", 16, [2] * 8),
            ]
        )
    )
    body = prefix + draw(st.text(string.digits, min_size=size, max_size=size))[: size - len(prefix) - 1]
    return grouped(body + luhn_check_digit(body), sizes, draw(st.sampled_from(["", " ", "-", ".", " - "])))


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country = draw(st.sampled_from(["DE", "GB", "NO", "MT", "FR", "XK"]))
    body = draw(st.text(string.digits + "NWBKX", min_size=11, max_size=27))
    rest = int("".join(str(int(c, 36)) for c in body + country + "00"))
    code = f"{country}{98 - rest % 97:02d}{body}"
    return grouped(code, [4] * (len(code) // 4), draw(st.sampled_from(["", " ", "-"])))


@st.composite
def phones(draw: st.DrawFn) -> str:
    shape = draw(
        st.sampled_from(
            [
                "+## ### #######",
                "+# (2##) ###-####",
                "(2##) ###-####",
                "2##-###-####",
                "1-8##-###-####",
                "0## #######",
                "0###/#######",
                "(0###) ###-####",
                "06 ## ## ## ##",
                "00## ## ########",
                "9#########",
                "1##########",
                "+###########",
                "020 #### ####",
                "98### #####",
                "13# #### ####",
            ]
        )
    )
    return "".join(str(draw(st.integers(1, 9))) if c == "#" else c for c in shape)


def emails() -> st.SearchStrategy[str]:
    name = st.text("xyzXYZ09_%+-éж", min_size=1, max_size=60).filter(lambda s: s.strip())
    label = st.text("xyz09", min_size=1, max_size=20)
    return st.builds("{}@{}.{}".format, name, label, st.sampled_from(["xyz", "xy.zz", "zyxz"]))


def keys() -> st.SearchStrategy[str]:
    tail = st.text(string.ascii_uppercase + string.digits, min_size=36, max_size=90)
    heads = [
        "sk-",
        "sk-ant-",
        "sk_live_",
        "AKIA",
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "AIza",
        "hf_",
        "npm_",
        "pypi-",
        "eyJ",
    ]
    return st.builds("{}{}".format, st.sampled_from(heads), tail)


def pems() -> st.SearchStrategy[str]:
    lines = st.lists(
        st.text(string.ascii_uppercase + string.digits, min_size=64, max_size=64), min_size=1, max_size=30
    )
    return st.builds(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----".format, lines.map("\n".join)
    )


secrets = st.one_of(cards(), ibans(), phones(), emails(), keys(), pems())
around = st.builds(
    lambda words, fill, times: words + fill * times,
    st.text(AROUND, max_size=40),
    st.sampled_from(["a b c ", "abc. ", "cab,\n"]),
    st.integers(0, 40),
)


@settings(max_examples=600, deadline=None)
@given(before=around, secret=secrets, after=around, limit=st.integers(1, 320))
@example(before="a " * 76, secret="4111 1111 1111 1111", after=" b" * 300, limit=160)
@example(before="", secret="+49 170 1234567", after="", limit=1)
def test_no_character_of_a_secret_is_shown_wherever_it_stands_and_wherever_the_cut_falls(
    before: str, secret: str, after: str, limit: int
) -> None:
    shown = redactor(limit).excerpt(f"{before} {secret} {after}")

    assert set(MARKER.sub("", shown)) <= SHOWN
    assert len(shown) <= limit
    assert "\n" not in shown


@settings(max_examples=300, deadline=None)
@given(before=around, secret=secrets, after=around)
def test_the_whole_text_is_masked_too_and_nothing_else_of_it_changes(
    before: str, secret: str, after: str
) -> None:
    # The full stop: a word behind an IBAN may, once in 97 times, belong to it.
    shown = redact(f"{before} {secret}. {after}")

    assert set(MARKER.sub("", shown)) <= SHOWN | {"\n"}
    assert shown.startswith(before)
    assert shown.endswith(after)


@settings(max_examples=300, deadline=None)
@given(
    secret=st.one_of(cards(), phones(), emails(), keys()),
    joint=st.sampled_from(["\u200b", "\u2060", "\u00ad", "\u202e", "\ufeff", "\U000e0031"]),
    every=st.integers(1, 5),
    limit=st.integers(1, 200),
)
def test_invisible_characters_between_do_not_hide_a_secret(
    secret: str, joint: str, every: int, limit: int
) -> None:
    hidden = "".join(c + (joint if i % every == 0 else "") for i, c in enumerate(secret))

    assert set(MARKER.sub("", redactor(limit).excerpt(f"abc {hidden} abc"))) <= SHOWN


@settings(max_examples=200, deadline=None)
@given(
    secret=st.one_of(cards(), phones(), keys()),
    limit=st.integers(1, 200),
    base=st.sampled_from([0xFF10, 0x0660, 0x1D7CE]),
)
def test_digits_of_other_scripts_are_digits(secret: str, limit: int, base: int) -> None:
    folded = "".join(chr(base + int(c)) if c.isdigit() else c for c in secret)

    assert set(MARKER.sub("", redactor(limit).excerpt(f"abc {folded} abc"))) <= SHOWN


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail jane.doe+x@mail.example.com, please", "mail [email], please"),
        ("ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "[email]"),
        ("7 4111 1111 1111 1111 9", "7 [card] 9"),
        ("4️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣", "[card]"),
        ("④①①①①①①①①①①①①①①①", "[card]"),
        ("x41111111111111111111y", "x[number]y"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
        ("gb29nwbk60161331926819", "[iban]"),
        ("from 203.0.113.7 and 2001:db8::1", "from [ip] and [ip]"),
        ("ping 8.8.8.8 now", "ping [ip] now"),
        ("sk-abcdefghijklmnop", "[key]"),
        ("SSN 123-45-6789", "SSN [id]"),
        ("postgres://me:hunter2@localhost/db", "postgres://[key]@localhost/db"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-1", "Bearer [key]"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[key]"),
        ("550e8400-e29b-41d4-a716-446655440000", "[key]"),
        ("call +1 (415) 555-2671 or 555-0199", "call [phone] or [phone]"),
        ("only 555-0199", "only [phone]"),
    ],
)
def test_each_shape_becomes_its_marker(text: str, masked: str) -> None:
    assert redact(text) == masked
    assert redactor().excerpt(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "on 2024-01-15 at 10:30:00, and 01/02/2024 03/04/2025, 3.4.21",
        "$1,234,567.89, 1 234 567 890 people, 7,000,000,000 or 7000000000",
        "pi is 3.1415926535 and e is 2.7182818284",
        "version 1.2.3.4, v10.0.19045.3693, python 3.11.9, torch==2.8.0",
        "ISBN 978-3-16-148410-0, 0-306-40615-2, isbn 0306406152, 9783161484100",
        "years 2019 2020 2021 2022, numbers 12 15 18 20 22 25 28 30, 1 2 3 4 5 6 7 8 9 10",
        "std::vector<int> a::b::c at 12:30:45, ratio 16:9",
        "actions/checkout@v4 and foo@1.2.3 by @someone",
        "top-10-best-laptops-2024-under-1000-dollars",
        "/usr/local/lib/python3.11/site-packages/numpy/core/multiarray.py",
        "HTML5VideoPlayerComponentFactoryBean internationalization_of_everything",
        "flight LH1234 seat 12A gate B42, room 0815, section 230(c)(1)",
        'the Song dynasty (960-1279), 1/7 = 0.14285714285714285, hex = "0123456789ABCDEF"',
        "AutoModelForSeq2SeqLM.from_pretrained",
        "RFC 2616, ISO 27001:2022, 1920x1080, 10^12, 0x7fffffff, 1e-10",
    ],
)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text
    assert redactor(1_000).excerpt(text) == text


def test_random_tokens_of_every_alphabet_are_recognised() -> None:
    dice = random.Random(7)
    alphabets = {
        "hex": "0123456789abcdef",
        "base36": string.ascii_lowercase + string.digits,
        "base62": string.ascii_letters + string.digits,
        "base64": string.ascii_letters + string.digits + "+/",
    }
    missed = {
        name: sum(
            redact("".join(dice.choices(alphabet, k=size))) != "[key]"
            for size in range(24, 64)
            for _ in range(50)
        )
        for name, alphabet in alphabets.items()
    }
    # base64 may open with "+" or "/"; a run of letters alone, or of digits alone, is not a key.
    assert {name for name, count in missed.items() if count > 0.02 * 2_000} == set()


def test_an_excerpt_is_one_line_and_shows_control_characters_harmlessly() -> None:
    text = "one\ntwo\tthree\r\x1b[31mred\x07\x00 \u202eabc\u2028end\x9b\ud800"

    assert redactor().excerpt(text) == "one two three ␛[31mred␇␀ abc end\ufffd\ufffd"
    assert redactor(policy="full").excerpt(text) == "one two three ␛[31mred␇␀ abc end\ufffd\ufffd"


def test_a_plain_text_is_cut_at_a_word_and_says_that_it_was() -> None:
    assert redactor(20).excerpt("one two three four five six seven") == "one two three four…"
    assert redactor(20).excerpt("one two three four") == "one two three four"


def test_the_policies_keep_nothing_masked_text_or_the_text() -> None:
    text = "write to a@example.com and ask"

    assert redactor(policy="none").excerpt(text) == ""
    assert redactor(policy="redacted").excerpt(text) == "write to [email] and ask"
    assert redactor(policy="full").excerpt(text) == text
    assert redactor(10, policy="full").excerpt(text) == "write to …"
    assert redactor(0, policy="full").excerpt(text) == ""
    assert redactor(0).excerpt(text) == ""


@settings(max_examples=300)
@given(
    text=st.text(max_size=900),
    limit=st.integers(0, 300),
    policy=st.sampled_from(["none", "redacted", "full"]),
)
def test_no_text_breaks_the_bound_the_line_or_the_encoding(text: str, limit: int, policy: str) -> None:
    shown = redactor(limit, policy).excerpt(text)

    assert len(shown) <= limit
    assert shown.splitlines() in ([], [shown])
    shown.encode()


HOSTILE = {
    "one character": "a",
    "at signs": "a@",
    "at sign and dots": "x.@x.",
    "digits": "9",
    "digits apart": "9 ",
    "cards": "4111 1111 1111 1111 ",
    "phones": "+1 ",
    "brackets": "(12) ",
    "IBAN heads": "AA11 ",
    "key heads": "sk-",
    "SendGrid heads": "SG.",
    "JWT heads": "eyJ-",
    "PEM heads": "-----BEGIN A A-----",
    "colons": "a:",
    "URL heads": "://a",
    "IP heads": "1.1.1.",
    "zero-width": "1\u200b",
    "keycaps": "1\ufe0f\u20e3",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_costs_in_proportion_to_its_length(unit: str) -> None:
    def cost(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    cost(20_000)
    short = min(cost(20_000) for _ in range(3))
    # Ten times the text: linear is 10 times the time, quadratic 100.
    assert cost(200_000) < 40 * short + 0.05


def test_an_excerpt_of_ten_megabytes_looks_at_the_head_only() -> None:
    shown = redactor(160)
    texts = [unit * (10_000_000 // len(unit)) for unit in HOSTILE.values()]
    began = time.process_time()
    for text in texts:
        shown.excerpt(text)
    assert time.process_time() - began < 0.5


def test_a_secret_behind_a_wall_of_invisible_characters_is_not_shown() -> None:
    text = "abc 4111" + "\u200b" * (20 * MARGIN) + "111111111111 abc"

    assert "4111" not in redactor().excerpt(text)


def test_the_hash_is_keyed_blake2b_and_tells_no_answer_from_an_empty_one() -> None:
    plain, keyed = redactor(), redactor(key="k" * 80)

    assert plain.content_hash("ab", "c") == blake2b(b"\0" * 7 + b"\x02ab\x01c", digest_size=16).hexdigest()
    hashes = [
        plain.content_hash("ab", None),
        plain.content_hash("ab", ""),
        plain.content_hash("ab", "c"),
        plain.content_hash("a", "bc"),
        plain.content_hash("ab\x01c", None),
        keyed.content_hash("ab", "c"),
        redactor(key="k" * 79).content_hash("ab", "c"),
        plain.content_hash("\ud800", None),
    ]
    assert len(set(hashes)) == len(hashes)
    assert keyed.content_hash("ab", "c") == redactor(key="k" * 80).content_hash("ab", "c")
