from __future__ import annotations

from pathlib import Path

import pytest

from monitor.meaning import Word
from monitor.serving.deciding import Fallback
from monitor.serving.thresholds import LARGEST_BYTES, NoRule

DOC = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [NoRule, Fallback])
def test_every_word_has_its_row(words: type[Word]) -> None:
    rows = "\n".join(f"| `{word}` | {word.meaning} |" for word in words)
    assert f"|---|---|\n{rows}\n" in DOC


def test_the_limits_that_are_told_are_those_of_the_code() -> None:
    assert LARGEST_BYTES == 1 << 20
    assert "larger than 1 MiB" in DOC
