"""Where in a text the shapes of secrets are: e-mail, phone, payment card (Luhn), IBAN (mod 97), API keys and secrets,
US social security numbers, very long numbers, IP addresses.

Every pattern is linear, whatever the text: a run is entered at its start only (a lookbehind) and is possessive.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

Span: TypeAlias = tuple[int, int, str]

LONG_RUN: Final = 19
"""No key shape is shorter, so a text without such a run of non-spaces, digits or @ holds nothing to mask."""
_TOKEN_CHARS: Final = 20

_LOCAL: Final = r"\w.!#$%&'*+/=?^`{|}~\u0300-\u036f-"
_EMAIL: Final = re.compile(
    rf"(?<![{_LOCAL}])[{_LOCAL}]++@(?:(?:[\w\u0300-\u036f-]++\.)+[^\W\d_][\w\u0300-\u036f-]++|\[?[0-9a-fA-F:.]{{7,45}}\]?)"
)
_URL_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/@]{1,256}@")
_PEM: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{3,40}-----.*?(?:-----END [A-Z0-9 ]{3,40}-----|\Z)", re.DOTALL)
_KNOWN_KEY: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk|whsec|api|key)[-_][\w-]{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|A(?:KIA|SIA|GPA|IDA|ROA|NPA|NVA)[A-Z0-9]{16,}|AIza[\w-]{16,}|ya29\.[\w-]{16,}|xox[a-z]-[\w-]{15,}"
    r"|hf_\w{16,}|npm_\w{16,}|pypi-[\w-]{16,}|SG\.[\w-]{8,}\.[\w-]{8,}|\d{8,12}:[\w-]{30,}"
    r"|eyJ[\w-]{12,}+(?:\.[\w-]*+)*+)"
)
_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+/-]{20,}+=*+")
_IBAN_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?=[ -]?[A-Za-z0-9])")
_IBAN_BODY: Final = re.compile(r"(?:[ -]?[A-Za-z0-9]){11,34}+")
_IPV4: Final = re.compile(
    r"(?<![\w.-])(?<![vV])(?<!ersion )(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)"
)
_IPV6: Final = re.compile(
    r"(?<![\w:])(?=[0-9a-fA-F:]*\d)(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"
    r"|(?:[0-9a-fA-F]{1,4}:){2,6}:?(?::[0-9a-fA-F]{1,4}){1,5}|(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){2,6})"
    r"(?![\w:])"
)
_DIGITS: Final = re.compile(r"\d(?:[ ()./_\-]{0,3}\d){6,}+")
_GROUP: Final = re.compile(r"\d+")
_DATE: Final = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d(?!\d)|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2}(?!\d)"
    r"|\d{1,2}[./]\d{1,2}[./]\d\d(?![\d./-])"
)
_SEVEN_DIGITS: Final = re.compile(r"\d(?:[\W_]{0,3}\d){6}")
_IBAN_HINT: Final = re.compile(r"\d(?<=[A-Za-z]{2}\d)\d")
_IPV4_HINT: Final = re.compile(r"\d\.\d{1,3}\.\d")
_IPV6_HINT: Final = re.compile(r":[0-9a-fA-F]{0,4}:")
_NOT_ONLY_DIGITS: Final = re.compile(
    rf"@|-----BEGIN |{_IBAN_HINT.pattern}|{_IPV4_HINT.pattern}|{_IPV6_HINT.pattern}"
)
_LONG_RUN: Final = re.compile(rf"[!-~]{{{LONG_RUN}}}")
_RUN: Final = b"a" * LONG_RUN
_RUNS: Final = bytes(0x61 if 0x21 <= code < 0x7F else 0x20 for code in range(256))
_CLASSES: Final = bytes(
    ord("d") if chr(code) in string.digits else ord("a") if chr(code) in string.ascii_letters else code
    for code in range(256)
)
"""Of ASCII bytes: any letter is an "a", any digit a "d". A pattern that begins with a literal is searched for much faster."""
_SEVEN_D: Final = re.compile(rb"d(?:[^ad]{0,3}d){6}")
_IPV4_D: Final = re.compile(rb"d\.d{1,3}\.d")
# Characters that may fold to a digit, a letter or an @. Not among them: ASCII, the letters of the common scripts,
# typographic punctuation and emoji.
_EXOTIC: Final = re.compile(
    r"[^\x00-\x7f\xa0\xc0-\u024f\u0370-\u03ff\u0400-\u052f\u05d0-\u05ea\u060c\u061f\u0620-\u064a\u0904-\u0939"
    r"\u2010-\u201f\u2022\u2026\u20ac\u2190-\u2193\u2500-\u2775\u2794-\u27bf\u3001\u3002\u3041-\u30ff\u4e00-\u9fff"
    r"\uac00-\ud7a3\ufe0f\U0001f300-\U0001faff]"
)
_PHONE_SHAPES: Final = (
    ((3, 3, 4), tuple("23456789")),  # North America
    ((1, 3, 3, 4), tuple(f"1{d}" for d in range(2, 10))),
    ((5, 5), tuple("6789")),  # India
    ((3, 4, 4), ("1",)),  # China
)
_YEAR: Final = re.compile(r"1\d{3}|20\d\d")
_DECIMAL: Final = re.compile(r"\d[.,]")
_LUHN_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")


class _Folded(dict[int, int | str]):
    """str.translate table, one character for one, to what the patterns know: any script's digits, full-width and
    mathematical letters, dashes and spaces become ASCII."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        folded: int | str = code
        if code > 0x7F:
            digit = unicodedata.digit(character, None)
            plain = unicodedata.normalize("NFKC", character)
            if digit is not None:
                folded = str(digit)
            elif len(plain) == 1 and plain.isascii():
                folded = plain
            elif unicodedata.category(character) == "Pd" or code == 0x2212:
                folded = "-"
            elif character in "。｡．․":
                folded = "."
        if character.isspace():
            folded = " "
        if code < 0x10000:
            self[code] = folded
        return folded


