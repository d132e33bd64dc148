"""The command `report`: formats, files, and what it refuses before anything is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli.report import path_of, read_format, write
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
    with pytest.raises(Misconfigured, match="can't be written: a file lies where"):
        write(b"three", path / "below-a-file.html")


def test_a_link_stays_one_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    link = tmp_path / "latest.html"
    link.symlink_to("w47.html")
    assert write(b"one", link) == link
    assert (link.is_symlink(), (tmp_path / "w47.html").read_bytes()) == (True, b"one")
    reader, writer = os.pipe()
    write(b"two", Path(f"/dev/fd/{writer}"))
    assert os.read(reader, 10) == b"two"
    os.close(reader)
    os.close(writer)


def test_a_folder_that_there_is_or_that_is_written_as_one_takes_a_file_of_the_weeks_name(
    tmp_path: Path,
) -> None:
    assert path_of(str(tmp_path), "r.html") == tmp_path / "r.html"
    assert path_of(f"{tmp_path}/new/", "r.html") == tmp_path / "new" / "r.html"
    assert path_of(f"{tmp_path}/new", "r.html") == tmp_path / "new"
    assert write(b"x", path_of(f"{tmp_path}/new/", "r.html")).read_bytes() == b"x"


def test_a_pdf_without_typst_is_refused_with_what_to_do() -> None:
    without = (
        "import sys; sys.modules['typst'] = None\nfrom monitor.reporting import as_pdf\nas_pdf.require()"
    )
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert "needs Typst, which isn't installed" in done.stderr
    assert "pip install 'watchkeeper[pdf]', or take --format html and print it" in done.stderr
