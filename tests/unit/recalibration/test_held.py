"""Which record of the topic counts, whoever writes to it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor.recalibration.held import Fold, topic_key
from monitor.recalibration.keys import Keys
from monitor.recalibration.ports import Held
from monitor.recalibration.signing import Distrust, sign
from schemas.calibrations import Calibration
from tests.unit.recalibration.calibrations import a_calibration
from tests.unit.recalibration.logs import AT

SECRET, OLD = b"s" * 16, b"o" * 16
NAMES = ["m", 'a"b', "a\x00b", "two\nlines", "☃", " "]


def named(name: str, **given: object) -> Calibration:
    return msgspec.structs.replace(a_calibration(), model=name, **given)


def signed(calibration: Calibration, key_id: str = "k1", secret: bytes = SECRET) -> bytes:
    return sign(calibration, key_id, secret).to_bytes()


def folded(*records: tuple[bytes | None, bytes | None]) -> Held:
    fold = Fold("watchkeeper", Keys("k1", {"k1": SECRET, "k0": OLD}))
    for offset, (key, value) in enumerate(records):
        fold.take(key, value, offset=offset, at=AT + timedelta(seconds=offset))
    return fold.held


def reasons(held: Held) -> list[tuple[Distrust, int]]:
    return [(one.reason, one.offset) for one in held.distrusted]


KEY = topic_key("watchkeeper", "m")
ONE = a_calibration()
TWO = msgspec.structs.replace(ONE, state="approved")


def test_the_newest_of_each_model_counts_and_what_came_again_is_nothing_new() -> None:
    other = named("n")
    held = folded(
        (KEY, signed(ONE)),
        (topic_key("watchkeeper", "n"), signed(other)),
        (KEY, signed(TWO)),
        (KEY, signed(TWO)),
    )
    assert held == Held({"m": TWO, "n": other}, ())


def test_a_key_that_was_changed_still_counts_and_an_unknown_one_does_not() -> None:
    held = folded((KEY, signed(ONE, "k0", OLD)), (KEY, signed(TWO, "k9", SECRET)))
    assert (held.newest, reasons(held)) == ({"m": ONE}, [(Distrust.UNKNOWN_KEY, 1)])


def test_after_a_change_of_keys_the_newest_is_to_be_signed_anew_and_then_needs_the_new_one_alone() -> None:
    old = signed(ONE, "k0", OLD)
    assert folded((KEY, old)).hidden == frozenset({"m"})
    both = Fold("watchkeeper", Keys("k1", {"k1": SECRET, "k0": OLD}))
    both.take(KEY, old, offset=0, at=AT)
    anew = both.signed("m")
    assert folded((KEY, old), (KEY, anew)) == Held({"m": ONE}, ())
    alone = Fold("watchkeeper", Keys("k1", {"k1": SECRET}))
    for offset, value in enumerate((old, anew)):
        alone.take(KEY, value, offset=offset, at=AT)
    assert (alone.held.newest, reasons(alone.held)) == ({"m": ONE}, [(Distrust.UNKNOWN_KEY, 0)])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (signed(TWO, secret=b"x" * 16), Distrust.BAD_SIGNATURE),
        (signed(TWO).replace(b'"approved"', b'"published"'), Distrust.BAD_SIGNATURE),
        (b"{}", Distrust.UNREADABLE),
        (b"[" * 100_000, Distrust.UNREADABLE),
        (b"\xff", Distrust.UNREADABLE),
        (signed(msgspec.structs.replace(ONE, version=2, state="kept")), Distrust.NOT_NEWER),
        (signed(named("n")), Distrust.OTHER_PLACE),
        (signed(msgspec.structs.replace(ONE, fleet="else")), Distrust.OTHER_PLACE),
    ],
)
def test_what_cant_be_trusted_is_ignored_and_hides_nothing_for_long(value: bytes, reason: Distrust) -> None:
    held = folded((KEY, signed(ONE)), (KEY, value))
    assert (held.newest["m"], reasons(held), held.hidden) == (ONE, [(reason, 1)], frozenset({"m"}))
    again = folded((KEY, signed(ONE)), (KEY, value), (KEY, signed(ONE)))
    assert (again.newest["m"], again.hidden) == (ONE, frozenset())


def test_a_record_is_what_it_says_whatever_its_key() -> None:
    for key in (None, b"", b"\xff", b"anything", b'["watchkeeper"]'):
        held = folded((key, signed(ONE)))
        assert (held.newest, held.distrusted, held.hidden) == ({"m": ONE}, (), frozenset({"m"}))


def test_another_fleets_records_are_its_own() -> None:
    theirs = msgspec.structs.replace(ONE, fleet="else")
    held = folded((topic_key("else", "m"), signed(theirs, "k9", b"y" * 16)), (topic_key("else", "m"), b"{}"))
    assert held == Held({}, ())


def test_a_tombstone_takes_nothing_back() -> None:
    held = folded((KEY, signed(ONE)), (KEY, None))
    assert held == Held({"m": ONE}, (), frozenset(frozenset({"m"})))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_has_a_key_of_its_own(name: str) -> None:
    assert folded((topic_key("watchkeeper", name), signed(named(name)))).newest == {name: named(name)}
    assert len({topic_key(fleet, name) for fleet in NAMES}) == len(NAMES)
