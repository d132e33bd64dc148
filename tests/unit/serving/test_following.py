from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from monitor.serving.following import FileFollower
from monitor.serving.following_topic import TopicFollower
from monitor.serving.thresholds import LARGEST_BYTES, InForce
from tests.unit.serving.serving_parts import SECRETS, published, served, signed
from tests.waiting import until


def test_a_file_is_read_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    in_force = InForce(served(), SECRETS)
    follower = FileFollower(path, in_force)
    assert not follower.look()
    path.write_bytes(signed(published(version=1)))
    assert follower.look()
    assert not follower.look()
    replacement = tmp_path / "new"
    replacement.write_bytes(signed(published(version=2)))
    replacement.replace(path)
    assert follower.look()
    assert (in_force.standing.version, dict(in_force.refused)) == (2, {})


def test_another_content_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    in_force = InForce(served(), SECRETS)
    follower = FileFollower(path, in_force)
    path.write_bytes(signed(published(version=1)))
    stat = path.stat()
    assert follower.look()
    path.write_bytes(signed(published(version=2)))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert follower.look()
    assert in_force.standing.version == 2


def test_half_a_file_is_refused_and_the_whole_one_read_next(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    in_force = InForce(served(), SECRETS)
    follower = FileFollower(path, in_force)
    path.write_bytes(signed(published())[:300])
    assert not follower.look()
    path.write_bytes(signed(published()))
    assert follower.look()
    assert in_force.refused == {"unreadable": 1}


def test_a_file_that_vanishes_changes_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "calibration.json"
    in_force = InForce(served(), SECRETS)
    follower = FileFollower(path, in_force)
    path.write_bytes(signed(published()))
    assert follower.look()
    path.unlink()
    caplog.clear()
    assert [follower.look() for _ in range(3)] == [False] * 3
    assert in_force.standing.version == 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    path.write_bytes(signed(published(version=4)))
    assert follower.look()


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b" " * (LARGEST_BYTES + 1)])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    in_force = InForce(served(), SECRETS)
    assert not FileFollower(path, in_force).look()
    assert in_force.refused["unreadable"] == 1


def test_a_folder_in_the_files_place_is_no_end(tmp_path: Path) -> None:
    assert not FileFollower(tmp_path, InForce(served(), SECRETS)).look()


async def test_its_thread_follows_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    in_force = InForce(served(), SECRETS)
    follower = FileFollower(path, in_force, every_s=0.01)
    follower.start()
    path.write_bytes(signed(published()))
    await until(lambda: in_force.standing.version == 3)
    follower.stop()


async def test_a_broker_that_is_away_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="watchkeeper.serving")
    in_force = InForce(served(), SECRETS)
    follower = TopicFollower(in_force, "127.0.0.1:1")
    follower.start()
    await until(lambda: "can't be read" in caplog.text)
    follower.stop()
    assert not follower.caught_up.is_set()
