"""What a person has to type in another terminal before a shell there finds `watchkeeper`."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

Step = tuple[str, str]


def activation(
    *,
    path: str | None = None,
    prefix: Path = Path(sys.prefix),
    is_virtual: bool = sys.prefix != sys.base_prefix,
    here: Path | None = None,
) -> tuple[Step, ...]:
    """A command, and what it is for; nothing where `path` (PATH unless given) leads to `watchkeeper` already, or where it lies in no
    virtual environment. The environment is named from `here`, the current folder, where it lies below it."""
    script = prefix / "bin" / "activate"
    if shutil.which("watchkeeper", path=path) is not None or not is_virtual or not script.is_file():
        return ()
    below = here or Path.cwd()
    named = script.relative_to(below) if script.is_relative_to(below) else script
    return ((f"source {shlex.quote(str(named))}", "once, so that the shell finds watchkeeper"),)
