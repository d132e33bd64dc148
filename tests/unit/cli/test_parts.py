"""Where a command looks for the parts: the environment, else the running stack, whole, else nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.cli.parts import find_parts, require_parts
from monitor.errors import Misconfigured


@dataclass(frozen=True)
class FakeStack:
    data: Path
    environment: Mapping[str, str]


STACK = FakeStack(
    Path("data"),
    {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:1",
        "WATCHKEEPER_TRITON__URL": "127.0.0.1:2",
        "WATCHKEEPER_CLICKHOUSE__URL": "http://127.0.0.1:3",
    },
)


def test_the_running_stack_is_used_where_the_environment_names_no_address() -> None:
    parts = find_parts({"WATCHKEEPER_STORAGE__FLUSH_AFTER_S": "1"}, lambda: STACK)
    assert (parts.settings.kafka.bootstrap, parts.settings.triton.url) == ("127.0.0.1:1", "127.0.0.1:2")
    assert parts.origin("WATCHKEEPER_KAFKA__BOOTSTRAP") == "embedded"
    assert parts.origin("WATCHKEEPER_STORAGE__FLUSH_AFTER_S") == "environment"
    assert parts.origin("WATCHKEEPER_KAFKA__REPLICATION") == "default"


@pytest.mark.parametrize("name", sorted(STACK.environment))
def test_one_address_in_the_environment_leaves_the_stack_out_whole(name: str) -> None:
    value = {"WATCHKEEPER_CLICKHOUSE__URL": "http://real:8123"}.get(name, "real:9")
    parts = find_parts({name.lower(): value}, lambda: STACK)
    others = {n for n in STACK.environment if n != name}
    assert parts.origin(name) == "environment"
    assert {parts.origin(other) for other in others} == {"default"}
    assert parts.data is None


def test_an_empty_variable_is_no_address() -> None:
    assert find_parts({"WATCHKEEPER_TRITON__URL": ""}, lambda: STACK).data == Path("data")


def test_without_stack_and_addresses_a_command_says_how_to_start() -> None:
    with pytest.raises(Misconfigured, match=r"(?s)no embedded stack is running.*watchkeeper up"):
        require_parts({}, lambda: None)
    assert not find_parts({}, lambda: None).is_pointed
