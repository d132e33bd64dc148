from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
import pytest

from monitor.errors import Misconfigured, Rejected
from monitor.recalibration.signing import Distrust, canonical_bytes, sign, verify
from schemas.calibrations import Calibration, SignedCalibration
from tests.unit.recalibration.calibrations import a_calibration

SECRET = b"0123456789abcdef"
KEYS = {"k1": SECRET, "k2": b"another secret of length"}


def reason(value: bytes, keys: dict[str, bytes] = KEYS) -> str:
    with pytest.raises(Rejected) as caught:
        verify(value, keys)
    assert "4242" not in str(caught.value)  # what a message holds is quoted nowhere
    return caught.value.reason


def test_what_was_signed_is_taken() -> None:
    calibration = a_calibration()
    assert verify(sign(calibration, "k1", SECRET).to_bytes(), KEYS) == calibration


def test_the_signature_is_hmac_sha256_of_the_canonical_bytes() -> None:
    calibration = a_calibration()
    expected = hmac.new(SECRET, canonical_bytes(calibration), hashlib.sha256).hexdigest()
    assert sign(calibration, "k1", SECRET).signature == expected
    assert canonical_bytes(calibration).startswith(b'watchkeeper.calibration/1\n{"at":')


def test_the_order_of_keys_makes_no_difference() -> None:
    calibration = a_calibration()
    turned = msgspec.structs.replace(
        calibration,
        now=msgspec.structs.replace(calibration.now, values=dict(reversed(calibration.now.values.items()))),
    )
    assert canonical_bytes(turned) == canonical_bytes(calibration)


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 4242},
        {"state": "kept"},
        {"fleet": "other"},
        {"model": "other"},
        {"before": None},
        {"evidence": ()},
        {"reason": "4242"},
    ],
)
def test_a_change_of_anything_breaks_it(changed: dict[str, Any]) -> None:
    signed = sign(a_calibration(), "k1", SECRET)
    forged = msgspec.structs.replace(
        signed, calibration=msgspec.structs.replace(signed.calibration, **changed)
    )
    assert reason(forged.to_bytes()) == Distrust.BAD_SIGNATURE


def test_a_signature_by_another_secret_or_of_no_shape_is_bad() -> None:
    signed = sign(a_calibration(), "k2", SECRET)
    assert reason(signed.to_bytes()) == Distrust.BAD_SIGNATURE
    for text in ("", "x" * 64, "é", signed.signature.upper()):
        forged = msgspec.structs.replace(sign(a_calibration(), "k1", SECRET), signature=text)
        assert reason(forged.to_bytes()) == Distrust.BAD_SIGNATURE


def test_a_key_that_is_not_known_is_said() -> None:
    assert reason(sign(a_calibration(), "k3", SECRET).to_bytes()) == Distrust.UNKNOWN_KEY
    assert reason(sign(a_calibration(), "k1", SECRET).to_bytes(), {}) == Distrust.UNKNOWN_KEY


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"\xff", b"[]", b"null", b'{"calibration": {}}', b"[" * 100_000]
)
def test_anything_else_is_unreadable(value: bytes) -> None:
    assert reason(value) == Distrust.UNREADABLE


def test_a_field_that_is_not_signed_cannot_be_smuggled_in() -> None:
    value = sign(a_calibration(), "k1", SECRET).to_bytes()
    assert (
        reason(value.replace(b'{"calibration":{', b'{"calibration":{"extra":4242,', 1)) == Distrust.UNREADABLE
    )
    assert reason(value.replace(b'"key_id"', b'"note":"4242","key_id"', 1)) == Distrust.UNREADABLE


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(Misconfigured, match="15 bytes"):
        sign(a_calibration(), "k1", b"x" * 15)


def test_it_travels_whole() -> None:
    signed = sign(a_calibration(), "k1", SECRET)
    assert SignedCalibration.from_bytes(signed.to_bytes()) == signed
    assert (
        msgspec.json.decode(msgspec.json.encode(signed.calibration), type=Calibration) == signed.calibration
    )
