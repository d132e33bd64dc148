"""Phone numbers and short codes in a text: pure, linear in its length.

Digits alone say little, so a number counts where it is on the list, is written like a phone number, or stands where a
text speaks of calling. A short code (3 to 6 digits) needs such a word beside it even when it is on the list.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_LONGEST: Final = 15  # E.164
_SHORT: Final = 6
_GROUPS: Final = 8
"""Most groups of digits in one number: "0 8 0 8 2 0 0 0 2 4 7" is nobody's way to write one."""
_CUE_CHARS: Final = 40

_DIGITS: Final = re.compile(r"\d+")
_GAP: Final = re.compile(r"[ .()/-]{1,3}")
_ALWAYS_OPEN: Final = re.compile(r"\b24 ?(?:[/x-] ?7|[ -]?(?:hours?|hrs?|h)\b)", re.IGNORECASE)
_CUE: Final = re.compile(
    r"\b(?:call|text|dial|phone|ring|sms|hotline|helpline|lifeline|crisis|number|contact|reach|emergency|"
    r"samaritans|police|ambulance|whatsapp|tel|telefon|anruf|rufe|notruf|nummer|appel|num[eé]ro|llam|marca|n[uú]mero|"
    r"chiama|bel|ligue|ligar)",
    re.IGNORECASE,
)
_CODE_BEFORE: Final = re.compile(
    r"\b(?:call|dial|ring|text|(?:text|sms)\W{1,3}\w{1,20}\W{1,3}to)(?: at| on)?[ :]{1,2}$", re.IGNORECASE
)
_CODE_AFTER: Final = re.compile(
    r"\s{0,2}(?:[.,;:!?)(]|$|(?:or|and|for|if|to|in|now|immediately|right)\b)", re.IGNORECASE
)
_VANITY: Final = re.compile(
    r"(?<![\w+-])(?:\+?1[ .-]?)?\(?8(?:00|33|44|55|66|77|88)\)?[ .-]?"
    r"(?=(?:\d[ .-]?){0,5}[A-Z])(?:[A-Z\d][ .-]?){6}[A-Z\d](?![A-Za-z])"
)
_KEYPAD: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
_DATES: Final = frozenset({(4, 2, 2), (2, 2, 4), (1, 2, 4), (2, 1, 4), (1, 1, 4)})
_NORTH_AMERICAN: Final = frozenset({(3, 3, 4), (1, 3, 3, 4)})
_NOT_BEFORE: Final = frozenset("$€£¥#%_,.:")

Group = tuple[int, int]
"""Start and end of a run of digits."""


def find_numbers(text: str, known: AbstractSet[str]) -> Iterator[str]:
    """The numbers in `text` (plain: ASCII digits and dashes), as digits, in order of place; letters on keys first."""
    for match in _VANITY.finditer(text):
        yield re.sub(r"\D", "", match[0].translate(_KEYPAD))
    text = _VANITY.sub(lambda match: " " * len(match[0]), text)
    text = _ALWAYS_OPEN.sub(lambda match: "_" * len(match[0]), text)
    reader = _Reader(text, known, [match.start() for match in _CUE.finditer(text)])
    for run in _runs(text):
        yield from reader.numbers_of(run)