FOLDED: Final = _Folded()
PATTERNS: Final = (_EMAIL, _URL_CREDENTIALS, _PEM, _KNOWN_KEY, _TOKEN, _IBAN_HEAD, _IPV4, _IPV6, _DIGITS)
"""Every pattern, for the benchmark's peer that always runs them all."""


class _Hints(NamedTuple):
    """Which shapes could be in a text. Never False where one is."""

    address: bool
    pem: bool
    run: bool
    iban: bool
    digits: bool
    ipv4: bool
    ipv6: bool


_ANY: Final = _Hints(*[True] * 7)
_NONE: Final = _Hints(*[False] * 7)


def _hints(text: str) -> _Hints:
    """A few searches in C for text that is plain ASCII."""
    if not text.isascii():
        return _ANY
    raw = text.encode()
    classes = raw.translate(_CLASSES)
    return _Hints(
        address=b"@" in raw,
        pem=b"-----BEGIN " in raw,
        run=_RUN in raw.translate(_RUNS),
        iban=b"aadd" in classes,
        digits=classes.count(b"d") >= 7 and _SEVEN_D.search(classes) is not None,
        ipv4=b"d.d" in classes and _IPV4_D.search(classes) is not None,
        ipv6=raw.count(b":") >= 2 and _IPV6_HINT.search(text) is not None,
    )


def find_shapes(text: str) -> list[Span]:
    """Every shape in a text without invisible characters: (start, end, marker), in order, not overlapping."""
    if text.isascii():
        hints = _hints(text)
        if hints == _NONE:
            return []
        folded = text if text.isprintable() else text.translate(FOLDED)
    else:
        if not (
            _SEVEN_DIGITS.search(text)
            or _NOT_ONLY_DIGITS.search(text)
            or has_exotic(text)
            or _LONG_RUN.search(text)
        ):
            return []
        folded = text.translate(FOLDED)
        hints = _hints(folded)
    spans: list[Span] = []
    if hints.address:
        spans += ((m.start(), m.end(), "[email]") for m in _EMAIL.finditer(folded))
        spans += ((m.start(), m.end() - 1, "[key]") for m in _URL_CREDENTIALS.finditer(folded))
    if hints.pem:
        spans += ((m.start(), m.end(), "[key]") for m in _PEM.finditer(folded))
    if hints.run:
        spans += ((m.start(), m.end(), "[key]") for m in _KNOWN_KEY.finditer(folded))
        spans += ((m.start(), m.end(), "[key]") for m in _TOKEN.finditer(folded) if _is_random(m.group()))
    if hints.iban:
        spans += _ibans(folded)
    if hints.ipv4:
        spans += ((m.start(), m.end(), "[ip]") for m in _IPV4.finditer(folded))
    if hints.ipv6:
        spans += ((m.start(), m.end(), "[ip]") for m in _IPV6.finditer(folded))
    for find in (_cards, _phones) if hints.digits else ():
        spans = _merged(spans)
        rest = _blanked(folded, spans)
        for found in _DIGITS.finditer(rest):
            spans += find(rest, [(m.start(), m.end()) for m in _GROUP.finditer(rest, *found.span())])
    return _merged(spans)


