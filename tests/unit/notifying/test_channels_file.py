"""The file of channels: what it takes, and that all that is wrong with it is told at once, with its line and without a value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Misconfigured
from monitor.notifying.channels import TYPES
from monitor.notifying.channels_file import parse_channels, read_channels
from monitor.notifying.references import Secrets

SECRET = "s3cr3t-v4lue"


def faults(text: str) -> list[str]:
    channels, found = parse_channels(text)
    assert found, channels
    return found


def test_every_fault_is_told_at_once_with_its_line_and_quotes_no_value() -> None:
    text = f"""
[channels.team]
type = "slack"
url = "https://hooks.slack.com/services/{SECRET}"
group_wait_s = "{SECRET}"

[channels.oncall]
type = "pagerduty"
routing_key = "{SECRET}"
group_by = ["tenant"]

[[channels.oncall.takes]]
severities = ["fatal"]

[[channels.oncall.takes]]
severity = ["critical"]

[channels.mail]
type = "email"
host = "mail.example.com"
security = "none"
sender = "wk@example.com\\nBcc: x@example.com"
to = []

[channels.what]
type = "{SECRET}"

[channels."Not a name"]
type = "slack"

[channel.team]
"""
    found = faults(text)
    assert [fault.partition(": ")[0] for fault in found] == [
        *("line 4", "line 5", "line 9", "line 13", "line 16", "line 22", "line 23", "line 26", "line 28"),
        "line 31",
    ]
    assert [fault for fault in found if SECRET in fault] == []
    assert "must say where the secret is, env:NAME or file:/path, and never be the secret itself" in found[0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            'type = "webhook"\nurl = "http://x.example.com"\nsecret = "env:S"',
            "http, which anybody on the way can read",
        ),
        ('type = "webhook"\nurl = "ftp://x.example.com"\nsecret = "env:S"', "must begin with https://"),
        ('type = "webhook"\nurl = "https://u:p@x.example.com"\nsecret = "env:S"', "holds a user name"),
        ('type = "webhook"\nurl = "https://x.example.com/\\r\\nX: y"\nsecret = "env:S"', "no URL has"),
        ('type = "webhook"\nurl = "https://x.example.com:99999"\nsecret = "env:S"', "is no URL"),
        ('type = "webhook"\nurl = "https://x.example.com"', "secret: Field required"),
        (
            'type = "webhook"\nurl = "env:U"\nsecret = "env:S"\ngroup_by = ["kind"]',
            "slack and email can group",
        ),
        ('type = "alertmanager"\nurl = "https://a.b"\nremind_every_s = 60', "reminders of its own"),
        ('type = "alertmanager"\nurl = "https://a.b"\nusername = "u"', "belong together"),
        ('type = "email"\nhost = "m"\nsender = "a@b"\nto = ["a@b"]\nusername = "u"', "belong together"),
        ('type = "email"\nhost = "m x"\nsender = "a@b"\nto = ["a@b"]', "is no host name"),
        (
            'type = "email"\nhost = "m"\nsender = "a@b"\nto = ["a@b", "a@b\\r\\nX: y"]',
            "no plain e-mail address",
        ),
        (
            'type = "slack"\nurl = "env:U"\n[[channels.x.quiet]]\ntime_zone = "Mars/Olympus"\nfrom = 22:00:00\nuntil = 07:00:00',
            "no time zone",
        ),
        (
            'type = "slack"\nurl = "env:U"\n[[channels.x.quiet]]\ntime_zone = "UTC"\nfrom = "night"\nuntil = 07:00:00',
            "time",
        ),
        ('type = "slack"\nurl = "env:U"\nresend = 3', "Extra inputs are not permitted"),
        ('type = "slack"\nurl = "env:U"\nremind_every_s = 1', "greater than or equal to 60"),
        ('name = "y"\ntype = "slack"\nurl = "env:U"', "the name is that of the table"),
        ("", "type must be one of"),
    ],
)
def test_what_a_channel_may_not_be(lines: str, said: str) -> None:
    (fault,) = faults(f"[channels.x]\n{lines}\n")
    assert said in fault
    assert fault.startswith("line ")


@pytest.mark.parametrize("text", ["[channels", "a = ", "[channels.x]\n[channels.x]", "\x00"])
def test_what_is_no_toml_is_told_with_its_place(text: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith("it is no TOML")


@given(st.text(max_size=200))
def test_any_text_is_channels_or_faults(text: str) -> None:
    channels, found = parse_channels(text)
    assert found or not channels


def test_a_file_that_is_missing_or_far_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        read_channels(tmp_path / "none.toml")
    (tmp_path / "long.toml").write_text("# " + "x" * 2_000_000)
    with pytest.raises(Misconfigured, match="more than 1,048,576 bytes"):
        read_channels(tmp_path / "long.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(Misconfigured, match="no UTF-8"):
        read_channels(tmp_path / "latin.toml")


def test_an_empty_file_has_no_channels(tmp_path: Path) -> None:
    (tmp_path / "channels.toml").write_text("")
    assert read_channels(tmp_path / "channels.toml") == ()


def test_a_secret_is_read_anew_each_time_and_told_by_its_place_alone(tmp_path: Path) -> None:
    place = tmp_path / "key"
    secrets = Secrets({})
    with pytest.raises(Misconfigured, match=f"file:{place}"):
        secrets.look_up(f"file:{place}")
    for value in ("first", "second"):
        place.write_text(f" {value}\n")
        assert secrets.look_up(f"file:{place}") == value
    place.write_bytes(b"\xff\xfe" + SECRET.encode())
    with pytest.raises(Misconfigured, match="no text") as caught:
        secrets.look_up(f"file:{place}")
    assert SECRET not in str(caught.value)
    place.write_text("x" * 100_000)
    with pytest.raises(Misconfigured, match="which is no secret"):
        secrets.look_up(f"file:{place}")


def test_all_types_are_named() -> None:
    assert list(TYPES) == ["alertmanager", "slack", "webhook", "pagerduty", "email"]
