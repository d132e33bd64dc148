"""What a person is told of calibrations, from how they stand."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor.conditions import KINDS as HEALTH_KINDS
from monitor.recalibration.alarms import LONGEST_REASON, Known, findings
from monitor.recalibration.kinds import CalibrationKind
from monitor.recalibration.observing import Finding as Seen
from monitor.recalibration.observing import Observed
from monitor.recalibration.ports import Distrusted, Held
from monitor.recalibration.proposing import Declined
from monitor.recalibration.readiness import Objection, Obstacle
from monitor.recalibration.signing import Distrust
from tests.unit.recalibration.calibrations import a_calibration
from tests.unit.recalibration.logs import AT

MINUTE = timedelta(minutes=1)
ONE = a_calibration()


def told(held: Held, known: Known | None = None, now_min: float = 0) -> dict[str, str]:
    found = findings(held, known or Known(), topic="safety.calibrations", now=AT + now_min * MINUTE)
    return {one.condition.value: one.title for one in found}


def test_a_proposal_is_told_while_it_waits_for_a_person() -> None:
    waiting = Known(needs_person={"m": ("by hand",)})
    assert told(Held({"m": ONE}, ())) == {}
    assert told(Held({"m": ONE}, ()), Known(needs_person={"m": ()})) == {}
    assert told(Held({"m": ONE}, ()), waiting) == {
        "calibration_proposed": "m: calibration 3 waits for approval: [a]: threshold 0.500 to 0.550, rate 32.0% to 30.0%"
    }
    assert told(Held({"m": msgspec.structs.replace(ONE, state="approved")}, ()), waiting) == {}


def test_what_was_declined_is_over_once_somebody_has_proposed() -> None:
    declined = Declined((Objection(Obstacle.TOO_FEW, "no logged prompt"),), {})
    assert set(told(Held({"m": ONE}, ()), Known(declined={"m": (ONE.at, declined, ())}))) == set()
    later = Known(declined={"m": (ONE.at + MINUTE, declined, ())})
    assert told(Held({"m": ONE}, ()), later) == {
        "calibration_declined": "m: no calibration is proposed: too_few: no logged prompt"
    }


def test_going_back_is_told_where_nobody_did_it_by_hand() -> None:
    back = msgspec.structs.replace(
        ONE, state="rolled_back", outcome="roll_back", reason="too_many_refused: x"
    )
    assert told(Held({"m": back}, ())) == {
        "calibration_rolled_back": "m: calibration 3 was rolled back: too_many_refused: x"
    }
    assert told(Held({"m": msgspec.structs.replace(back, outcome=None)}, ())) == {}
    assert told(Held({"m": msgspec.structs.replace(back, outcome="keep")}, ())) == {}


def test_missing_pieces_are_told_apart_from_other_reasons() -> None:
    drifted = Declined((Objection(Obstacle.DRIFTED, "scores"),), {"": "too few"})
    incomplete = Declined((Objection(Obstacle.INCOMPLETE, "half"),), {})
    known = Known(
        declined={"m": (AT, drifted, ()), "n": (AT, incomplete, ("not identified: 3 of 9 (logits: …)",))}
    )
    found = findings(Held({}, ()), known, topic="t", now=AT)
    assert [(one.condition, one.place) for one in found] == [
        (CalibrationKind.DECLINED, (("model", "m"),)),
        (CalibrationKind.MISSING_PIECES, (("model", "n"),)),
    ]
    assert found[0].title == "m: no calibration is proposed: drifted: scores; all: none certified: too few"
    assert found[1].facts["not_identified"] == "not identified: 3 of 9 (logits: …)"


def test_a_long_reason_is_cut() -> None:
    known = Known(disobeyed={"m": (AT, (Observed(Seen.RESPOND_DISOBEYED, None, "x" * 10_000),))})
    (found,) = findings(Held({}, ()), known, topic="t", now=AT)
    assert len(str(found.facts["found"])) == LONGEST_REASON


def test_ignored_messages_are_one_alert_an_episode_with_the_same_beginning_after_a_restart() -> None:
    def message(minute: float, reason: Distrust = Distrust.BAD_SIGNATURE) -> Distrusted:
        return Distrusted(reason, int(minute), AT + minute * MINUTE)

    held = Held({}, (message(0), message(100), message(130, Distrust.UNREADABLE), message(150)))
    (found,) = findings(held, Known(), topic="t", now=AT + 200 * MINUTE)
    assert (
        found.title == "3 messages on t are ignored: 2 bad_signature, 1 unreadable; the newest at offset 150"
    )
    assert (found.since_s, found.condition.severity) == ((AT + 100 * MINUTE).timestamp(), "critical")
    assert told(held, now_min=211) == {}
    assert told(held, now_min=-500) != {}


def test_kinds_are_its_own() -> None:
    assert not {kind.value for kind in CalibrationKind} & set(HEALTH_KINDS)
