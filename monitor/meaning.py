"""Words that carry their meaning: the enums whose values become metric labels, headers or fields, and whose meanings documents."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """A slug, with its meaning for a person. A member is written `NAME = "slug", "What it means."`."""

    meaning: str

    def __new__(cls, slug: str, meaning: str) -> Self:
        """A slug that carries its meaning."""
        member = str.__new__(cls, slug)
        member._value_ = slug
        member.meaning = meaning
        return member
