"""What `watchkeeper check` says of the channels: whether each has its secrets and an address that it may connect to. Tells nobody."""

from __future__ import annotations

import asyncio
import os

from monitor.adapters.channels.connect import alert_channel
from monitor.checking.outcomes import PartCheck, failed, passed, warned
from monitor.errors import Misconfigured, Retryable
from monitor.notifying.channels import Channel
from monitor.notifying.channels_file import read_channels
from monitor.notifying.references import Secrets
from monitor.ports import AlertChannel
from monitor.settings import Settings

_HERE = "; seen from this machine: where the workers run elsewhere, look there"


async def channel_checks(settings: Settings) -> list[PartCheck]:
    """One for each channel; none where there is no file of them."""
    if settings.channels.file is None:
        return []
    try:
        found = await asyncio.to_thread(read_channels, settings.channels.file)
    except Misconfigured as exc:
        what, _, remedy = str(exc).partition("\n  → ")
        return [failed("channels", "file", what, remedy)]
    secrets = Secrets(os.environ)
    return list(await asyncio.gather(*(channel_check(one, alert_channel(one, secrets)) for one in found)))


async def channel_check(channel: Channel, adapter: AlertChannel) -> PartCheck:
    """Whether it could be told something."""
    try:
        await adapter.ready()
    except Misconfigured as exc:
        what, _, remedy = str(exc).partition("\n  → ")
        return warned("channels", channel.name, what, remedy + _HERE)
    except Retryable as exc:
        return warned("channels", channel.name, str(exc), "look again in a minute" + _HERE)
    return passed(
        "channels", channel.name, f"{channel.type}; `watchkeeper channels test {channel.name}` tries it"
    )
