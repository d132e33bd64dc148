"""What is new about an alert, for one channel: told against what that channel knows."""

from __future__ import annotations

from typing import Final

from monitor.meaning import Word
from schemas.alert_deliveries import AlertDelivery
from schemas.alerts import Alert


class News(Word):
    """Why a channel is told."""

    BEGAN = "began", "It fires, and the channel doesn't know it yet, or knew it as over."
    ESCALATED = "escalated", "It fires again at a stronger level, or is more severe than the channel knows."
    EASED = "eased", "It fires, and is less severe than the channel knows."
    STALE = "stale", "Its data has stopped: it is not over, and nobody knows how it goes on."
    BACK = "back", "It was stale and fires again, with data."
    GOES_ON = "goes on", "Nothing is new: it is said again, as the channel asks for or Alertmanager needs."
    ACKNOWLEDGED = "acknowledged", "A person has taken note of it, or of its new level as the normal one."
    RESOLVED = "resolved", "It is over."


RANKS: Final = {"info": 0, "warning": 1, "critical": 2}


def is_over(alert: Alert) -> bool:
    """Whether it has ended."""
    return alert.state in ("acknowledged", "resolved")


def level_of(alert: Alert) -> int:
    """1 when it began; more each time that it fired again at a stronger level."""
    return 1 if alert.drift is None else alert.drift.level


def is_known_as_live(known: AlertDelivery | None) -> bool:
    """Whether the channel believes that it goes on."""
    return known is not None and known.state in ("firing", "stale")


def news_of(alert: Alert, known: AlertDelivery | None) -> News | None:
    """What a channel that knows `known` (None: nothing) is to be told of an alert that stands so; None: nothing new."""
    if is_over(alert):
        return News.ACKNOWLEDGED if alert.state == "acknowledged" else News.RESOLVED
    if known is None or not is_known_as_live(known):
        return News.BEGAN
    rank, before = RANKS[alert.severity], RANKS[known.severity]
    if rank > before or level_of(alert) > known.level:
        return News.ESCALATED
    if alert.state != known.state:
        return News.STALE if alert.state == "stale" else News.BACK
    return News.EASED if rank < before else None


CHANNEL_DEAD: Final = "channel_dead"
"""The kind of alert about a channel that takes none."""


def is_about(alert: Alert, channel: str) -> bool:
    """Whether it says that this channel is dead: the one that can't, and needn't, be told."""
    return alert.kind == CHANNEL_DEAD and alert.place.get("channel") == channel
