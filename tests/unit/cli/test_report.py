"""The command `report`: formats, files, and what it refuses before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli.report import read_format, write
from monitor.errors import Misconfigured


@pytest.mark.parametrize(
    ("form", "out", "chosen"),
    [
        (None, None, "html"),
        (None, Path("a.pdf"), "pdf"),
        (None, Path("a.MD"), "md"),
        (None, Path("a.markdown"), "md"),
        (None, Path("a.txt"), "html"),
        (" JSON ", Path("a.pdf"), "json"),
    ],
)
def test_the_format_is_the_one_asked_for_or_the_files(
    form: str | None, out: Path | None, chosen: str
) -> None:
    assert read_format(form, out) == chosen


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(Misconfigured, match="html, md, json, pdf"):
        read_format("docx", None)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = write(b"one", tmp_path / "new" / "report.html")
    assert write(b"two", path).read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(Misconfigured, match="can't be written"):
        write(b"three", path / "below-a-file.html")
