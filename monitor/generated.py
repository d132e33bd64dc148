"""Documents that are written from the code: written anew, or compared with what stands there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def write_or_compare(document: Path, text: str, module: str, arguments: Sequence[str]) -> int:
    """What `python -m <module>` does: write the document, or with `--check` compare alone. The exit code: 1 where it is out of
    date, 2 for any other arguments."""
    match list(arguments):
        case []:
            document.write_text(text, encoding="utf-8")
            return 0
        case ["--check"]:
            if document.is_file() and document.read_text(encoding="utf-8") == text:
                return 0
            sys.stderr.write(
                f"{document} is out of date: run `python -m {module}` or `make fix`, and commit it\n"
            )
            return 1
        case _:
            sys.stderr.write(f"usage: python -m {module} [--check]\n")
            return 2
