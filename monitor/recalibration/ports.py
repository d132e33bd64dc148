"""What the desk works with: the log of calibrations, and the logged prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.signing import Distrust
from monitor.recalibration.windows import Logged
from schemas.calibrations import Calibration


@dataclass(frozen=True, slots=True)
class Distrusted:
    """A message of the topic that is ignored: why, where it stands, and when the broker appended it."""

    reason: Distrust
    offset: int
    at: datetime


@dataclass(frozen=True)
class Held:
    """The newest verified record of each model of this fleet, and what was ignored, oldest first. `hidden`: models whose
    record isn't the last of its key, so that the broker would forget it, or isn't signed with the key that is signed with now."""

    newest: Mapping[str, Calibration]
    distrusted: Sequence[Distrusted]
    hidden: frozenset[str] = frozenset()


class CalibrationLog(Protocol):
    """The topic of calibrations of one fleet."""

    async def read(self) -> Held:
        """As it stands now. Raises Retryable, or Misconfigured where the topic is missing."""
        ...

    async def append(self, new: Calibration) -> None:
        """Sign and append; durable, and the newest, on return. Raises Rejected, reason a Distrust, where it isn't newer than what
        is held, or where another was faster; Retryable, after which it may or may not be there; Misconfigured."""
        ...

    async def restore(self, model: str) -> None:
        """Append the newest record of the model again, signed with the key that is signed with now. Raises Retryable or Misconfigured."""
        ...


@dataclass(frozen=True)
class Logs:
    """Logged prompts of [since, until), newest first. `is_cut`: there were more than are read, and these are the newest."""

    rows: Sequence[Logged]
    since: datetime
    until: datetime
    is_cut: bool


class LoggedPrompts(Protocol):
    """Where logged prompts are read."""

    async def logged(self, policy: ModelPolicy, since: datetime, until: datetime) -> Logs:
        """Of this model, with the labels that the policy asks for. Raises Retryable, Misconfigured."""
        ...
