"""docs/channels.md and the file of deploy/ hold channels that can be used, and say what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from monitor.adapters.channels import webhook
from monitor.adapters.channels.http import LATER, MISCONFIGURED, MOST_OF_ANSWER
from monitor.channel_settings import ChannelSettings
from monitor.notifying.channels import TYPES, Common
from monitor.notifying.channels_file import parse_channels

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")


def test_the_example_has_a_channel_of_each_type_and_no_fault() -> None:
    (example,) = re.findall(r"```toml\n(.+?)```", DOCUMENT, re.DOTALL)
    channels, faults = parse_channels(example)
    assert faults == []
    assert {channel.type for channel in channels} == set(TYPES)


def test_the_file_of_deploy_is_usable_with_and_without_its_comments() -> None:
    text = (ROOT / "deploy" / "channels" / "channels.toml").read_text(encoding="utf-8")
    assert parse_channels(text) == ((), [])
    head, _, rest = text.partition("# [channels.")
    assert head
    uncommented = re.sub(r"^# ?", "", f"# [channels.{rest}", flags=re.MULTILINE)
    channels, faults = parse_channels(uncommented)
    assert faults == []
    assert {channel.type for channel in channels} == set(TYPES)


def test_every_setting_of_every_channel_is_described() -> None:
    settings = {name for model in TYPES.values() for name in model.model_fields} - {
        "name",
        "type",
        "sender",
        "to",
    }
    assert settings - {"host", "port"} <= set(re.findall(r"`(\w+)", DOCUMENT)) | set(
        re.findall(r"^(\w+) =", DOCUMENT, re.MULTILINE)
    )
    assert set(Common.model_fields) - {"name"} <= set(re.findall(r"`(\w+)`", DOCUMENT))


def test_the_figures_that_it_names_are_those_of_the_code() -> None:
    defaults = ChannelSettings()
    for text in (
        f"at most every {defaults.retry_max_s:.0f} s",
        f"tried every {'five' if defaults.retry_dead_s == 300 else '?'} minutes",
        f"has failed for {'five' if defaults.dead_after_s == 300 else '?'} minutes",
        f"{MOST_OF_ANSWER // 1024} KiB are read",
        "older than five minutes" if webhook.REPLAY_WINDOW_S == 300 else "?",
        ", ".join(map(str, sorted(LATER - {425}))),
        ", ".join(map(str, sorted(MISCONFIGURED))),
    ):
        assert text in DOCUMENT, text
    for header in (webhook.HEADER_TIMESTAMP, webhook.HEADER_SIGNATURE, webhook.HEADER_DELIVERY):
        assert f"`{header}`" in DOCUMENT


def test_the_receiver_that_it_shows_tells_what_is_genuine() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    stamp, body = str(int(names["time"].time())), b'{"version":1}'
    signed = {
        "Watchkeeper-Timestamp": stamp,
        "Watchkeeper-Signature": f"v1={webhook.signature('key', stamp, body)}",
    }
    assert names["is_genuine"]("key", signed, body)
    assert not names["is_genuine"]("key", signed, body + b" ")
    assert not names["is_genuine"]("other", signed, body)
    old = str(int(stamp) - 301)
    replayed = {
        "Watchkeeper-Timestamp": old,
        "Watchkeeper-Signature": f"v1={webhook.signature('key', old, body)}",
    }
    assert not names["is_genuine"]("key", replayed, body)
