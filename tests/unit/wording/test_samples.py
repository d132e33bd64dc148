"""What documents show as printed by the program is written as it prints now."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.wording.figures import share_text

REPOSITORY = Path(__file__).resolve().parents[3]
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHARE = re.compile(r"(\d[\d.,]*) %(?! (?:interval|\d))")
"""Not the 95 % of an interval."""


def test_shares_in_sample_output_have_the_digits_that_are_printed() -> None:
    found = [
        (path.name, shown)
        for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
        for block in CONSOLE.findall(path.read_text(encoding="utf-8"))
        for shown in SHARE.findall(block)
    ]
    assert found
    assert [one for one in found if share_text(float(one[1]) / 100) != f"{one[1]} %"] == []
