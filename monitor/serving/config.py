"""The serving side's one file of settings, TOML (docs/serving.md)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from monitor.errors import Misconfigured
from monitor.recalibration.signing import LEAST_SECRET_BYTES
from schemas.refusal_tokens import RESPOND
from schemas.topics import CALIBRATIONS

VARIABLE: Final = "REFUSAL_TOKENS_FILE"
"""The environment variable that names the file, for a model server that passes no arguments on."""
Name = Annotated[str, msgspec.Meta(min_length=1)]


class FileSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file with one signed calibration, looked at every so many seconds."""

    path: Name
    every_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0


class TopicSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The compacted topic. `password`: a file that holds it. `ca`: a file with the certificates that the brokers' are signed by."""

    servers: Name
    name: Name = CALIBRATIONS.name
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    username: str | None = None
    password: str | None = None
    ca: str | None = None


class ServingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is served, and what it follows.

    tokenizer: a folder or hub id. template: a file with the chat template's text; None: the tokenizer's own. keys: by key id, a
    file that holds the secret as text. refusals, respond: the model's tokens. temperature: see `Served`. after: text of one token
    (the end of a model's thinking) after which the answer begins. prefix_tokens: how many tokens, forced by the server, stand
    between the prompt (or `after`) and the answer. randomised, seed: see `Served`; seed is a file. kept: file in which the newest
    calibration is kept. records: file that records are appended to.
    """

    fleet: Name
    model: Name
    tokenizer: Name
    keys: dict[str, str]
    refusals: tuple[Name, ...]
    respond: Name = RESPOND
    template: str | None = None
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    after: str | None = None
    prefix_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    randomised: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.0
    seed: str | None = None
    kept: str | None = None
    records: str | None = None
    file: FileSource | None = None
    topic: TopicSource | None = None


def load(path: Path) -> ServingConfig:
    """Raises Misconfigured, with the place and what was expected there."""
    try:
        config = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ServingConfig, strict=True)
    except OSError as exc:
        raise Misconfigured(f"{path} can't be read: {exc.strerror}", f"name it in {VARIABLE}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as exc:
        raise Misconfigured(f"{path}: {exc}", "see docs/serving.md for the settings") from exc
    if config.file is None and config.topic is None:
        raise Misconfigured(f"{path}: neither [file] nor [topic]: there is nothing to follow")
    if not config.keys:
        raise Misconfigured(f"{path}: [keys] is empty: no calibration could be trusted")
    if config.randomised and config.seed is None:
        raise Misconfigured(
            f"{path}: randomised without a seed",
            "make one with `openssl rand -hex 32 > FILE`, and name it in seed",
        )
    return config


def secrets(config: ServingConfig) -> dict[str, bytes]:
    """By key id. Raises Misconfigured for a file that can't be read or holds too little."""
    return {name: secret_in(Path(path), f"keys.{name}") for name, path in config.keys.items()}


def secret_in(path: Path, name: str) -> bytes:
    """A secret's text without outer white space, as bytes. Raises Misconfigured, without quoting it."""
    try:
        found = path.read_bytes().strip()
    except OSError as exc:
        raise Misconfigured(f"{name}: {path} can't be read: {exc.strerror}") from exc
    if len(found) < LEAST_SECRET_BYTES:
        raise Misconfigured(
            f"{name}: {path} holds {len(found)} bytes, {LEAST_SECRET_BYTES} are needed",
            "it has to hold the calibrator's secret, as text",
        )
    return found


def kafka_arguments(topic: TopicSource) -> Mapping[str, Any]:
    """For aiokafka's consumer. Raises Misconfigured for files that can't be read."""
    found: dict[str, Any] = {"security_protocol": topic.security_protocol}
    if "SSL" in topic.security_protocol.split("_"):
        from aiokafka.helpers import create_ssl_context

        try:
            found["ssl_context"] = create_ssl_context(cafile=topic.ca)
        except OSError as exc:
            raise Misconfigured(f"topic.ca: {topic.ca} can't be used: {exc.strerror}") from exc
    if topic.security_protocol.startswith("SASL"):
        if topic.username is None or topic.password is None:
            raise Misconfigured("topic: SASL needs username and password (a file)")
        try:
            password = Path(topic.password).read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise Misconfigured(f"topic.password: {topic.password} can't be read: {exc.strerror}") from exc
        found |= {
            "sasl_mechanism": topic.sasl_mechanism,
            "sasl_plain_username": topic.username,
            "sasl_plain_password": password,
        }
    return found
