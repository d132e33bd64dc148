"""`watchkeeper channels`: what is shown hides what is secret, and a test alert says what came back."""

from __future__ import annotations

import json
from pathlib import Path

from monitor.adapters.channels.connect import alert_channel
from monitor.cli.channels import channel_line, channels_view, tried_view, try_all
from monitor.notifying.references import Secrets
from monitor.settings import Settings
from tests.fakes.receiver import Receiver, answer
from tests.unit.cli.rendering import rendered
from tests.unit.cli.test_main import watchkeeper
from tests.unit.notifying.made import channel

SECRETS = Secrets({"HOOK_SECRET": "s3cr3t-v4lue"})
FILE = """
[channels.room]
type = "slack"
url = "env:SLACK_URL"
group_by = ["tenant"]

[[channels.room.takes]]
severities = ["critical"]
place = { model = ["a", "b"] }

[[channels.room.quiet]]
time_zone = "Europe/Berlin"
days = ["sat"]
from = 22:00:00
until = 07:00:00

[channels.hook]
type = "webhook"
url = "https://hooks.example.com/secret-path"
secret = "env:HOOK_SECRET"
reports = true

[channels.heads]
type = "slack"
url = "env:HOOK_SECRET"
alerts = false
reports = true
"""


def test_what_is_configured_is_shown_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(FILE)
    done = watchkeeper(
        "channels",
        PATH="/usr/bin",
        WATCHKEEPER_CHANNELS__FILE=str(file),
        WATCHKEEPER_KAFKA__BOOTSTRAP="127.0.0.1:1",
        HOOK_SECRET="s3cr3t-v4lue",
    )
    assert done.returncode == 0, done.stderr
    for part in (
        "room  slack, env:SLACK_URL",
        "takes critical, model a/b",
        "in groups by tenant",
        "quiet 22:00 to 07:00 Europe/Berlin on sat, but for critical",
        "! url: env:SLACK_URL, which is not there",
        "hook  webhook, hooks.example.com",
        "takes all alerts",
        "✓ secret: env:HOOK_SECRET",
        "gets the weekly report",
        "takes no alerts",
        "3 channels.",
    ):
        assert part in done.stdout
    assert "s3cr3t" not in done.stdout + done.stderr
    assert "secret-path" not in done.stdout


def test_a_file_that_cant_be_used_is_told_whole(tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text('[channels.a]\ntype = "slack"\nurl = "https://s3cr3t"\n[channels.b]\ntype = "fax"\n')
    done = watchkeeper(
        "channels", "--json", WATCHKEEPER_CHANNELS__FILE=str(file), WATCHKEEPER_KAFKA__BOOTSTRAP="127.0.0.1:1"
    )
    assert done.returncode == 2
    assert "line 3: a.url" in done.stderr
    assert "line 5: b.type" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_without_a_file_it_says_so() -> None:
    done = watchkeeper("channels", "--json", WATCHKEEPER_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert json.loads(done.stdout) == {"file": None, "channels": []}
    done = watchkeeper("channels", "test", WATCHKEEPER_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert done.returncode == 2
    assert "there is no channel to try" in done.stderr


async def test_a_test_alert_is_sent_to_all_and_what_came_back_is_said() -> None:
    async with Receiver() as good, Receiver(then=answer(403)) as wrong, Receiver(then=answer(503)) as away:
        made = [
            channel("webhook", name, url=receiver.address, allow_private=True)
            for name, receiver in (("good", good), ("wrong", wrong), ("away", away))
        ]
        tried = await try_all([(one, alert_channel(one, SECRETS)) for one in made], Settings())
    assert [(one.name, one.outcome) for one in tried] == [
        ("good", "told"),
        ("wrong", "misconfigured"),
        ("away", "retryable"),
    ]
    (request,) = good.requests
    assert request.json["is_test"] is True
    assert request.json["text"].startswith("[TEST, nothing is wrong]")
    shown = rendered(tried_view(tried), 120)
    assert "✓ good  told in" in shown
    assert "✗ wrong  misconfigured in" in shown
    assert "→ correct the URL, the key or its rights" in shown


def test_a_hostile_name_drives_no_terminal() -> None:
    line = channel_line(channel("webhook", takes=[{"tenants": ["\x1b[31m"]}]), SECRETS)
    assert "\x1b" not in rendered(channels_view([line]), 120)
