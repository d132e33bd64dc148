"""What a person should know of calibrations, as it stands: findings for monitor/alerting.py. Pure. No text of a user is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from monitor.health import Finding
from monitor.recalibration.kinds import CalibrationKind
from monitor.recalibration.observing import Observed
from monitor.recalibration.ports import Distrusted, Held
from monitor.recalibration.proposing import Declined
from monitor.recalibration.readiness import Obstacle
from schemas.calibrations import Calibration

QUIET_AFTER: Final = timedelta(hours=1)
"""Messages that are ignored are told until there was none for so long."""
LONGEST_REASON: Final = 1_000
LONGEST_NAME: Final = 100


@dataclass(frozen=True)
class Known:
    """What the worker found at its last looks, by model; nothing of it is on the topic."""

    needs_person: Mapping[str, Sequence[str]] = field(default_factory=dict)
    declined: Mapping[str, tuple[datetime, Declined, Sequence[str]]] = field(default_factory=dict)
    """Since when, why, and what is not identified for want of which piece."""
    disobeyed: Mapping[str, tuple[datetime, Sequence[Observed]]] = field(default_factory=dict)


def findings(held: Held, known: Known, *, topic: str, now: datetime) -> list[Finding]:
    """All that is to be told at `now`."""
    found = list(_distrusted(held.distrusted, topic, now))
    for model, calibration in held.newest.items():
        if calibration.state == "proposed" and known.needs_person.get(model):
            found.append(_proposed(calibration, known.needs_person[model]))
        if calibration.state == "rolled_back" and calibration.outcome == "roll_back":
            found.append(_rolled_back(calibration))
    found += [
        _declined(model, *what)
        for model, what in known.declined.items()
        if model not in held.newest or held.newest[model].at < what[0]  # else a person has proposed since
    ]
    found += [_disobeyed(model, *what) for model, what in known.disobeyed.items()]
    return found


def figures(calibration: Calibration) -> dict[str, float | str]:
    """Thresholds and rates of its groups, old and new, as facts of an alert."""
    facts: dict[str, float | str] = {"version": float(calibration.version)}
    for number, part in enumerate(calibration.evidence[:10], start=1):
        name = "" if len(calibration.evidence) == 1 else f"_{number}"
        if part.group:
            facts[f"group{name}"] = part.group
        facts[f"threshold{name}"] = round(part.threshold, 6)
        facts[f"rate{name}"] = round(part.rate.value, 6)
        if part.threshold_before is not None:
            facts[f"threshold_before{name}"] = round(part.threshold_before, 6)
        if part.rate_before is not None:
            facts[f"rate_before{name}"] = round(part.rate_before.value, 6)
    return facts


def _proposed(calibration: Calibration, why: Sequence[str]) -> Finding:
    moves = "; ".join(
        f"{part.group or 'all'}: threshold {_or_none(part.threshold_before)} to {part.threshold:.3f}, "
        f"rate {'unknown' if part.rate_before is None else f'{part.rate_before.value:.1%}'} to {part.rate.value:.1%}"
        for part in calibration.evidence[:10]
    )
    return _finding(
        CalibrationKind.PROPOSED,
        calibration.model,
        calibration.at,
        said=(
            f"calibration {calibration.version} waits for approval: {moves}",
            "look at it and decide: `watchkeeper calibrate show`, then `watchkeeper calibrate approve` or `rollback`",
        ),
        facts={**figures(calibration), "why": _short("; ".join(why))},
    )


def _rolled_back(calibration: Calibration) -> Finding:
    return _finding(
        CalibrationKind.ROLLED_BACK,
        calibration.model,
        calibration.at,
        said=(
            f"calibration {calibration.version} was rolled back: {_short(calibration.reason)}",
            "what is in force is what was before it; see `watchkeeper calibrate show`. The next proposal ends this",
        ),
        facts={**figures(calibration), "reason": _short(calibration.reason)},
    )


def _declined(model: str, since: datetime, declined: Declined, pieces: Sequence[str]) -> Finding:
    reasons = "; ".join(declined.reasons)
    is_incomplete = any(one.obstacle is Obstacle.INCOMPLETE for one in declined.objections)
    kind = CalibrationKind.MISSING_PIECES if is_incomplete else CalibrationKind.DECLINED
    title = f"no calibration is proposed: {_short(reasons)}"
    remedy = (
        "log what is missing (docs/formats.md, The refusal-token record)"
        if is_incomplete
        else "nothing has changed; docs/recalibration.md says what each reason needs"
    )
    facts: dict[str, float | str] = {"reasons": _short(reasons)}
    if pieces:
        facts["not_identified"] = _short("; ".join(pieces))
    return _finding(kind, model, since, said=(title, remedy), facts=facts)


def _disobeyed(model: str, since: datetime, found: Sequence[Observed]) -> Finding:
    said = _short("; ".join(f"{one.finding}: {one.detail}" for one in found))
    return _finding(
        CalibrationKind.DISOBEYED,
        model,
        since,
        said=(
            f"the token no longer decides the text: {said}",
            "thresholds can't mend that: look at the model's last update, and at some of the answers (`watchkeeper tail`)",
        ),
        facts={"found": said},
    )


def _distrusted(messages: Sequence[Distrusted], topic: str, now: datetime) -> Iterator[Finding]:
    """One alert an episode: ignored messages with less than QUIET_AFTER between them."""
    if not messages or now - messages[-1].at > QUIET_AFTER:
        return
    episode = [messages[-1]]
    for message in reversed(messages[:-1]):
        if episode[-1].at - message.at > QUIET_AFTER:
            break
        episode.append(message)
    counts = Counter(str(one.reason) for one in episode)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    yield Finding(
        CalibrationKind.DISTRUSTED,
        (("topic", topic),),
        frozenset(counts),
        episode[-1].at.timestamp(),
        f"{len(episode)} messages on {topic} are ignored: {said}; the newest at offset {messages[-1].offset}",
        "find who writes there, and take the right away; after a change of keys give every part the new and the older ones",
        {**{reason: float(count) for reason, count in counts.items()}, "offset": float(messages[-1].offset)},
    )


def _finding(
    kind: CalibrationKind,
    model: str,
    since: datetime,
    *,
    said: tuple[str, str],
    facts: Mapping[str, float | str],
) -> Finding:
    title, remedy = said
    place = (("model", model),)
    return Finding(
        kind,
        place,
        frozenset({model}),
        since.timestamp(),
        f"{_short(model, LONGEST_NAME)}: {title}",
        remedy,
        facts,
    )


def _or_none(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.3f}"


def _short(text: str, most: int = LONGEST_REASON) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