def has_exotic(text: str) -> bool:
    """Is there a character that may fold to a digit, a letter or an @?"""
    return _EXOTIC.search(text) is not None


def has_long_run(text: str) -> bool:
    """LONG_RUN characters without a space: jumps from space to space, so it looks at a few places only."""
    start, last = 0, len(text) - LONG_RUN
    while start <= last:
        space = text.rfind(" ", start, start + LONG_RUN)
        if space < 0:
            return True
        start = space + 1
    return False


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Overlapping spans become one, named after the first of them (the longer one where two start together)."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if merged and span[0] < merged[-1][1]:
            if span[1] > merged[-1][1]:
                merged[-1] = (merged[-1][0], span[1], merged[-1][2])
        else:
            merged.append(span)
    return merged


def _is_random(token: str) -> bool:
    """Does this run look drawn at random? It is where letters and digits take turns.

    Words, slugs, paths and identifiers change kind at most every fifth character (a capital that opens a word
    does not count); random base 64, 62, 36, 32 or 16 does so at 0.30 to 0.47 of its characters.
    """
    size = turns = capitals = digits = 0
    before = ""
    for character in token:
        kind = (
            "d" if character.isdigit() else "u" if character.isupper() else "l" if character.isalpha() else ""
        )
        if kind:
            size += 1
            digits += kind == "d"
            if before:
                turns += kind != before and not (before == "u" and kind == "l")
                capitals += kind == "u" and before in ("u", "l")
        before = kind
    is_mixed_case = size >= _TOKEN_CHARS and capitals >= 0.35 * size and any(c.islower() for c in token)
    if digits < 2:  # a single digit is often a word's: AutoModelForSeq2SeqLM
        return is_mixed_case or (digits == 1 and turns >= 4 and turns >= 0.3 * size)
    return turns >= 4 and turns >= 0.2 * size


