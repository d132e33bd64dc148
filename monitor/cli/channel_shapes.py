"""What `watchkeeper channels` and its command print with `--json`. No secret is in any of it: references alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from monitor.cli.shapes import Document

ChannelType = Literal["alertmanager", "slack", "webhook", "pagerduty", "email"]


class SecretLine(Document):
    """A secret of a channel."""

    setting: str = Field(description="What it is for.")
    reference: str = Field(description="Where it is: `env:NAME` or `file:/path`.")
    is_there: bool = Field(description="Whether this machine has it; a worker may run elsewhere.")


class ChannelLine(Document):
    """One channel of the file."""

    name: str = Field(description="Its name.")
    type: ChannelType = Field(description="What it speaks to.")
    target: str = Field(description="Where: a host, or the reference to a URL that is a secret.")
    alerts: bool = Field(description="Whether it is told of alerts.")
    reports: bool = Field(description="Whether it is sent the weekly report.")
    takes: list[str] = Field(description="Which alerts, each a way to be taken; none: all.")
    group_by: list[str] = Field(description="What alerts that go into one message have in common.")
    quiet: list[str] = Field(description="When it is left alone.")
    again_every_s: float | None = Field(
        description="How often it is told again while an alert fires; null: never."
    )
    allow_private: bool = Field(description="Whether it may be on a network of one's own.")
    secrets: list[SecretLine] = Field(description="Its secrets, by reference.")


class ChannelsDocument(Document):
    """`watchkeeper channels --json`."""

    file: str | None = Field(description="The file of channels; null where none is set.")
    channels: list[ChannelLine] = Field(description="Those in it, in its order.")


class TriedLine(Document):
    """What came of the test alert for one channel."""

    name: str = Field(description="The channel.")
    type: ChannelType = Field(description="What it speaks to.")
    outcome: Literal["told", "refused", "retryable", "misconfigured"] = Field(
        description="`told`: taken. `refused`: it won't take this alert. `retryable`: it may work later. `misconfigured`: a person "
        "has to change something."
    )
    seconds: float = Field(description="How long it took.")
    error: str = Field(description="What is wrong, with the next step; empty where it was taken.")


class TriedDocument(Document):
    """`watchkeeper channels test --json`."""

    channels: list[TriedLine] = Field(description="Those that were tried.")
