"""Secrets and settings of recalibration, and what is wrong with them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from monitor.errors import Misconfigured
from monitor.recalibration.keys import (
    check,
    expectations_of,
    keys_of,
    limits_of,
    step_limit_of,
)
from monitor.recalibration.life import StepLimit
from monitor.recalibration.observing import Expectations
from monitor.recalibration.readiness import Limits
from monitor.recalibration_settings import RecalibrationSettings

GOOD = "s" * 16


def settings(secret: str = "", older: str = "", **given: object) -> RecalibrationSettings:
    return RecalibrationSettings.model_validate(
        {"secret": SecretStr(secret), "older_secrets": SecretStr(older), **given}
    )


def test_defaults_are_those_of_the_parts_that_they_go_to() -> None:
    given = settings()
    assert (limits_of(given), expectations_of(given)) == (Limits(), Expectations())
    assert step_limit_of(given) is None
    assert step_limit_of(settings(approve="within_limit")) == StepLimit()


def test_older_secrets_are_read_and_never_signed_with() -> None:
    keys = keys_of(settings(GOOD, f"k0={'o' * 16}, k00={'=' * 16}", key_id="k1"))
    assert keys is not None
    assert (keys.secret, dict(keys.secrets)) == (
        GOOD.encode(),
        {"k0": b"o" * 16, "k00": b"=" * 16, "k1": GOOD.encode()},
    )
    assert GOOD not in repr(keys)
    assert keys_of(settings()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (settings("hunter2"), "SECRET has 7 bytes, 16 are needed"),
        (settings(GOOD, "hunter2"), "OLDER_SECRETS: number 1 is not KEY_ID=SECRET"),
        (settings(GOOD, "k0=hunter2"), "number 1 has fewer than 16 bytes"),
        (settings(GOOD, f"k1={GOOD}"), "number 1 has the key id of another"),
        (settings(GOOD, f"k0={GOOD},k0={GOOD}"), "number 2 has the key id of another"),
        (settings("", f"k0={GOOD}"), "no SECRET to sign with"),
        (settings(GOOD, key_id=""), "KEY_ID must have 1 to 64 characters"),
    ],
)
def test_a_secret_that_cant_be_used_is_told_and_never_quoted(given: RecalibrationSettings, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        keys_of(given)
    assert said in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_all_that_contradicts_is_told_at_once() -> None:
    wrong = settings(
        enabled=True, max_age_s=10, observe_at_least_s=20, observe_at_most_s=10, most_prompts=100, least_prompts=101,
        expect_prompts=101,
    )  # fmt: skip
    with pytest.raises(Misconfigured) as caught:
        check(wrong)
    told = ("FILE is", "SECRET is", "MAX_AGE_S", "OBSERVE_AT_MOST_S", "LEAST_PROMPTS", "EXPECT_PROMPTS")
    assert [name for name in told if f"- {name}" not in str(caught.value)] == []
    check(settings())
