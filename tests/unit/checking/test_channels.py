"""Which channels can't work is found without telling anybody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor.adapters.channels.connect import alert_channel
from monitor.checking.channels import channel_check, channel_checks
from monitor.notifying.references import Secrets
from monitor.settings import Settings, load
from tests.unit.notifying.made import channel

SECRETS = Secrets({"HOOK_SECRET": "s3cr3t-v4lue"})


def settings(file: Path) -> Settings:
    return load({"WATCHKEEPER_CHANNELS__FILE": str(file)})


async def test_check_says_which_channels_cant_work_and_tells_nobody(tmp_path: Path) -> None:
    async def inside(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    async def outside(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8"]

    async def check(resolver: Any, **more: Any) -> tuple[str, str]:
        made = channel("webhook", **more)
        found = await channel_check(made, alert_channel(made, SECRETS, resolver=resolver))
        return found.state, found.facts

    assert await check(outside) == ("ok", "webhook; `watchkeeper channels test webhook` tries it")
    state, facts = await check(inside)
    assert (state, "10.0.0.1: private" in facts) == ("warning", True)
    state, facts = await check(outside, secret="env:NONE")
    assert (state, facts) == ("warning", "there is no secret in env:NONE")
    assert await channel_checks(Settings()) == []
    (tmp_path / "c.toml").write_text("[x")
    (found,) = await channel_checks(settings(tmp_path / "c.toml"))
    assert (found.part, found.check, found.state) == ("channels", "file", "failed")
