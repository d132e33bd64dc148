"""The settings of recalibration as the values that the pure parts take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.errors import Misconfigured
from monitor.recalibration.life import StepLimit
from monitor.recalibration.observing import Expectations
from monitor.recalibration.readiness import Limits
from monitor.recalibration.signing import LEAST_SECRET_BYTES
from monitor.recalibration_settings import RecalibrationSettings


@dataclass(frozen=True)
class Keys:
    """`signs`: the key that is signed with. `secrets`: all whose signatures count, by key id; it is among them."""

    signs: str
    secrets: Mapping[str, bytes] = field(repr=False)

    @property
    def secret(self) -> bytes:
        """The one that is signed with."""
        return self.secrets[self.signs]


def keys_of(settings: RecalibrationSettings) -> Keys | None:
    """None where no secret is set. Raises Misconfigured with every fault, none of which quotes a secret."""
    secret, older = settings.secret.get_secret_value(), settings.older_secrets.get_secret_value()
    faults = []
    secrets: dict[str, bytes] = {}
    for number, part in enumerate(filter(None, (one.strip() for one in older.split(","))), start=1):
        name, _, value = part.partition("=")
        if not name or not value:
            faults.append(f"OLDER_SECRETS: number {number} is not KEY_ID=SECRET")
        elif name == settings.key_id or name in secrets:
            faults.append(f"OLDER_SECRETS: number {number} has the key id of another")
        elif len(value.encode()) < LEAST_SECRET_BYTES:
            faults.append(f"OLDER_SECRETS: number {number} has fewer than {LEAST_SECRET_BYTES} bytes")
        else:
            secrets[name] = value.encode()
    if secret and len(secret.encode()) < LEAST_SECRET_BYTES:
        faults.append(f"SECRET has {len(secret.encode())} bytes, {LEAST_SECRET_BYTES} are needed")
    if not 0 < len(settings.key_id) <= 64:
        faults.append("KEY_ID must have 1 to 64 characters")
    if secrets and not secret:
        faults.append("OLDER_SECRETS are set, and no SECRET to sign with")
    if faults:
        raise Misconfigured(
            "secrets for calibrations (WATCHKEEPER_RECALIBRATION__*):\n"
            + "\n".join(f"  - {one}" for one in faults),
            "make one with `openssl rand -hex 32` and give it to the calibrator and to all that serve",
        )
    return Keys(settings.key_id, {**secrets, settings.key_id: secret.encode()}) if secret else None


def check(settings: RecalibrationSettings) -> None:
    """Raise Misconfigured with all that is wrong between the settings, and with the secrets; nothing where it is off."""
    if not settings.enabled:
        keys_of(settings)
        return
    faults = []
    if settings.file is None:
        faults.append("FILE is not set: it says what is wanted of each model")
    if not settings.secret.get_secret_value():
        faults.append("SECRET is not set: calibrations are signed")
    if settings.max_age_s < settings.present_s + settings.settle_s:
        faults.append(
            "MAX_AGE_S is less than PRESENT_S and SETTLE_S: the calibration window would always be too old"
        )
    if settings.observe_at_most_s < settings.observe_at_least_s:
        faults.append("OBSERVE_AT_MOST_S is less than OBSERVE_AT_LEAST_S")
    if settings.least_prompts > settings.most_prompts:
        faults.append("LEAST_PROMPTS is more than MOST_PROMPTS")
    if settings.expect_prompts > settings.most_prompts:
        faults.append("EXPECT_PROMPTS is more than MOST_PROMPTS")
    if faults:
        raise Misconfigured(
            "recalibration can't be on (WATCHKEEPER_RECALIBRATION__*):\n"
            + "\n".join(f"  - {one}" for one in faults),
            "correct these settings (docs/recalibration.md, Set it up)",
        )
    keys_of(settings)


def limits_of(settings: RecalibrationSettings) -> Limits:
    """When logs are refused."""
    return Limits(
        settings.max_age_s,
        settings.least_prompts,
        settings.least_identified_share,
        settings.drift_probability,
        settings.detectable_share,
    )


def step_limit_of(settings: RecalibrationSettings) -> StepLimit | None:
    """What is approved without a person; None: nothing."""
    if settings.approve == "by_hand":
        return None
    return StepLimit(settings.limit_threshold, settings.limit_rate_share)


def expectations_of(settings: RecalibrationSettings) -> Expectations:
    """What an observation goes by."""
    return Expectations(
        settings.expect_prompts,
        settings.expect_answers,
        settings.expect_disobedience_share,
        settings.expect_tolerance_share,
        settings.expect_not_followed_share,
    )
