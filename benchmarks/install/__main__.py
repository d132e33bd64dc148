"""What an installation downloads: `python -m benchmarks.install`.

Resolves each profile of the Makefile from the lock, picks for each package the wheel that this Python would take, and
adds up the sizes that the package index states. Nothing is downloaded. The peer is the profile of the tests, with torch: what
the demo would cost if the stream needed it.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

ROOT: Final = Path(__file__).resolve().parents[2]
PROFILES: Final = {
    "make demo": ("embedded",),
    "make test": ("embedded", "dev", "models"),
}
LARGEST: Final = 6


def resolve(extras: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    """The packages of a profile for this machine, from the lock, each with its wheels and their sizes."""
    out = folder / "pylock.toml"
    command = [str(ROOT / ".venv/bin/uv"), "pip", "compile", "--quiet", "--format", "pylock.toml"]
    command += [
        "--python",
        sys.executable,
        "--constraints",
        "locks/all.txt",
        "--output-file",
        str(out),
        "pyproject.toml",
    ]
    subprocess.run([*command, *(f"--extra={extra}" for extra in extras)], cwd=ROOT, check=True)
    packages: list[dict[str, Any]] = tomllib.loads(out.read_text())["packages"]
    return packages


def size(package: dict[str, Any], ranks: dict[Any, int]) -> int:
    """Bytes of the best wheel for this Python."""
    best = min(
        (
            (min(ranks[tag] for tag in tags if tag in ranks), wheel["size"])
            for wheel in package.get("wheels", ())
            if (tags := parse_wheel_filename(Path(wheel["url"]).name)[3]) & ranks.keys()
        ),
        default=None,
    )
    if best is None:
        raise RuntimeError(f"{package['name']} {package['version']} has no wheel for this Python")
    bytes_: int = best[1]
    return bytes_


def main() -> None:
    """Print a line a profile, the largest packages, and the ratio to the profile with torch."""
    ranks = {tag: rank for rank, tag in enumerate(sys_tags())}
    totals: dict[str, int] = {}
    for profile, extras in PROFILES.items():
        with TemporaryDirectory() as folder:
            sizes = {package["name"]: size(package, ranks) for package in resolve(extras, Path(folder))}
        totals[profile] = sum(sizes.values())
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]
        names = ", ".join(f"{name} {bytes_ / 1e6:.0f}" for name, bytes_ in largest)
        print(f"{profile:12} {totals[profile] / 1e6:7.0f} MB in {len(sizes)} wheels ({names}, …)")
    peer = totals["make test"]
    for profile, total in totals.items():
        print(f"{profile:12} {total / peer:7.3f} of the download with torch")


if __name__ == "__main__":
    main()