def _blanked(text: str, spans: Iterable[Span]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end, _ in spans:
        pieces += (text[position:start], ";" * (end - start))
        position = end
    return "".join(pieces) + text[position:]


def _ibans(folded: str) -> Iterable[Span]:
    """IBANs, spaced or not: the longest 15 to 34 characters that end at a word's end with remainder 1."""
    for head in _IBAN_HEAD.finditer(folded):
        body = _IBAN_BODY.match(folded, head.end())
        if body is None:
            continue
        ending = int("".join(str(int(c, 36)) for c in head.group()))
        remainder, count, best = 0, 4, 0
        for place in range(body.start(), body.end()):
            if not folded[place].isalnum():
                continue
            value = int(folded[place], 36)
            remainder = (remainder * (100 if value > 9 else 10) + value) % 97
            count += 1
            is_word_end = not folded[place + 1 : place + 2].isalnum()
            if 15 <= count <= 34 and is_word_end and (remainder * 1_000_000 + ending) % 97 == 1:
                best = place + 1
        if best:
            yield head.start(), best, "[iban]"


def _luhn(digits: str) -> bool:
    ones = sum(map(int, digits[::-2]))
    return (ones + sum(digits[-2::-2].encode().translate(_LUHN_DOUBLED)) - 48 * (len(digits) // 2)) % 10 == 0


def _is_issued(digits: str) -> bool:
    """Could a payment card begin so? (2221 to 2720, 3 to 6, 81 and 82; 1800 is old JCB.)"""
    return (
        digits[0] in "3456"
        or "2221" <= digits[:4] <= "2720"
        or digits[:2] in ("81", "82")
        or digits[:4] == "1800"
    )


def _cards(text: str, groups: list[tuple[int, int]]) -> Iterable[Span]:
    """Payment cards in one sequence of digit groups, and runs of 14 digits and more, card or not."""
    digits = [text[a:b] for a, b in groups]
    whole = "".join(digits) if 1 < len(digits) <= 19 else ""
    if 13 <= len(whole) <= 19 and _is_issued(whole) and _luhn(whole):
        yield groups[0][0], groups[-1][1], "[card]"
        return
    for index, number in enumerate(digits):
        if len(number) >= 14:
            is_card = len(number) <= 19 and _luhn(number)
            if is_card or not _DECIMAL.fullmatch(text, max(0, groups[index][0] - 2), groups[index][0]):
                yield (*groups[index], "[card]" if is_card else "[number]")
        elif len(number) == 13 and _is_issued(number) and _luhn(number):
            yield (*groups[index], "[card]")
        joined = number
        for other in range(index + 1, min(index + 7, len(digits))):
            if len(digits[other - 1]) < 3 or len(joined) >= 19:
                break
            joined += digits[other]
            if 13 <= len(joined) <= 19 and _is_issued(joined) and _luhn(joined):
                yield groups[index][0], groups[other][1], "[card]"


def _phones(text: str, groups: list[tuple[int, int]]) -> Iterable[Span]:
    """Phone and social security numbers in one sequence of digit groups; dates are stepped over."""
    index = 0
    while index < len(groups):
        first, end = groups[index]
        if end - first == 1 and text[first - 1 : first] not in ("+", "(") and text[first] != "1":
            index += 1  # no number opens so, and long rows of single digits are cheap to send
            continue
        date = _DATE.match(text, first, groups[-1][1])
        if date is not None:
            while index < len(groups) and groups[index][0] < date.end():
                index += 1
            continue
        digits = [text[a:b] for a, b in groups[index : index + 16]]
        count, marker = _phone_at(digits, text[max(0, first - 14) : first], text[end : end + 1], len(groups))
        if count:
            # The plus and the bracket before it belong to the number.
            opening = len(text[max(0, first - 2) : first]) - len(text[max(0, first - 2) : first].rstrip("+("))
            yield first - opening, groups[index + count - 1][1], marker
        index += max(1, count)


def _phone_at(digits: list[str], before: str, after: str, groups: int) -> tuple[int, str]:
    """How many of these digit groups make a number (0: none), and its marker. `before` and `after` are the text
    around the first group; `groups` counts the groups of the whole sequence."""
    number = digits[0]
    sizes = tuple(len(d) for d in digits)
    is_decimal = before[-1:] in (".", ",") and before[-2:-1].isdigit()
    if before[-1:].isalpha() or (is_decimal and sizes[0] > 5):
        return 0, ""
    fifteen, twelve = _within(sizes, 15), _within(sizes, 12)
    if (before[-1:] == "+" or before[-2:] == "+(") and sum(sizes[:fifteen]) >= 8:
        return fifteen, "[phone]"
    if number.startswith("00") and sum(sizes[:fifteen]) >= 10:
        return fifteen, "[phone]"
    is_isbn = "isbn" in before.lower()
    has_trunk = number[0] == "0" and sizes[0] > 1 and not is_isbn and not after.isalpha()
    if has_trunk and sum(sizes[:twelve]) >= 9 and max(sizes[1:twelve], default=2) > 1:
        return twelve, "[phone]"
    if before[-1:] == "(" and after == ")" and 2 <= sizes[0] <= 3 and sum(sizes[:twelve]) >= 7:
        return twelve, "[phone]"
    if sizes[:3] == (3, 2, 4) and after == "-":
        return 3, "[id]"
    is_national = (sizes[0] == 10 and number[0] in "23456789") or (sizes[0] == 11 and number[0] in "178")
    if is_national and not is_isbn and not number.endswith("0000") and not after.isalpha():
        return 1, "[phone]"
    for shape, openings in _PHONE_SHAPES:
        if sizes[: len(shape)] == shape and "".join(digits[:2]).startswith(openings):
            return len(shape), "[phone]"
    is_local = groups == 2 and sizes == (3, 4) and after == "-" and number[0] in "23456789"
    if is_local and not _YEAR.fullmatch(digits[1]):
        return 2, "[phone]"
    return 0, ""


def _within(sizes: tuple[int, ...], most: int) -> int:
    """How many groups from the first have at most `most` digits together."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > most:
            return count
    return len(sizes)
