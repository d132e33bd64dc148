"""`python -m benchmarks.audit_speed`, small: what it compares is the same thing."""

from __future__ import annotations

import re

import pytest

from benchmarks.audit_speed.__main__ import main


def test_both_ways_find_the_same_and_the_ratio_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rows", "400", "--dimensions", "16", "--draws", "10", "--naive", "5"])
    said = capsys.readouterr().out
    difference = re.search(r"difference of the CHI (\S+)", said)
    assert difference is not None
    assert float(difference[1]) < 1e-4
    assert re.search(r"^ratio \d+; of processor time", said, re.MULTILINE)
