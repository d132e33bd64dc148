"""What the exit codes of `watchkeeper` mean: scripts may rely on them (docs/cli.md)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes."""

    OK = 0
    PROBLEM = 1
    USAGE = 2
    UNREACHABLE = 3
    UNPROVEN = 4
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "Done, and nothing is wrong.",
    ExitCode.PROBLEM: "Done, and a problem was found: the account doesn't balance, a part is unhealthy, a dead letter "
    "was left where it is, a channel didn't take its test, an audit was refused, no threshold can be proposed, the watch's state "
    "can't be read, the demo isn't as it should be. With a traceback it is a defect of Watchkeeper: please report it.",
    ExitCode.USAGE: "Not done: the command line, a setting, an input or the place of an output can't be used.",
    ExitCode.UNREACHABLE: "Not done: Kafka, Triton or ClickHouse can't be reached, or took too long.",
    ExitCode.UNPROVEN: "Done, nothing is known to be wrong, but some figures can't be proved any more "
    "(`account`: the log below them is gone).",
    ExitCode.INTERRUPTED: "Interrupted with Ctrl-C. What serves until then (`up`, `dashboard`, `demo --keep`) ends with 0.",
    ExitCode.PIPE_CLOSED: "The reader of the output went away (`… | head`).",
}