def _runs(text: str) -> Iterator[list[Group]]:
    """Groups of digits with nothing but a number's own punctuation between them."""
    run: list[Group] = []
    for match in _DIGITS.finditer(text):
        if run and not _GAP.fullmatch(text, run[-1][1], match.start()):
            yield run
            run = []
        run.append(match.span())
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class _Reader:
    """`cues`: where the text speaks of calling, ascending; found once, for a search at every number would add up."""

    text: str
    known: AbstractSet[str]
    cues: list[int]

    def numbers_of(self, run: list[Group]) -> Iterator[str]:
        left: list[Group] = []
        place = 0
        while place < len(run):
            found = self._known_at(run, place)
            if found is None:
                left.append(run[place])
                place += 1
                continue
            yield from self._unknown_of(left)
            left = []
            yield self._joined(run[place:found])
            place = found
        yield from self._unknown_of(left)

    def _known_at(self, run: list[Group], place: int) -> int | None:
        """Where the longest known number that starts with this group ends; it may not be a piece of a longer one."""
        if place and (self._is_abroad(run[0]) or not self._is_apart(run, place)):
            return None
        digits, found = "", None
        for end in range(place + 1, min(place + _GROUPS, len(run)) + 1):
            start, stop = run[end - 1]
            if len(digits) + stop - start > _LONGEST:
                break
            digits += self.text[start:stop]
            if digits not in self.known or (end < len(run) and not self._is_apart(run, end)):
                continue
            if len(digits) > _SHORT or self._is_code(run, place, end):
                found = end
        return found

    def _is_apart(self, run: list[Group], place: int) -> bool:
        """A space between this group and the one before."""
        return " " in self.text[run[place - 1][1] : run[place][0]]

    def _is_abroad(self, group: Group) -> bool:
        return self.text[max(0, group[0] - 2) : group[0]].rstrip("(").endswith("+")

    def _is_code(self, run: list[Group], place: int, end: int) -> bool:
        """Whether a known short code is meant: not in a price, a share or a longer figure, and beside a word of calling.

        With the groups beside it it may not be as long as a phone number: "988 555 0123".
        """
        first, last = run[place][0], run[end - 1][1]
        if first and self.text[first - 1] in _NOT_BEFORE:
            return False
        after = self.text[last : last + 2]
        if after[:1] in ("%", "_") or (after[:1] in (",", ".", ":") and after[1:].isdigit()):
            return False
        beside = run[max(0, place - 1) : min(len(run), end + 2)]
        if len(beside) > end - place and len(self._joined(beside)) > _SHORT:
            return False
        return not after[:1].isalpha() and self._is_cued(first, last)

    def _is_cued(self, start: int, end: int) -> bool:
        """A word of calling begins within _CUE_CHARS before the number or after it."""
        place = bisect_left(self.cues, start - _CUE_CHARS)
        return place < len(self.cues) and self.cues[place] < end + _CUE_CHARS

    def _unknown_of(self, groups: list[Group]) -> Iterator[str]:
        """Numbers that aren't known and still look like one. More digits than a number has are cut at spaces."""
        if sum(end - start for start, end in groups) <= _LONGEST:
            if groups and self._is_like_a_number(groups):
                yield self._joined(groups)
            return
        for piece in self._pieces(groups):
            if sum(end - start for start, end in piece) <= _LONGEST and self._is_like_a_number(piece):
                yield self._joined(piece)

    def _is_like_a_number(self, groups: list[Group]) -> bool:
        start, end = groups[0][0], groups[-1][1]
        shape = tuple(stop - begin for begin, stop in groups)
        if sum(shape) <= _SHORT:
            before = self.text[max(0, start - _CUE_CHARS) : start]
            is_asked_for = _CODE_BEFORE.search(before) and _CODE_AFTER.match(self.text, end)
            return len(shape) == 1 and shape[0] >= 3 and bool(is_asked_for)
        if self._is_abroad(groups[0]):
            return True
        is_book = sum(shape) == 13 and self._joined(groups).startswith(("978", "979"))
        is_money = start > 0 and self.text[start - 1] in _NOT_BEFORE
        is_decimal = len(shape) == 2 and self.text[groups[0][1] : groups[1][0]] == "."
        if shape in _DATES or is_book or is_money or is_decimal:
            return False
        return shape in _NORTH_AMERICAN or self._is_cued(start, end)

    def _pieces(self, groups: list[Group]) -> Iterator[list[Group]]:
        """The groups, cut where only spaces stand between them."""
        piece = [groups[0]]
        for before, group in pairwise(groups):
            if self.text[before[1] : group[0]].isspace():
                yield piece
                piece = []
            piece.append(group)
        yield piece

    def _joined(self, groups: list[Group]) -> str:
        return "".join(self.text[start:end] for start, end in groups)
