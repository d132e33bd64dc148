"""What the commands about calibrations share: the topic, the policies, and which model is meant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from monitor.adapters.calibrations import CalibrationTopic
from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.errors import Misconfigured, Rejected
from monitor.recalibration.keys import Keys, keys_of
from monitor.recalibration.model_policies import ModelPolicy, read_policies
from monitor.recalibration.ports import Held
from monitor.recalibration.signing import Distrust
from monitor.settings import Settings, variable
from monitor.wording.visible import visible
from schemas.calibrations import Calibration

MOST_NAMED: Final = 8


@dataclass(frozen=True)
class OpenLog:
    """The topic, and what stood on it."""

    topic: CalibrationTopic
    held: Held


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncIterator[OpenLog]:
    """The topic of calibrations, read. Raises Misconfigured without a secret or a topic, Retryable without a broker."""
    keys = required_keys(settings)
    kafka = settings.kafka
    async with KafkaAdmin.connect(kafka) as admin:
        await admin.require_topic(kafka.calibrations_topic)
        outbox = await KafkaOutbox.connect(kafka)
        try:
            topic = CalibrationTopic(admin, outbox, kafka, keys)
            yield OpenLog(topic, await topic.read())
        finally:
            await outbox.aclose()


def required_keys(settings: Settings) -> Keys:
    """Raises Misconfigured where no secret is set, or one that can't be used."""
    keys = keys_of(settings.recalibration)
    if keys is None:
        raise Misconfigured(
            f"calibrations are signed, and no secret is set ({variable('recalibration', 'secret')})",
            "give this command the secret of the workers (docs/recalibration.md, Set it up)",
        )
    return keys


def policies_here(settings: Settings) -> tuple[ModelPolicy, ...]:
    """Of the policy file; none where no file is set. Raises Misconfigured for one that can't be used."""
    path = settings.recalibration.file
    return () if path is None else read_policies(path)


def policy_of(model: str | None, policies: Sequence[ModelPolicy]) -> ModelPolicy:
    """The policy of the model, or the only one there is. Raises Misconfigured."""
    if not policies:
        raise Misconfigured(
            f"no policy file is set ({variable('recalibration', 'file')})",
            "write one that says what is wanted of the model (docs/recalibration.md, What is wanted)",
        )
    return _chosen(model, {one.model: one for one in policies}, "the policy file has no model")


def held_of(model: str | None, held: Held) -> Calibration:
    """The newest record of the model, or of the only one that has any. Raises Misconfigured."""
    forged = sum(one.reason in (Distrust.BAD_SIGNATURE, Distrust.UNKNOWN_KEY) for one in held.distrusted)
    if not held.newest and forged:
        raise Misconfigured(
            f"no calibration on the topic can be trusted: {forged:,} signed otherwise than with the secrets of this command",
            f"give it those of the workers ({variable('recalibration', 'secret')}, {variable('recalibration', 'key_id')})",
        )
    if not held.newest:
        raise Misconfigured(
            "no model has a calibration yet",
            "`watchkeeper calibrate propose` looks for thresholds; the workers do so by schedule",
        )
    return _chosen(model, held.newest, "there is no calibration of the model")


@contextmanager
def decided_here() -> Iterator[None]:
    """Steps taken and appended: one that can't be taken, or came too late, as Misconfigured with what to do next."""
    try:
        yield
    except Rejected as exc:
        raise Misconfigured(
            exc.detail, "`watchkeeper calibrate show` says how it stands and what happens next"
        ) from exc


_Found = TypeVar("_Found")


def _chosen(model: str | None, found: Mapping[str, _Found], missing: str) -> _Found:
    named = ", ".join(visible(one) for one in sorted(found)[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
    if model is None:
        if len(found) > 1:
            raise Misconfigured(f"there are {len(found):,} models: {named}{more}", "name one of them")
        return next(iter(found.values()))
    if model not in found:
        raise Misconfigured(f"{missing} {visible(model)!r}", f"there are: {named}{more}")
    return found[model]
