"""The interpreter that runs the Quix peer: an environment of its own, made once from hash-locked wheels.

Nothing of ours depends on Quix Streams or on the confluent-kafka it brings.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
from pathlib import Path
from typing import Final

from monitor.embedded.folders import user_folders

LOCK: Final = Path(__file__).with_name("quix.lock.txt")
UV: Final = Path(sys.executable).with_name("uv")
INSTALL_S: Final = 300.0


class Unavailable(Exception):
    """A peer can't be run here; says why."""


async def interpreter() -> Path:
    """The Python of the environment, in the user's cache; installs it if it isn't there. Raises Unavailable."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = user_folders().cache / "benchmarks" / f"quix-{version}-{lock}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if complete.exists():
        return python
    if not UV.exists():
        raise Unavailable(
            f"needs uv to install it, and {UV.name} isn't beside this Python: run 'make install'"
        )
    shutil.rmtree(folder, ignore_errors=True)
    await _uv("venv", "--quiet", "--python", sys.executable, str(folder))
    await _uv(
        *("pip", "install", "--quiet", "--python", str(python)),
        *("--no-build", "--require-hashes", "-r", str(LOCK)),
    )
    complete.touch()
    return python


async def _uv(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(UV), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, err = await asyncio.wait_for(process.communicate(), INSTALL_S)
    except TimeoutError as exc:
        process.kill()
        await process.wait()
        raise Unavailable(f"installing it took longer than {INSTALL_S:.0f} s") from exc
    if process.returncode != 0:
        said = " ".join(err.decode(errors="replace").split())
        raise Unavailable(f"it can't be installed: {said[:200]}")
