"""The broker's jars are fetched once, and only the ones that the list means ever run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from monitor.embedded.jars import Abandoned, Jar, fetch, pinned_jars
from monitor.errors import Misconfigured

CONTENT = bytes(range(256)) * 400
JAR = Jar("org.example:thing:1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
UNREACHABLE = {"none": "http://127.0.0.1:9"}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """Say nothing."""


@contextmanager
def _remote(folder: Path, content: bytes) -> Iterator[dict[str, str]]:
    """A Maven repository over HTTP that serves JAR with this content."""
    path = JAR.path(folder)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {"local": f"http://127.0.0.1:{server.server_address[1]}"}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_missing_jar_is_fetched_and_counted_up_to_its_size(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with _remote(tmp_path / "remote", CONTENT) as remotes:
        (path,) = fetch(
            [JAR],
            tmp_path / "local",
            on_bytes=lambda there, total: seen.append((there, total)),
            remotes=remotes,
        )
    assert path.read_bytes() == CONTENT
    assert (seen[0], seen[-1]) == ((0, JAR.bytes), (JAR.bytes, JAR.bytes))


def test_what_is_there_needs_no_network(tmp_path: Path) -> None:
    with _remote(tmp_path / "remote", CONTENT) as remotes:
        fetch([JAR], tmp_path / "local", on_bytes=lambda *_: None, remotes=remotes)
    told: list[tuple[int, int]] = []
    paths = fetch([JAR], tmp_path / "local", on_bytes=lambda *count: told.append(count), remotes=UNREACHABLE)
    assert (paths, told) == ((JAR.path(tmp_path / "local"),), [])


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_a_damaged_jar_is_fetched_anew(tmp_path: Path, damaged: bytes) -> None:
    path = JAR.path(tmp_path / "local")
    path.parent.mkdir(parents=True)
    path.write_bytes(damaged)
    with _remote(tmp_path / "remote", CONTENT) as remotes:
        fetch([JAR], tmp_path / "local", on_bytes=lambda *_: None, remotes=remotes)
    assert path.read_bytes() == CONTENT


def test_a_repository_that_serves_another_jar_is_refused(tmp_path: Path) -> None:
    with (
        _remote(tmp_path / "remote", b"another") as remotes,
        pytest.raises(Misconfigured, match="is not the one expected"),
    ):
        fetch([JAR], tmp_path / "local", on_bytes=lambda *_: None, remotes=remotes)


def test_no_network_is_told_with_the_jar_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"org\.example:thing:1\.0 could not be downloaded") as caught:
        fetch([JAR], tmp_path / "local", on_bytes=lambda *_: None, remotes=UNREACHABLE)
    assert "check the network" in caught.value.remedy


def test_a_download_can_be_abandoned(tmp_path: Path) -> None:
    def stop(there: int, _total: int) -> None:
        if there:
            raise Abandoned

    with _remote(tmp_path / "remote", CONTENT) as remotes, pytest.raises(Abandoned):
        fetch([JAR], tmp_path / "local", on_bytes=stop, remotes=remotes)


def test_the_list_pins_the_broker_and_a_logger() -> None:
    coordinates = [jar.coordinate for jar in pinned_jars()]
    assert coordinates[0] == "org.apache.kafka:kafka_2.13:4.1.0"
    assert "org.slf4j:slf4j-simple:1.7.36" in coordinates
    assert len(set(coordinates)) == len(coordinates)
