"""Files of ours in TOML, read within bounds: what is wrong is said without quoting them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

LARGEST_BYTES: Final = 1 << 20


def text_of(path: Path) -> tuple[str, list[str]]:
    """The text of a file, or "" and why it can't be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
        text = raw.decode()
    except OSError as exc:
        return "", [exc.strerror or type(exc).__name__]
    except UnicodeDecodeError:
        return "", ["it is no UTF-8"]
    if len(raw) > LARGEST_BYTES:
        return "", [f"it has more than {LARGEST_BYTES:,} bytes"]
    return text, []


def table_of(text: str) -> tuple[dict[str, Any], list[str]]:
    """The table that it is, or {} and where it is none: the rest of the parser's message may quote the file."""
    try:
        return tomllib.loads(text), []
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        place = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(exc))
        return {}, [f"it is no TOML{f' ({place[1]})' if place else ''}"]
