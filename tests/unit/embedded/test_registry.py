"""A running stack can be found; one that is gone can't."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from monitor.embedded.process import process_started
from monitor.embedded.registry import STATE, Addresses, announce, latest, running, withdraw
from monitor.settings import load

PID_THAT_IS_NONE = 2**22 + 1  # above the largest that Linux gives


def _addresses(data: Path, *, since: float = 1.0) -> Addresses:
    data.mkdir(exist_ok=True)
    return Addresses(
        data=data,
        kafka="127.0.0.1:21001",
        triton="127.0.0.1:21002",
        triton_http="127.0.0.1:21003",
        clickhouse="http://127.0.0.1:21004",
        pids={"kafka": 11, "triton": 12},
        owner=os.getpid(),
        owner_started=process_started(os.getpid()) or "",
        since=since,
    )


def test_stacks_are_found_in_the_order_of_their_start(tmp_path: Path) -> None:
    older, newer = _addresses(tmp_path / "b", since=1.0), _addresses(tmp_path / "a", since=2.0)
    for stack in (newer, older):
        announce(stack, tmp_path / "running")
    assert running(tmp_path / "running") == [older, newer]
    assert latest(tmp_path / "running") == newer
    assert Addresses.from_json((older.data / STATE).read_text(encoding="utf-8")) == older


def test_a_stack_whose_process_is_gone_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "running"
    announce(replace(_addresses(tmp_path / "gone"), owner=PID_THAT_IS_NONE), folder)
    assert running(folder) == []
    assert list(folder.iterdir()) == []


def test_a_process_id_given_to_another_process_since_is_not_taken_for_the_stack(tmp_path: Path) -> None:
    announce(replace(_addresses(tmp_path / "gone"), owner_started="1"), tmp_path / "running")
    assert latest(tmp_path / "running") is None


def test_a_withdrawn_stack_leaves_nothing(tmp_path: Path) -> None:
    stack = _addresses(tmp_path / "data")
    announce(stack, tmp_path / "running")
    withdraw(stack.data, tmp_path / "running")
    assert list((tmp_path / "running").iterdir()) == list(stack.data.iterdir()) == []


def test_entries_of_another_shape_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"version": 2}', encoding="utf-8")
    (tmp_path / "cut.json").write_text('{"data": "/x', encoding="utf-8")
    assert running(tmp_path) == []


def test_the_entry_of_an_older_release_names_no_workers(tmp_path: Path) -> None:
    stack = _addresses(tmp_path / "data")
    fields = json.loads(replace(stack, workers="http://127.0.0.1:21005").to_json())
    del fields["workers"]
    assert Addresses.from_json(json.dumps(fields)) == stack


def test_the_environment_points_the_settings_at_the_stack(tmp_path: Path) -> None:
    settings = load(_addresses(tmp_path / "data").environment)
    assert (settings.kafka.bootstrap, settings.triton.url, settings.clickhouse.url) == (
        "127.0.0.1:21001",
        "127.0.0.1:21002",
        "http://127.0.0.1:21004",
    )
