"""What another terminal needs before it finds the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli.activation import activation


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    bin_folder = tmp_path / "a clone" / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "activate").touch()
    command = bin_folder / "watchkeeper"
    command.touch()
    command.chmod(0o755)
    return bin_folder.parent


def test_an_environment_that_the_shell_does_not_know_is_activated_first(environment: Path) -> None:
    why = "once, so that the shell finds watchkeeper"
    assert activation(path="", prefix=environment, is_virtual=True, here=environment.parent) == (
        ("source .venv/bin/activate", why),
    )
    elsewhere = activation(path="", prefix=environment, is_virtual=True, here=Path("/"))
    assert elsewhere == ((f"source '{str(environment).removeprefix('/')}/bin/activate'", why),)


def test_nothing_is_said_where_the_shell_finds_it_or_there_is_nothing_to_activate(environment: Path) -> None:
    found = str(environment / "bin")
    assert activation(path=found, prefix=environment, is_virtual=True) == ()
    assert activation(path="", prefix=environment, is_virtual=False) == ()
    assert activation(path="", prefix=environment / "none", is_virtual=True) == ()
