"""Where things lie on this platform: data that is kept, caches that may go, and the list of what runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "watchkeeper"


@dataclass(frozen=True)
class Folders:
    """`data`: default folder of the embedded stack. `cache`: the broker's jars. `running`: one file a running stack."""

    data: Path
    cache: Path
    running: Path


def user_folders(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Folders:
    """The user's folders after the platform's custom (XDG variables on Linux). Creates nothing."""
    env = os.environ if environ is None else environ
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    if platform == "darwin":
        library = home / "Library"
        support = library / "Application Support" / NAME
        return Folders(data=support / "data", cache=library / "Caches" / NAME, running=support / "running")
    if platform == "win32":
        local = Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / NAME
        return Folders(data=local / "data", cache=local / "cache", running=local / "running")
    return Folders(
        data=_xdg(env, "XDG_DATA_HOME", home / ".local" / "share") / NAME,
        cache=_xdg(env, "XDG_CACHE_HOME", home / ".cache") / NAME,
        running=_xdg(env, "XDG_STATE_HOME", home / ".local" / "state") / NAME / "running",
    )


def _xdg(env: Mapping[str, str], variable: str, default: Path) -> Path:
    """The XDG rule: a relative path in the variable is to be ignored."""
    value = env.get(variable, "")
    return Path(value) if value.startswith("/") else default
