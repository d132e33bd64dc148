"""The log of calibrations and logged prompts in memory, which can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitor.errors import Rejected, WatchkeeperError
from monitor.recalibration.held import Fold, topic_key
from monitor.recalibration.keys import Keys
from monitor.recalibration.life import supersedes
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.ports import Held, Logs
from monitor.recalibration.signing import Distrust, sign
from monitor.recalibration.windows import Logged
from schemas.calibrations import Calibration

SECRET = b"a secret of the tests"
KEYS = Keys("k1", {"k1": SECRET})


@dataclass
class FakeCalibrationLog:
    """Implements recalibration.ports.CalibrationLog. `failures` are raised one an append, first to last: before anything is written,
    or after it where `fails_after`. `on_append` is called before each."""

    fleet: str = "wk"
    records: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    failures: list[WatchkeeperError] = field(default_factory=list)
    fails_after: bool = False
    on_append: Callable[[], None] = lambda: None
    appended: list[Calibration] = field(default_factory=list)

    async def read(self) -> Held:
        """See the port."""
        return self._fold().held

    async def append(self, new: Calibration) -> None:
        """See the port."""
        self.on_append()
        if self.failures and not self.fails_after:
            raise self.failures.pop(0)
        held = (await self.read()).newest.get(new.model)
        if not supersedes(new, held, fleet=self.fleet, model=new.model):
            return
        self.write(new)
        self.appended.append(new)
        if self.failures:
            raise self.failures.pop(0)
        if (await self.read()).newest.get(new.model) != new:
            raise Rejected(Distrust.NOT_NEWER, "another was written at the same time")

    async def restore(self, model: str) -> None:
        """See the port."""
        self.records.append((topic_key(self.fleet, model), self._fold().signed(model)))

    def write(self, calibration: Calibration) -> None:
        """As another who has the key would."""
        self.records.append(
            (topic_key(self.fleet, calibration.model), sign(calibration, "k1", SECRET).to_bytes())
        )

    def _fold(self) -> Fold:
        fold = Fold(self.fleet, KEYS)
        for offset, (key, value) in enumerate(self.records):
            fold.take(key, value, offset=offset, at=datetime.fromtimestamp(1_767_600_000 + offset, UTC))
        return fold


@dataclass
class FakePrompts:
    """Implements recalibration.ports.LoggedPrompts: what `serve` gives for the stretch. `failures` come first, one a call."""

    serve: Callable[[datetime, datetime], Sequence[Logged]]
    failures: list[WatchkeeperError] = field(default_factory=list)
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)

    async def logged(self, policy: ModelPolicy, since: datetime, until: datetime) -> Logs:
        """See the port."""
        if self.failures:
            raise self.failures.pop(0)
        self.asked.append((since, until))
        return Logs(self.serve(since, until), since, until, is_cut=False)
