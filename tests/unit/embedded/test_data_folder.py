"""One stack at a time on a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.embedded.data_folder import LOCK, PORTS, remember_ports, remembered_ports, take
from monitor.errors import Misconfigured


async def test_a_second_stack_on_the_folder_is_refused_with_process_and_folder(tmp_path: Path) -> None:
    descriptor = await take(tmp_path / "data")
    try:
        with pytest.raises(Misconfigured) as caught:
            await take(tmp_path / "data")
        assert f"{tmp_path / 'data'} (process {os.getpid()})" in str(caught.value)
        assert "WATCHKEEPER_EMBEDDED__DATA" in caught.value.remedy
    finally:
        os.close(descriptor)


async def test_a_folder_let_go_can_be_taken_again(tmp_path: Path) -> None:
    os.close(await take(tmp_path))
    os.close(await take(tmp_path))
    assert (tmp_path / LOCK).exists()


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"the data folder .*file/data can't be used"):
        await take(tmp_path / "file" / "data")


def test_ports_are_remembered_and_nonsense_is_not(tmp_path: Path) -> None:
    assert remembered_ports(tmp_path) == {}
    remember_ports(tmp_path, {"kafka": {"broker": 21001, "controller": 21002}})
    assert remembered_ports(tmp_path) == {"kafka": {"broker": 21001, "controller": 21002}}
    (tmp_path / PORTS).write_text("[1]", encoding="utf-8")
    assert remembered_ports(tmp_path) == {}
