"""Calibrations are signed with a shared secret: whoever can write to the topic can't thereby decide what is refused."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

from monitor.errors import Misconfigured, Rejected
from monitor.meaning import Word
from schemas.calibrations import Calibration, SignedCalibration

_PURPOSE: Final = b"watchkeeper.calibration/1\n"
"""In front of what is signed, so that a signature of anything else made with the same secret is none of a calibration."""
LEAST_SECRET_BYTES: Final = 16
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Distrust(Word):
    """Why a message on the topic of calibrations is ignored, with an alert."""

    UNREADABLE = "unreadable", "It is no signed calibration of a version that this release reads."
    UNKNOWN_KEY = "unknown_key", "It names a key that isn't known here."
    BAD_SIGNATURE = "bad_signature", "The signature isn't that of its content and key."
    OTHER_PLACE = "other_place", "It is signed, for another fleet or model."
    NOT_NEWER = "not_newer", "It is signed, and older than what is in force: a message that was sent again."


def canonical_bytes(calibration: Calibration) -> bytes:
    """The bytes that are signed: JSON with the keys of every object in order, no spaces, and the purpose in front. Equal
    calibrations, with times in UTC, have equal bytes; what a message holds beside the fields is refused when it is read."""
    return _PURPOSE + _ENCODER.encode(calibration)


def sign(calibration: Calibration, key_id: str, secret: bytes) -> SignedCalibration:
    """HMAC-SHA256 (RFC 2104). Raises Misconfigured for a secret of fewer than 16 bytes."""
    return SignedCalibration(
        calibration=calibration, key_id=key_id, signature=_signature(calibration, secret)
    )


def verify(value: bytes, secrets: Mapping[str, bytes]) -> Calibration:
    """The calibration in a message, if it is signed with one of the secrets by key id.

    Raises Rejected, reason a `Distrust`, else. The comparison takes the same time wherever the signatures differ.
    """
    try:
        signed = SignedCalibration.from_bytes(value)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise Rejected(Distrust.UNREADABLE, "safety.calibrations: expected a signed calibration") from exc
    secret = secrets.get(signed.key_id)
    if secret is None:
        raise Rejected(Distrust.UNKNOWN_KEY, "key_id: expected one of the keys in the settings")
    expected = _signature(signed.calibration, secret)
    if not hmac.compare_digest(expected.encode(), signed.signature.encode("utf-8", "surrogatepass")):
        raise Rejected(Distrust.BAD_SIGNATURE, "signature: expected that of the content")
    return signed.calibration


def _signature(calibration: Calibration, secret: bytes) -> str:
    if len(secret) < LEAST_SECRET_BYTES:
        raise Misconfigured(
            f"the secret for calibrations has {len(secret)} bytes, {LEAST_SECRET_BYTES} are needed",
            "make one with `openssl rand -hex 32` and give it to the calibrator and to all that serve",
        )
    return hmac.new(secret, canonical_bytes(calibration), hashlib.sha256).hexdigest()
