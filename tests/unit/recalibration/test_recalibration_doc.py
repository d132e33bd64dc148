from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from monitor.meaning import Word
from monitor.recalibration.observing import Finding
from monitor.recalibration.pieces import Piece
from monitor.recalibration.readiness import Limits, Obstacle
from monitor.recalibration.signing import LEAST_SECRET_BYTES, Distrust
from schemas.calibrations import Procedure
from schemas.refusal_tokens import RuleName

DOC = (Path(__file__).parents[3] / "docs" / "recalibration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [Piece, Obstacle, Distrust, Finding])
def test_every_word_has_its_row(words: type[Word]) -> None:
    rows = "\n".join(f"| `{word}` | {word.meaning} |" for word in words)
    assert f"|---|---|\n{rows}\n" in DOC + "\n"


def test_every_rule_and_procedure_has_its_row() -> None:
    for name in (*get_args(RuleName), *get_args(Procedure)):
        assert f"\n| `{name}`" in DOC


def test_the_defaults_that_are_told_are_those_of_the_code() -> None:
    limits = Limits()
    assert (limits.max_age_s, limits.least_prompts) == (7 * 24 * 3600, 100)
    assert (limits.least_identified, limits.level, limits.detectable) == (0.9, 0.01, 0.2)
    assert f"{LEAST_SECRET_BYTES} bytes or more" in DOC
