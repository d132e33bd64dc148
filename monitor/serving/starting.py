"""From the settings file to what a model server needs: the model's tokens, the calibration in force, and what follows it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import Misconfigured
from monitor.recalibration.records import Serving
from monitor.serving.config import ServingConfig, kafka_arguments, secret_in, secrets
from monitor.serving.following import FileFollower, Follower
from monitor.serving.following_topic import TopicFollower
from monitor.serving.hashes import template_hash, tokenizer_hash
from monitor.serving.position import Position
from monitor.serving.record_log import RecordLog
from monitor.serving.thresholds import InForce
from monitor.serving.tokens import Served, id_of, ids_of


@dataclass(frozen=True)
class Running:
    """What follows until `stop`. `records` is None where the settings name no file."""

    in_force: InForce
    position: Position
    followers: Sequence[Follower]
    records: RecordLog | None

    @property
    def served(self) -> Served:
        """The model and its tokens."""
        return self.in_force.served

    def stop(self) -> None:
        """End the threads, and wait for them."""
        for follower in self.followers:
            follower.stop()
        if self.records is not None:
            self.records.close()


def start(config: ServingConfig, tokenizer: Any = None, *, wait_s: float = 5.0) -> Running:
    """Follow what the settings name. `tokenizer`: the one that prompts are made with; None: the one that the settings name, by
    transformers. Waits `wait_s` at most until what there is was read, so that the first answers have a rule.

    Raises Misconfigured for what is wrong with settings, secrets or tokens. Neither a broker that is away nor a file that isn't there
    yet keeps it from starting: no rule then, and the model chooses.
    """
    tokens = load_tokenizer(config.tokenizer) if tokenizer is None else tokenizer
    in_force = InForce(
        served_by(config, tokens),
        secrets(config),
        kept=None if config.kept is None else Path(config.kept),
    )
    followers: list[Follower] = []
    if config.file is not None:
        followers.append(FileFollower(Path(config.file.path), in_force, every_s=config.file.every_s))
    if config.topic is not None:
        topic = config.topic
        followers.append(
            TopicFollower(in_force, topic.servers, topic=topic.name, kafka=kafka_arguments(topic))
        )
    position = Position(None if config.after is None else id_of(tokens, config.after), config.prefix_tokens)
    for follower in followers:
        follower.start()
    until = time.monotonic() + wait_s
    for follower in followers:
        follower.caught_up.wait(max(0.0, until - time.monotonic()))
    return Running(
        in_force,
        position,
        followers,
        None if config.records is None else RecordLog(Path(config.records)),
    )


def served_by(config: ServingConfig, tokenizer: Any) -> Served:
    """The model, with its tokens' ids and the hashes. Raises Misconfigured."""
    serving = serving_by(config, tokenizer)
    return Served(
        fleet=config.fleet,
        serving=serving,
        temperature=config.temperature,
        randomised=config.randomised,
        seed=b"" if config.seed is None else secret_in(Path(config.seed), "seed"),
        **ids_of(tokenizer, serving),
    )


def serving_by(config: ServingConfig, tokenizer: Any) -> Serving:
    """The model as the calibrator knows it."""
    if config.template is None:
        template = getattr(tokenizer, "chat_template", None)
    else:
        try:
            template = Path(config.template).read_text(encoding="utf-8")
        except OSError as exc:
            raise Misconfigured(f"template: {config.template} can't be read: {exc.strerror}") from exc
    try:
        return Serving(
            model=config.model,
            tokenizer_hash=tokenizer_hash(tokenizer),
            template_hash=template_hash(template),
            refusals=tuple(name.strip() for name in config.refusals),
            respond=config.respond.strip(),
        )
    except ValueError as exc:
        raise Misconfigured(f"refusals, respond: {exc}") from exc


def load_tokenizer(name: str) -> Any:
    """Of a folder or a hub id, by transformers. Raises Misconfigured."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as exc:
        raise Misconfigured(
            f"{name} holds no tokenizer that transformers can load: {type(exc).__name__}"
        ) from exc
