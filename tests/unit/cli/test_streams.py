"""Closed and full outputs: no traceback, the exit code that says so, and nothing that is called done and isn't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli.exits import ExitCode

REPOSITORY = Path(__file__).resolve().parents[3]
COMMANDS = (["config"], ["--help"], ["config", "--json"])
"""What Rich prints, what Typer prints, and what we write ourselves."""
FULL = Path("/dev/full")


def run(arguments: list[str], redirected: str = "", stdout: int | None = None) -> tuple[int, str]:
    """The exit code and what was said on stderr, of a command whose output goes where the shell or `stdout` says."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "monitor.cli", *arguments],
        cwd=REPOSITORY,
        env={"HOME": str(REPOSITORY / "no-such-home"), "WATCHKEEPER_KAFKA__BOOTSTRAP": "kafka:9092"},
        stdout=stdout if stdout is not None else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_went_away_ends_a_command_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(arguments, stdout=writer) == (ExitCode.PIPE_CLOSED, "")
    finally:
        os.close(writer)


@pytest.mark.parametrize("arguments", COMMANDS[1:], ids=" ".join)
def test_a_closed_stdout_is_a_reader_that_went_away(arguments: list[str]) -> None:
    assert run(arguments, ">&-") == (ExitCode.PIPE_CLOSED, "")


def test_a_closed_stderr_costs_notes_alone() -> None:
    assert run(["config"], "2>&-") == (ExitCode.OK, "")
    assert run(["config", "--nonsense"], "2>&-") == (ExitCode.USAGE, "")


@pytest.mark.skipif(not FULL.exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("arguments", COMMANDS[1:], ids=" ".join)
def test_output_for_which_there_is_no_room_is_said(arguments: list[str]) -> None:
    code, said = run(arguments, f"> {FULL}")
    assert code == ExitCode.USAGE
    assert said.startswith("watchkeeper: the output isn't whole: No space left on device\n  → make room")
    assert "Traceback" not in said
