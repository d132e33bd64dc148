"""Which calibration is in force for the model that is served here: the newest that is verified, and nothing else."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.errors import Rejected
from monitor.meaning import Word
from monitor.recalibration.life import in_force, supersedes, version_in_force
from monitor.recalibration.rules import checked
from monitor.recalibration.signing import Distrust, verify
from monitor.serving.tokens import Served
from schemas.calibrations import Calibration, Thresholds

LARGEST_BYTES: Final = 1 << 20
"""Of a message; a calibration has some kilobytes."""
BAD_THRESHOLDS: Final = "bad_thresholds"
"""Why a verified message is refused, beside the words of `Distrust`: its thresholds make no sense (T outside of 0..1, say)."""
_log: Final = logging.getLogger("watchkeeper.serving")


class NoRule(Word):
    """Why no rule is in force, so that the model chooses its token itself."""

    NOTHING = "nothing", "No calibration has been read yet."
    NONE_BEFORE = "none_before", "The calibration isn't published, and there was none before it."
    OTHER_TOKENIZER = "other_tokenizer", "The calibration is for another tokenizer than the one served with."
    OTHER_TEMPLATE = (
        "other_template",
        "The calibration is for another chat template than the one served with.",
    )
    OTHER_TOKENS = "other_tokens", "The calibration decides about tokens that the model hasn't."


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts now. `thresholds` None: no rule, for the reason `why`. `version`: of the calibration that the thresholds are of;
    0 for none."""

    calibration: Calibration | None
    thresholds: Thresholds | None
    why: NoRule | None
    version: int = 0


NOTHING: Final = Standing(None, None, NoRule.NOTHING)


class InForce:
    """Holds the calibration of one fleet's model. Safe to use from any thread: `standing` never waits.

    secrets: by key id. kept: a file in which the newest good message is kept, so that a restart begins where this ended; it is
    verified like any other when it is read. refused: how many messages were, by reason.
    """

    def __init__(self, served: Served, secrets: Mapping[str, bytes], *, kept: Path | None = None) -> None:
        self.served = served
        self.refused: Counter[str] = Counter()
        self._secrets = dict(secrets)
        self._kept = kept
        self._lock = threading.Lock()
        self._standing = NOTHING
        if kept is not None:
            self._begin_from(kept)
        if self._standing.calibration is None:
            _log.warning("refusal tokens: no calibration yet: no rule, the model chooses its token itself")

    @property
    def standing(self) -> Standing:
        """What counts now."""
        return self._standing

    def offer(self, message: bytes) -> bool:
        """Take a message if it is signed, of this fleet and model, newer than what is held, and makes sense; True if it was.

        Anything else is counted and logged, and what is held stays. The same message again is neither.
        """
        return self._take(message, usual=frozenset())

    def hear(self, message: bytes) -> bool:
        """Take a message of a log that holds those of all models: another place's is not refused, as that is what such a log is for."""
        return self._take(message, usual=frozenset({Distrust.OTHER_PLACE}))

    def catch_up(self, messages: Iterable[bytes]) -> int:
        """Take what such a log holds, oldest first; how many were taken. Older ones than what is held are what a log is made of, and
        not refused either; forged ones are."""
        usual = frozenset({Distrust.OTHER_PLACE, Distrust.NOT_NEWER})
        return sum(self._take(message, usual=usual) for message in messages)

    def _take(self, message: bytes, *, usual: frozenset[str]) -> bool:
        serving, fleet = self.served.serving, self.served.fleet
        with self._lock:
            try:
                if len(message) > LARGEST_BYTES:
                    raise Rejected(Distrust.UNREADABLE, f"{len(message)} bytes, {LARGEST_BYTES} at most")
                found = verify(message, self._secrets)
                held = self._standing.calibration
                if not supersedes(found, held, fleet=fleet, model=serving.model):
                    self._keep(message)  # the same, perhaps signed with another key
                    return False
                for thresholds in (found.now, found.before):
                    _sensible(thresholds)
            except Rejected as exc:
                if exc.reason not in usual:
                    self.refused[str(exc.reason)] += 1
                    _log.warning("refusal tokens: a calibration is ignored: %s", exc)
                return False
            self._standing = standing_of(found, self.served)
            _tell(self._standing)
            self._keep(message)
            return True

    def _begin_from(self, kept: Path) -> None:
        try:
            message = read_small(kept)
        except FileNotFoundError:
            return
        except (OSError, Rejected) as exc:
            _log.warning("refusal tokens: the kept calibration can't be read: %s", _fault(exc))
            return
        if not self.offer(message):
            _log.warning("refusal tokens: the kept calibration isn't used")

    def _keep(self, message: bytes) -> None:
        """Whole or not at all. What can't be written is said, and costs nothing but the next start."""
        path = self._kept
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and read_small(path) == message:
                return
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except (OSError, Rejected) as exc:
            _log.warning("refusal tokens: the calibration can't be kept for the next start: %s", _fault(exc))


def read_small(path: Path) -> bytes:
    """A file's bytes. Raises OSError, or Rejected("unreadable") where it is longer than a calibration can be."""
    with path.open("rb") as file:
        found = file.read(LARGEST_BYTES + 1)
    if len(found) > LARGEST_BYTES:
        raise Rejected(Distrust.UNREADABLE, f"more than {LARGEST_BYTES} bytes")
    return found


def _sensible(thresholds: Thresholds | None) -> None:
    if thresholds is None:
        return
    try:
        checked(thresholds)
    except ValueError as exc:
        raise Rejected(BAD_THRESHOLDS, str(exc)) from exc


def standing_of(found: Calibration, served: Served) -> Standing:
    """What counts for this model once this calibration is its newest."""
    serving = served.serving
    thresholds = in_force(found)
    if thresholds is None:
        return Standing(found, None, NoRule.NONE_BEFORE)
    if found.tokenizer_hash != serving.tokenizer_hash:
        return Standing(found, None, NoRule.OTHER_TOKENIZER)
    if found.template_hash != serving.template_hash:
        return Standing(found, None, NoRule.OTHER_TEMPLATE)
    if not set(thresholds.selected) <= set(serving.refusals):
        return Standing(found, None, NoRule.OTHER_TOKENS)
    return Standing(found, thresholds, None, version_in_force(found))


def _tell(standing: Standing) -> None:
    held = standing.calibration
    if held is None:
        return
    if standing.thresholds is not None:
        _log.info(
            "refusal tokens: calibration %d (%s): the %s rule",
            held.version,
            held.state,
            standing.thresholds.rule,
        )
    elif standing.why is NoRule.NONE_BEFORE:
        _log.info("refusal tokens: calibration %d (%s): no rule yet", held.version, held.state)
    elif standing.why is not None:
        _log.error(
            "refusal tokens: calibration %d (%s) is NOT applied, the model chooses its token itself: %s",
            held.version,
            held.state,
            standing.why.meaning,
        )


def _fault(exc: Exception) -> str:
    return (exc.strerror or type(exc).__name__) if isinstance(exc, OSError) else str(exc)
