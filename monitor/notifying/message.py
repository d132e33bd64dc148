"""What one call of a channel says, with the key by which a receiver can tell that it has heard it already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from monitor.notifying.news import News
from schemas.alerts import Alert, Severity


@dataclass(frozen=True, slots=True)
class Telling:
    """One alert in a message. `occasion` names what made it due: offsets, or for what is said again when it was said last.

    `severity_before`: what the channel knew, if that was another. `offset`, `action_offset`: what is told with it;
    `is_acknowledged`: somebody has taken note. `is_again`: Alertmanager's repeats, which no log keeps.
    """

    alert: Alert
    news: News
    occasion: str
    due_s: float
    severity_before: Severity | None = None
    offset: int = -1
    action_offset: int = -1
    is_acknowledged: bool = False
    is_again: bool = False

    @property
    def key(self) -> str:
        """Of this alert and this news, for one channel: 32 hexadecimal digits, the same whoever computes it."""
        said = f"{self.alert.id} {self.news} {self.occasion}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is told in one call: at least one telling. `is_test`: a person tries the channel."""

    channel: str
    tellings: tuple[Telling, ...]
    is_test: bool = False

    @property
    def key(self) -> str:
        """The same for the same message, whoever sends it, and for each try."""
        said = f"{self.channel} {' '.join(telling.key for telling in self.tellings)}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]
