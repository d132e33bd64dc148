"""The broker's jars: fetched once per user by their Maven coordinates, checked by SHA-256 at each start.

The list with its checksums is `kafka_jars.toml`, so nothing is resolved at run time, a second start needs no network,
and a jar that isn't the one we tested never runs. Downloads go through jgo, which honours the repositories in its own
configuration (a company's mirror) before the central one.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

from monitor.embedded.locks import exclusive
from monitor.errors import Misconfigured

ROOTS: Final = ("org.apache.kafka:kafka_2.13:4.1.0", "org.slf4j:slf4j-simple:1.7.36")
CONNECTIONS: Final = 8
ATTEMPTS: Final = 3

OnBytes = Callable[[int, int], None]
"""Told the bytes there and the bytes in all."""


@dataclass(frozen=True)
class Jar:
    """One jar as the list pins it."""

    coordinate: str
    bytes: int
    sha256: str

    def path(self, repository: Path) -> Path:
        """Its place in a local Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        return repository.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")

    def is_intact(self, repository: Path) -> bool:
        """Whether it is there and is the one that the list means."""
        path = self.path(repository)
        try:
            return path.stat().st_size == self.bytes and _sha256(path) == self.sha256
        except OSError:
            return False


def pinned_jars() -> tuple[Jar, ...]:
    """The list, the broker's own jar first."""
    listing = tomllib.loads(files("monitor.embedded").joinpath("kafka_jars.toml").read_text(encoding="utf-8"))
    return tuple(Jar(**entry) for entry in listing["jar"])


class Abandoned(BaseException):
    """Raise it from `on_bytes` to end a download: what is there stays, and `fetch` raises it."""


def fetch(
    jars: Sequence[Jar], repository: Path, *, on_bytes: OnBytes, remotes: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """The jars' paths, all there and all intact; downloads what is missing or damaged. Blocks.

    `remotes` are Maven repositories by name, asked in order; None: those in jgo's configuration, then the central one.
    Several processes may do so at once: one downloads, the others wait. Raises Misconfigured when a jar can't be had.
    """
    if missing := _not_intact(jars, repository):
        repository.mkdir(parents=True, exist_ok=True)
        with exclusive(repository / ".lock"):
            if missing := _not_intact(jars, repository):
                _download(missing, repository, on_bytes, remotes)
    return tuple(jar.path(repository) for jar in jars)


def _not_intact(jars: Sequence[Jar], repository: Path) -> list[Jar]:
    with ThreadPoolExecutor(2) as pool:
        return [
            jar
            for jar, good in zip(jars, pool.map(partial(_intact_in, repository), jars), strict=True)
            if not good
        ]


def _intact_in(repository: Path, jar: Jar) -> bool:
    return jar.is_intact(repository)


def _download(
    jars: Sequence[Jar], repository: Path, on_bytes: OnBytes, remotes: Mapping[str, str] | None
) -> None:
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as exc:
        raise Misconfigured(
            f"the embedded broker needs the package jgo: {exc}", "pip install 'watchkeeper[embedded]'"
        ) from exc
    if remotes is None:
        configured = GlobalSettings.load().repositories
        remotes = {**configured, "central": configured.get("central", MAVEN_CENTRAL_URL)}
    asked = dict(remotes)
    total = sum(jar.bytes for jar in jars)
    there = 0
    adding = threading.Lock()

    def add(count: int) -> None:
        nonlocal there
        with adding:
            there += count
            on_bytes(min(there, total), total)

    @contextmanager
    def counted(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield add

    def get(jar: Jar) -> None:
        context = MavenContext(
            resolver=PythonResolver(progress_callback=counted),
            repo_cache=repository,
            remote_repos=asked,
            timeout=30,
        )
        for attempt in range(1, ATTEMPTS + 1):
            jar.path(repository).unlink(missing_ok=True)
            try:
                context.create_dependency(jar.coordinate).artifact.resolve()
            except Exception as exc:  # requests' and jgo's own, RuntimeError among them
                if attempt == ATTEMPTS:
                    raise Misconfigured(
                        f"the broker's jar {jar.coordinate} could not be downloaded: {type(exc).__name__}: {exc}",
                        "check the network, the proxy variables or the repositories in jgo's configuration; "
                        "the jars are needed once",
                    ) from exc
            else:
                if jar.is_intact(repository):
                    return
        raise Misconfigured(
            f"the jar {jar.coordinate} is not the one expected: its SHA-256 differs from {jar.sha256}",
            "look at the Maven repository or mirror that served it; nothing was started",
        )

    on_bytes(0, total)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(get, sorted(jars, key=lambda jar: -jar.bytes)))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _resolve_anew() -> str:
    """The text of kafka_jars.toml for ROOTS as they resolve now. Needs the network."""
    import tempfile

    from jgo.maven import MavenContext, PythonResolver

    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(folder))
        roots, transitive = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
        artifacts = [
            found.artifact for found in (*roots, *transitive) if found.scope in {None, "compile", "runtime"}
        ]
        entries = sorted(
            (f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}", Path(artifact.resolve()))
            for artifact in artifacts
        )
        return "\n".join(
            f'[[jar]]\ncoordinate = "{coordinate}"\nbytes = {path.stat().st_size}\nsha256 = "{_sha256(path)}"\n'
            for coordinate, path in sorted(entries, key=lambda entry: (entry[0] != ROOTS[0], entry[0]))
        )


if __name__ == "__main__":
    sys.stdout.write(_resolve_anew())
